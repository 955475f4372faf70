"""Airflow's API server with the logins, roles and first administrator of docker-compose.yaml, without Docker."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests
import yaml

from local.environment import ROOT, new_fernet_key
from local.processes import end, free_port

START_SECONDS: Final = 90
ADMIN: Final = "admin"
SERVICES: Final[dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text(encoding="utf-8"))["services"]
ROLES: Final = ("Compliance Viewer", "Compliance Reviewer", "Compliance Owner")
#: of the environment in docker-compose.yaml: what decides who gets in, and as what
SETTINGS: Final = ("AIRFLOW__CORE__AUTH_MANAGER", "AIRFLOW__FAB__", "AIRFLOW__API_AUTH__JWT_EXPIRATION", "FORWARDED_")


@dataclass(frozen=True)
class Server:
    """A running API server; a request may state where it comes from, as behind a proxy."""

    url: str
    folder: Path
    passwords: dict[str, str]
    _tokens: dict[str, str] = field(default_factory=dict)

    def sign_in(self, user: str, password: str, address: str, door: str = "/auth/token") -> requests.Response:
        """Try a password at one of the doors for programs."""
        body = {"username": user, "password": password, "provider": "db"}
        return requests.post(f"{self.url}{door}", json=body, headers={"X-Forwarded-For": address}, timeout=30)

    def sign_in_by_form(self, user: str, password: str, address: str, scheme: str = "http") -> requests.Response:
        """Try a password on the page."""
        headers = {"X-Forwarded-For": address, "X-Forwarded-Proto": scheme, "Referer": f"{self.url}/auth/login/"}
        with requests.Session() as browser:
            page = browser.get(f"{self.url}/auth/login/", headers=headers, timeout=30)
            # A Secure cookie would stay at home, for this browser speaks plain http to what plays the proxy's part.
            cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
            token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
            form = {"username": user, "password": password, "csrf_token": token[1] if token else ""}
            headers |= {"Cookie": cookies, "Referer": f"{scheme}://{self.url.partition('://')[2]}/auth/login/"}
            return requests.post(
                f"{self.url}/auth/login/", data=form, headers=headers, timeout=30, allow_redirects=False
            )

    def ask(self, user: str, method: str, path: str, body: Any = None) -> requests.Response:
        """One request as a person who has signed in."""
        if user not in self._tokens:
            self._tokens[user] = self.sign_in(user, self.passwords[user], "192.0.2.200").json()["access_token"]
        headers = {"Authorization": f"Bearer {self._tokens[user]}"}
        return requests.request(method, f"{self.url}{path}", json=body, headers=headers, timeout=60)


@contextlib.contextmanager
def server_in(folder: Path, postgres: str) -> Iterator[Server]:
    """Start it on a free port, with all it keeps below ``folder``; ``postgres``: address of the data's database."""
    folder.mkdir(parents=True, exist_ok=True)
    password, port = secrets.token_hex(12), free_port(0)
    url = f"http://127.0.0.1:{port}"
    environment = _environment(folder, url, postgres) | {"AIRFLOW_ADMIN_PASSWORD": password}
    log_file = folder / "server.log"
    with log_file.open("ab") as log:
        for step in (["airflow", "db", "migrate"], ["sh", "-euc", _first_administrator()]):
            subprocess.run(step, env=environment, cwd=ROOT, stdout=log, stderr=log, check=True)
        process = subprocess.Popen(
            ["airflow", "api-server", *SERVICES["airflow-api-server"]["command"][2:], "--port", str(port)],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait(process, url, log_file)
        server = Server(url, folder, {ADMIN: password})
        for role in ROLES:
            _add_login(server, role)
        yield server
    finally:
        end(process.pid)
        process.wait()


def _environment(folder: Path, url: str, postgres: str) -> dict[str, str]:
    outside = ("AIRFLOW", "COMPLIANCE_")
    given = {name: value for name, value in os.environ.items() if not name.startswith(outside)}
    composed = SERVICES["airflow-api-server"]["environment"]
    # ${NAME:-default}
    chosen = {name: str(value) for name, value in composed.items() if name.startswith(SETTINGS)}
    settings = {name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) for name, value in chosen.items()}
    return (
        given
        | settings
        | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "PYTHONPATH": os.pathsep.join([str(ROOT / "include"), str(ROOT / "plugins")]),
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__API__BASE_URL": url,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(24),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(48),
            "AIRFLOW__CORE__FERNET_KEY": new_fernet_key(),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db",
            "AIRFLOW_CONN_COMPLIANCE_POSTGRES": postgres,
            "GX_ANALYTICS_ENABLED": "false",
        }
    )


def _first_administrator() -> str:
    """The line of airflow-init that makes it, as the shell of the container gets it."""
    script = str(SERVICES["airflow-init"]["command"][-1]).replace("$$", "$")
    return script[script.index("printf") :]


def _wait(process: subprocess.Popen[bytes], url: str, log_file: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"{url}/api/v2/monitor/health", timeout=5).ok:
                return
        time.sleep(0.3)
    raise AssertionError(f"the API server did not come up: {log_file.read_text(errors='replace')[-2000:]}")


def _add_login(server: Server, role: str) -> None:
    """As an administrator makes it: ``viewer`` for Compliance Viewer, and so on."""
    name = role.split()[-1].lower()
    server.passwords[name] = secrets.token_hex(12)
    body = {
        "username": name,
        "password": server.passwords[name],
        "first_name": name,
        "last_name": "Person",
        "email": f"{name}@example.test",
        "roles": [{"name": role}],
    }
    answer = server.ask(ADMIN, "POST", "/auth/fab/v1/users", body)
    assert answer.ok, f"{role}: {answer.status_code} {answer.text}"
