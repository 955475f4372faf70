"""`up` and `down`: Airflow with its web page in the background, for one person on one machine.

`airflow standalone` runs the scheduler, the API server, the DAG processor and the triggerer below one
supervisor of ours, which also holds the embedded Postgres and the sandbox. It listens on loopback.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Final

import psutil

from local import environment as env
from local.services import (
    LocalError,
    Services,
    embedded_postgres,
    migrate_airflow,
    migrate_compliance,
    only_one,
    require_postgres,
)

PREFERRED_PORT: Final = 8080
START_TIMEOUT_SECONDS: Final = 180
#: who submits evidence or owns a risk may not accept it: that takes a second login of the role `op`
USERS: Final = "admin:admin,owner:op,reviewer:op,viewer:viewer"
CONSOLE_PATH: Final = "/compliance/"
#: where the console takes deliveries in: reached by the sandbox, not by Bitbucket, so the user's own address goes first
WEBHOOK_URL: Final = "COMPLIANCE_WEBHOOK_URL"
HOME: Final = env.LOCAL / "airflow-web"
STATE: Final = HOME / "up.json"
PASSWORDS: Final = HOME / "passwords.json"
LOG: Final = env.LOCAL / "logs" / "up.log"


def up(grant: str) -> int:
    """Start in the background, wait until it answers, print the address and the logins."""
    if _supervisor() is not None:
        print(f"already up: {_state()['url']}  (make down stops it)")
        return 0
    LOG.parent.mkdir(parents=True, exist_ok=True)
    HOME.mkdir(parents=True, exist_ok=True)
    STATE.unlink(missing_ok=True)
    print("starting Airflow, this takes half a minute", flush=True)
    with LOG.open("ab") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "local.web", grant],
            cwd=env.ROOT,
            env=os.environ | {"PYTHONPATH": str(env.ROOT / "include")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        url = _wait_until_healthy(supervisor)
    except BaseException:
        supervisor.terminate()
        raise
    print(f"Airflow: {url}")
    print(f"Compliance console: {url}{CONSOLE_PATH}")
    for user, password in json.loads(PASSWORDS.read_text()).items():
        print(f"  login {user} / {password}")
    print(f"log: {LOG.relative_to(env.ROOT)}; stop it with: make down")
    return 0


def down() -> int:
    """Stop what `up` started, and the embedded Postgres where nobody uses it any more."""
    supervisor = _supervisor()
    if supervisor is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            below = supervisor.children(recursive=True)
            supervisor.terminate()
            _, alive = psutil.wait_procs([supervisor, *below], timeout=30)
            for process in alive:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        print("stopped Airflow")
    STATE.unlink(missing_ok=True)
    embedded_postgres().close()
    return 0


def _state() -> dict[str, str]:
    try:
        state: dict[str, str] = json.loads(STATE.read_text())
    except (OSError, ValueError):
        return {}
    return state


def _supervisor() -> psutil.Process | None:
    """The process of `up`, if it lives; a number that another program has by now doesn't count."""
    try:
        process = psutil.Process(int(_state()["pid"]))
        ours = "local.web" in process.cmdline()
    except (KeyError, ValueError, psutil.Error):
        return None
    return process if ours else None


def _wait_until_healthy(supervisor: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and supervisor.poll() is None:
        url = _state().get("url")
        if url and _is_healthy(url):
            return url
        time.sleep(0.5)
    raise LocalError(f"Airflow did not come up: {_last_error()} (log: {LOG})")


def _last_error() -> str:
    lines = LOG.read_text(errors="replace").splitlines() if LOG.exists() else []
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return errors[-1] if errors else "see the log"


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/api/v2/monitor/health", timeout=5) as answer:  # noqa: S310 - our own
            health = json.load(answer)
    except (OSError, ValueError):
        return False
    parts = ("metadatabase", "scheduler", "dag_processor")
    return all((health.get(part) or {}).get("status") == "healthy" for part in parts)


def _free_port() -> int:
    for port in (PREFERRED_PORT, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise LocalError("no free port on 127.0.0.1")


def _write_passwords() -> None:
    """Make the logins before Airflow does: it would print them into the log. Those that are there stay."""
    names = [user.partition(":")[0] for user in USERS.split(",")]
    kept: dict[str, str] = json.loads(PASSWORDS.read_text()) if PASSWORDS.exists() else {}
    passwords = {name: kept.get(name) or secrets.token_urlsafe(12) for name in names}
    if passwords != kept:
        unfinished = PASSWORDS.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(passwords, file)
        unfinished.replace(PASSWORDS)


def web_environment(home: Path, port: int) -> dict[str, str]:
    """Airflow's environment with the page on `port`; the tasks' API address has to follow it."""
    url = f"http://127.0.0.1:{port}"
    # Bitbucket itself reaches no loopback; the sandbox does.
    is_sandbox = env.BITBUCKET_CONNECTION not in env.user_connections()
    return (
        ({WEBHOOK_URL: f"{url}{CONSOLE_PATH}webhooks/bitbucket"} if is_sandbox else {})
        | _kept_folders(env.airflow_environment(home))
        | {
            "AIRFLOW__API__HOST": "127.0.0.1",
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


def _kept_folders(environment: dict[str, str]) -> dict[str, str]:
    """With the folders of evidence and of the gates' pages named: the console and the tasks use the same."""
    folders = {"COMPLIANCE_EVIDENCE_URL": "evidence", "COMPLIANCE_DATA_DOCS_URL": "data_docs"}
    named = {name: environment.get(name) or (env.LOCAL / folder).as_uri() for name, folder in folders.items()}
    return environment | named


def supervise(grant: str) -> None:
    """Hold everything that `up` started until a signal comes (runs as a process of its own)."""
    with only_one(HOME), Services(sandbox_grant=grant, sandbox_auth=env.BY_CONSENT) as services:
        connections = services.connections()
        require_postgres(connections)
        migrate_compliance(connections)
        migrate_airflow(HOME, LOG)
        _write_passwords()
        port = _free_port()
        airflow = subprocess.Popen(
            [sys.executable, "-m", "airflow", "standalone"],
            cwd=env.ROOT,
            env=web_environment(HOME, port) | connections.as_environment(),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            STATE.write_text(json.dumps({"pid": str(os.getpid()), "url": f"http://127.0.0.1:{port}"}))
            airflow.wait()
            raise LocalError(f"Airflow ended with exit code {airflow.returncode}")
        finally:
            STATE.unlink(missing_ok=True)
            _end_session(airflow)


def _end_session(leader: subprocess.Popen[bytes]) -> None:
    """End the components: asked first, then killed with everything they started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        group = [psutil.Process(leader.pid), *psutil.Process(leader.pid).children(recursive=True)]
        for process in group:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        psutil.wait_procs(group, timeout=15)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader.pid, signal.SIGKILL)
    leader.wait()


def main() -> int:
    """Entry of the supervising process."""
    from local.commands import expected_errors

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        supervise(sys.argv[1])
    except KeyboardInterrupt:
        return 0
    except expected_errors() as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
