"""What the console's browser tests and its screenshots stand on: Airflow as `make up` starts it, and a Chromium."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil
import psycopg
import requests
from playwright.sync_api import Browser, Playwright
from playwright.sync_api import Error as PlaywrightError
from psycopg.rows import dict_row

from local import environment as env
from local.postgres import EmbeddedPostgres

CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
START_SECONDS = 600
PARTS = ("metadatabase", "scheduler", "dag_processor")
DAGS = ("bitbucket_compliance", "registry_import", "audit_package")


class NoBrowser(RuntimeError):
    """There is no Chromium that starts; the message says why."""


def open_browser(playwright: Playwright) -> Browser:
    """The system's Chromium where there is one, else Playwright's own."""
    own = {} if not CHROMIUM.exists() else {"executable_path": CHROMIUM}
    try:
        return playwright.chromium.launch(args=CHROMIUM_OPTIONS, **own)  # type: ignore[arg-type]
    except PlaywrightError as problem:
        reason = str(problem).strip().splitlines()[0]
        raise NoBrowser(f"no Chromium starts ({reason}): apt-get install chromium") from None


@dataclass(frozen=True)
class Airflow:
    """A running Airflow with the console, its Postgres and a sandbox."""

    url: str
    folder: Path

    @property
    def console(self) -> str:
        """Address of the console, with the slash at its end."""
        return f"{self.url}/compliance/"

    def password(self, user: str) -> str:
        """Of a login that was made for it."""
        passwords: dict[str, str] = json.loads((self.folder / "airflow-web" / "passwords.json").read_text())
        return passwords[user]

    def token(self, user: str) -> str:
        """What the browser of a person who is logged in carries."""
        answer = self._call("/auth/token", {"username": user, "password": self.password(user)})
        return str(answer["access_token"])

    def ask(self, user: str, method: str, path: str, body: Any = None) -> requests.Response:
        """One request as a person who has signed in, whatever comes of it."""
        headers = {"Authorization": f"Bearer {self.token(user)}"}
        return requests.request(method, f"{self.url}{path}", json=body, headers=headers, timeout=60)

    def insist(self, user: str, method: str, path: str, body: Any = None, seconds: float = 60) -> requests.Response:
        """A request to Airflow itself that has to be taken.

        SQLite below Airflow takes one writer: what meets the scheduler's writing is answered by 500. A person would
        press the button again.
        """
        deadline = time.monotonic() + seconds
        while (answer := self.ask(user, method, path, body)).status_code >= 500 and time.monotonic() < deadline:
            time.sleep(1)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer

    def trigger(self, dag_id: str, conf: dict[str, Any], seconds: float = 120) -> None:
        """Run a DAG and wait for its end."""
        token, path = self.token("admin"), f"/api/v2/dags/{dag_id}"
        self.insist("admin", "PATCH", path, {"is_paused": False})
        run = self.insist("admin", "POST", f"{path}/dagRuns", {"logical_date": None, "conf": conf}).json()
        deadline = time.monotonic() + seconds
        state = run["state"]
        while state not in ("success", "failed") and time.monotonic() < deadline:
            time.sleep(1)
            state = self._call(f"{path}/dagRuns/{run['dag_run_id']}", None, token)["state"]
        if state != "success":
            raise AssertionError(f"{dag_id} {conf}: {state}")

    def operate(self, *arguments: str) -> None:
        """Run a command as the operator of this Airflow."""
        settings = {
            "AIRFLOW_CONN_COMPLIANCE_POSTGRES": EmbeddedPostgres(self.folder / "postgres").uri(),
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            "COMPLIANCE_EVIDENCE_URL": (self.folder / "evidence").as_uri(),
            "PYTHONPATH": env.PYTHONPATH,
        }
        command = [sys.executable, "-m", "bitbucket_compliance", *arguments]
        subprocess.run(command, env=os.environ | settings, check=True)

    def query(self, *statements: str) -> list[dict[str, Any]]:
        """Rows of the last of these statements, out of the data's Postgres."""
        postgres = EmbeddedPostgres(self.folder / "postgres")
        with psycopg.connect(postgres.uri(), row_factory=dict_row) as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def knows_its_dags(self) -> bool:
        """Whether the DAG processor has read what the story starts."""
        known = self._call("/api/v2/dags", None, self.token("admin"))
        return {dag["dag_id"] for dag in known["dags"]}.issuperset(DAGS)

    def _call(self, path: str, body: Any = None, token: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        method = "GET" if body is None else "POST"
        answer = requests.request(method, f"{self.url}{path}", json=body, headers=headers, timeout=30)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()


@contextlib.contextmanager
def airflow_in(
    folder: Path, grant: str = "admin", settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Airflow]:
    """Start all of it, on free ports, with everything it keeps below ``folder``; end it with the context.

    ``settings``: of the deployment, more than what `make up` sets.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "logs").mkdir(exist_ok=True)
    log_file = folder / "logs" / "up.log"
    outside = ("AIRFLOW__", "AIRFLOW_", "COMPLIANCE_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(outside)}
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.console_browser.up", str(folder), grant],
            cwd=env.ROOT,
            env=clean
            | {"COMPLIANCE_EXPORT_TARGET": str(folder / "exports")}
            | settings
            | {"PYTHONPATH": env.PYTHONPATH},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield _started(process, folder, log_file)
    finally:
        _end(process)
        EmbeddedPostgres(folder / "postgres").delete()


def _started(process: subprocess.Popen[bytes], folder: Path, log_file: Path) -> Airflow:
    deadline = time.monotonic() + START_SECONDS
    state = folder / "airflow-web" / "up.json"
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, ValueError, KeyError, AssertionError):
            airflow = Airflow(json.loads(state.read_text())["url"], folder)
            if _is_healthy(airflow.url) and airflow.knows_its_dags():
                return airflow
        time.sleep(0.5)
    raise AssertionError(f"Airflow did not come up: {log_file.read_text(errors='replace')[-2000:]}")


def _is_healthy(url: str) -> bool:
    health = requests.get(f"{url}/api/v2/monitor/health", timeout=5).json()
    return all((health.get(part) or {}).get("status") == "healthy" for part in PARTS)


def _end(process: subprocess.Popen[bytes]) -> None:
    """The supervisor ends what it started; what has not gone by then is killed."""
    with contextlib.suppress(psutil.NoSuchProcess):
        below = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        _, alive = psutil.wait_procs(below, timeout=40)
        for left in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    process.kill()
    process.wait()
