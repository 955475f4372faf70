"""`up` and `down`: Airflow with its web page in the background, for one person on one machine.

`airflow standalone` runs the scheduler, the API server, the DAG processor and the triggerer below one
supervisor of ours, which also holds the embedded Postgres and the sandbox. It listens on loopback.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Final

from bitbucket_compliance.commands.command_line import Flag, command, port
from local import environment as env
from local.processes import HOST, free_port
from local.services import GRANT, Services, migrate_airflow, only_one, usable
from local.supervisor import Background, require_free, supervise

PREFERRED_PORT: Final = 8080
#: who submits evidence or owns a risk may not accept it: that takes a second login, which needs no right to connections
USERS: Final = "admin:admin,owner:op,reviewer:user,viewer:viewer"
CONSOLE_PATH: Final = "/compliance/"
#: where the console takes deliveries in: reached by the sandbox, not by Bitbucket, so the user's own address goes first
WEBHOOK_URL: Final = "COMPLIANCE_WEBHOOK_URL"
HOME: Final = env.LOCAL / "airflow-web"
PASSWORDS: Final = HOME / "passwords.json"


def _is_well(answer: bytes) -> bool:
    health = json.loads(answer)
    parts = ("metadatabase", "scheduler", "dag_processor")
    return all((health.get(part) or {}).get("status") == "healthy" for part in parts)


AIRFLOW: Final = Background(
    "Airflow", "local.web", HOME, env.LOCAL / "logs" / "up.log", "make down", "/api/v2/monitor/health", _is_well
)


@command(
    "up",
    "Airflow with its web page on this machine, in the background",
    Flag("port", str(PREFERRED_PORT), "of the page; where it is taken and none is named, another", port, 0),
    GRANT,
)
def up(port: int, grant: str) -> None:
    """Start in the background, wait until it answers, print the address and the logins."""
    if url := AIRFLOW.running_at():
        print(f"already up: {url}  ({AIRFLOW.stopped_by} stops it)")
        return
    require_free(port)
    url = AIRFLOW.start(grant, str(port))
    print(f"Airflow: {url}")
    print(f"Compliance console: {url}{CONSOLE_PATH}")
    for user, password in json.loads(PASSWORDS.read_text()).items():
        print(f"  login {user} / {password}")
    print(f"log: {AIRFLOW.log.relative_to(env.ROOT)}; stop it with: {AIRFLOW.stopped_by}")


command("down", "stop what `make up` started")(AIRFLOW.stop)


def _write_passwords() -> None:
    """Make the logins before Airflow does: it would print them into the log. Those that are there stay."""
    names = [user.partition(":")[0] for user in USERS.split(",")]
    kept: dict[str, str] = json.loads(PASSWORDS.read_text()) if PASSWORDS.exists() else {}
    passwords = {name: kept.get(name) or secrets.token_urlsafe(12) for name in names}
    if passwords != kept:
        env.write_secret(PASSWORDS.with_suffix(".new"), json.dumps(passwords)).replace(PASSWORDS)


def web_environment(home: Path, port: int) -> dict[str, str]:
    """Airflow's environment with the page on `port`; the tasks' API address has to follow it."""
    url = f"http://{HOST}:{port}"
    # Bitbucket itself reaches no loopback; the sandbox does.
    is_sandbox = env.BITBUCKET_CONNECTION not in env.user_connections()
    return (
        ({WEBHOOK_URL: f"{url}{CONSOLE_PATH}webhooks/bitbucket"} if is_sandbox else {})
        | env.airflow_environment(home)
        | {
            "AIRFLOW__API__HOST": HOST,
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": USERS,
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(PASSWORDS),
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        }
    )


def run(grant: str, port: int) -> None:
    """Hold Airflow and what it needs until a signal comes (in the supervisor)."""
    with only_one(HOME), Services(sandbox_grant=grant, sandbox_auth=env.BY_CONSENT) as services:
        connections = usable(services.connections())
        migrate_airflow(HOME, AIRFLOW.log)
        _write_passwords()
        port = port or free_port(PREFERRED_PORT)
        airflow = subprocess.Popen(
            [sys.executable, "-m", "airflow", "standalone"],
            cwd=env.ROOT,
            env=web_environment(HOME, port) | connections.as_environment(),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        AIRFLOW.hold(airflow, f"http://{HOST}:{port}")


if __name__ == "__main__":
    sys.exit(supervise(lambda: run(sys.argv[1], int(sys.argv[2]))))
