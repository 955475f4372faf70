"""The services of `docker-compose.yaml` as processes of this machine, by the commands and environment written there.

Each has a home of its own, where a container has its file system: a worker shares with another one the code, Redis and
the data's Postgres, and no folder. What ends by itself is started again where Compose would do so.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Self

import psutil
import psycopg
import requests
from psycopg import sql
from psycopg.rows import dict_row

from local.environment import new_fernet_key
from local.postgres import EmbeddedPostgres
from local.processes import HOST, end, free_port
from tests.server_lock.environment import copy_image, without_others
from tests.workers import composed

#: Seconds that anything may take where others keep the machine busy.
PATIENCE: Final = 240.0
WORKERS: Final = ("worker-1", "worker-2")
#: the services of Airflow that stay, and what each is called here
_SERVICES: Final = {
    "api-server": "airflow-api-server",
    "scheduler": "airflow-scheduler",
    "dag-processor": "airflow-dag-processor",
    "triggerer": "airflow-triggerer",
    **dict.fromkeys(WORKERS, "airflow-worker"),
}
#: the login that owns Airflow's metadata
_AIRFLOW: Final = "airflow"


class Program:
    """A service that runs, with all processes that it started.

    Attributes:
        name: also that of its machine.
        restarts: how often it was started again because it had ended.
    """

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], home: Path) -> None:
        self.name, self.home, self.restarts = name, home, 0
        self.environment = dict(environment)
        self.log = home.with_suffix(".log")
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._is_wanted = False
        self._turn = threading.Lock()
        home.mkdir(parents=True, exist_ok=True)

    def start(self) -> Self:
        """Start it, and start it again from now on where it ends by itself."""
        with self._turn:
            self._is_wanted = True
            self._start()
        return self

    def kill(self, *, comes_back: bool = True) -> None:
        """kill -9 of all of it; it is started again at once, unless its machine is gone."""
        with self._turn:
            self._is_wanted = comes_back
            for process in self._all():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self._wait()

    def freeze(self) -> None:
        """Stop all of it, as a suspended machine does."""
        for process in self._all():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def wake(self) -> None:
        """Let it go on where it was stopped."""
        for process in self._all():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def end(self, seconds: float = 20) -> None:
        """SIGTERM, and what `docker stop` does to what has not ended by then."""
        with self._turn:
            self._is_wanted = False
            if self._process is not None:
                end(self._process.pid, seconds)
                self._wait()

    def process_names(self) -> list[str]:
        """What its processes call themselves."""
        names = []
        for process in self._all():
            with contextlib.suppress(psutil.NoSuchProcess):
                names.append(" ".join(process.cmdline()))
        return names

    def look_after(self) -> None:
        """Start it again where it has ended and should not have."""
        with self._turn:
            if self._is_wanted and self._process is not None and self._process.poll() is not None:
                self.restarts += 1
                self._start()

    def _start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self.environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait(self) -> None:
        if self._process is not None:
            self._process.wait(30)

    def _all(self) -> list[psutil.Process]:
        """All of its session, which is what runs in a container."""
        found: list[psutil.Process] = []
        for pid in psutil.pids() if self._process is not None else []:
            with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
                if os.getsid(pid) == self._process.pid:  # type: ignore[union-attr]
                    found.append(psutil.Process(pid))
        return found


class Stack:
    """All services, on free ports, with everything they keep below one folder.

    Args:
        programs: folder of the programs of a server's environment.
        dotenv: what a team's `.env` says beside the secrets.
        settings: of Airflow, beside or in place of those of Compose; times are shorter in tests.
    """

    def __init__(
        self,
        folder: Path,
        postgres: EmbeddedPostgres,
        programs: Path,
        dotenv: Mapping[str, str],
        settings: Mapping[str, str],
    ) -> None:
        self._folder, self._postgres, self._bin = folder, postgres, programs
        self.redis_port, self._api_port = free_port(), free_port()
        self._pipeline = copy_image(folder / "pipeline")
        self._settings = settings
        self.url = f"http://{HOST}:{self._api_port}"
        self.dotenv = {
            **{name: secrets.token_hex(24) for name in ("REDIS_PASSWORD", "AIRFLOW_API_SECRET_KEY")},
            **{name: secrets.token_hex(12) for name in ("METADATA_POSTGRES_PASSWORD", "AIRFLOW_ADMIN_PASSWORD")},
            "AIRFLOW_JWT_SECRET": secrets.token_hex(64),
            "AIRFLOW_FERNET_KEY": new_fernet_key(),
            "COMPLIANCE_VAULT_KEY": new_fernet_key(),
            "COMPLIANCE_POSTGRES_PASSWORD": secrets.token_hex(12),
            "COMPLIANCE_OWNER_POSTGRES_PASSWORD": self._password_of(postgres.uri()),
            **dotenv,
        }
        self.redis = Program("redis", self._redis_command(), self._environment("redis", "redis"), folder / "redis")
        self.programs = {
            name: Program(name, self._command(name, service), self._environment(name, service), folder / "homes" / name)
            for name, service in _SERVICES.items()
        }
        self._is_over = threading.Event()
        self._looking = threading.Thread(target=self._look_after, daemon=True)
        self._token = ""

    # ---- parts

    @property
    def scheduler(self) -> Program:
        return self.programs["scheduler"]

    @property
    def workers(self) -> list[Program]:
        return [self.programs[name] for name in WORKERS]

    @property
    def dsn(self) -> str:
        """The data's database, as its owner."""
        return self._postgres.uri()

    # ---- life

    def prepare(self) -> None:
        """What `airflow-init` does, as Compose runs it."""
        self._make_metadata()
        self.redis.start()
        home = self._folder / "homes" / "init"
        home.mkdir(parents=True)
        with home.with_suffix(".log").open("ab") as log:
            subprocess.run(
                composed.command("airflow-init", self.dotenv),
                env=self._environment("init", "airflow-init"),
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=True,
            )

    def start(self) -> None:
        """Everything that stays, until each is well by its own health check."""
        for program in self.programs.values():
            program.start()
        self._looking.start()
        self.wait_until(self._says_it_is_well, "Airflow says that it is well")
        for name in _SERVICES:
            self.wait_until(lambda name=name: self.is_well(name), f"{name} is well")  # type: ignore[misc]

    def stop(self) -> None:
        """End everything."""
        self._is_over.set()
        programs = [*self.programs.values(), self.redis]
        threads = [threading.Thread(target=program.end) for program in programs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def is_well(self, name: str) -> bool:
        """Whether the health check of Compose says so."""
        command = composed.health_check(_SERVICES[name], self.dotenv)
        ports = {":8080/": f":{self._api_port}/", ":8974/": f":{self._health_port(name)}/"}
        words = [_replaced(word, ports) for word in command]
        program = self.programs[name]
        done = subprocess.run(
            words, env=program.environment, cwd=program.home, capture_output=True, timeout=120, check=False
        )
        return done.returncode == 0

    def _says_it_is_well(self) -> bool:
        """By its own page, which costs less to ask again and again than the health checks."""
        with contextlib.suppress(requests.RequestException):
            parts = requests.get(f"{self.url}/api/v2/monitor/health", timeout=20).json()
            return all(part["status"] == "healthy" for part in parts.values())
        return False

    def _look_after(self) -> None:
        while not self._is_over.wait(0.5):
            for program in (*self.programs.values(), self.redis):
                program.look_after()

    # ---- Airflow

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request to Airflow's API, as its administrator."""
        if not self._token:
            login = {"username": "admin", "password": self.dotenv["AIRFLOW_ADMIN_PASSWORD"]}
            self._token = requests.post(f"{self.url}/auth/token", json=login, timeout=60).json()["access_token"]
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = requests.request(method, f"{self.url}{path}", json=body, headers=headers, timeout=60)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def trigger(self, workspace: str, *, full_refresh: bool = True) -> str:
        """Start a run of a workspace; its id."""
        conf = {"workspace": workspace, "full_refresh": full_refresh}
        body = {"logical_date": None, "conf": conf}
        return str(self.ask("POST", "/api/v2/dags/bitbucket_compliance/dagRuns", body)["dag_run_id"])

    def state(self, run_id: str) -> str:
        """Of a run, in Airflow."""
        [row] = self.metadata("SELECT state FROM dag_run WHERE run_id = %s", run_id)
        return str(row["state"])

    def wait_for(self, run_id: str, seconds: float = PATIENCE) -> str:
        """How a run ended in Airflow."""
        self.wait_until(lambda: self.state(run_id) in ("success", "failed"), f"run {run_id} ended", seconds)
        return self.state(run_id)

    def tasks(self, run_id: str) -> list[dict[str, Any]]:
        """The tasks of a run as Airflow knows them."""
        return self.metadata(
            "SELECT task_id, map_index, state, hostname, try_number, start_date, end_date, queued_dttm"
            " FROM task_instance WHERE run_id = %s ORDER BY start_date, task_id",
            run_id,
        )

    def tasks_begun(self, run_id: str) -> list[dict[str, Any]]:
        """Those that a worker has begun."""
        return [task for task in self.tasks(run_id) if task["hostname"]]

    def metadata(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Rows of Airflow's metadata."""
        address = self._postgres.uri(_AIRFLOW, _AIRFLOW, self.dotenv["METADATA_POSTGRES_PASSWORD"])
        with psycopg.connect(address, row_factory=dict_row) as connection:
            return connection.execute(query, values).fetchall()  # type: ignore[call-overload, no-any-return]

    def data(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Rows of the data's Postgres."""
        with psycopg.connect(self.dsn, row_factory=dict_row) as connection:
            return connection.execute(query, values).fetchall()  # type: ignore[call-overload, no-any-return]

    def at_work(self, run_id: str) -> Program:
        """The worker that has a task of a run; there is one."""
        hosts = {row["hostname"] for row in self.tasks(run_id) if row["state"] == "running"}
        [host] = hosts
        return self.programs[host]

    def at_something(self, worker: Program) -> bool:
        """Whether a worker has a process of a task."""
        return any("airflow worker --" in name for name in worker.process_names())

    def wait_until(self, happened: Callable[[], Any], what: str, seconds: float = PATIENCE) -> None:
        """Wait for something to happen.

        Raises:
            AssertionError: it did not; what it was, and the last lines of every log.
        """
        deadline = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < deadline, f"it did not happen in {seconds:.0f} s: {what}\n{self._last_lines()}"
            time.sleep(0.25)

    def _last_lines(self) -> str:
        logs = [*(program.log for program in self.programs.values()), self.redis.log]
        return "\n".join(f"{log.name}:\n{log.read_text(errors='replace')[-1500:]}" for log in logs if log.exists())

    # ---- what Compose hands to a container, on this machine

    def _environment(self, name: str, service: str) -> dict[str, str]:
        home = self._folder / ("redis" if service == "redis" else f"homes/{name}")
        data = f'"host": "{HOST}", "port": {self._postgres.port}'
        places = {
            "/opt/airflow": str(home),
            "/opt/pipeline": str(self._pipeline),
            "@redis:6379": f"@{HOST}:{self.redis_port}",
            "@postgres-metadata:5432": f"@{HOST}:{self._postgres.port}",
            '"host": "postgres-data", "port": 5432': data,
            "//airflow-api-server:8080": f"//{HOST}:{self._api_port}",
        }
        composed_here = {
            variable: _replaced(value, places) for variable, value in composed.environment(service, self.dotenv).items()
        }
        if service == "redis":
            return os.environ | composed_here
        return (
            without_others(os.environ)
            | composed_here
            | {
                "PATH": f"{self._bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
                # A container has a name of its own and all ports for itself.
                "HOSTNAME": name,
                "PYTHONPATH": os.pathsep.join([composed_here["PYTHONPATH"], str(Path(__file__).parent / "machine")]),
                "AIRFLOW__CORE__HOSTNAME_CALLABLE": "machine_name.machine_name",
                "AIRFLOW__API__HOST": HOST,
                "AIRFLOW__API__PORT": str(self._api_port),
                "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(self._health_port(name)),
                "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
                "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            }
            | self._settings
        )

    def _command(self, name: str, service: str) -> list[str]:
        named = ["--celery-hostname", f"celery@{name}"] if service == "airflow-worker" else []
        program, *arguments = composed.command(service, self.dotenv)
        return [str(self._bin / program), *arguments, *named]

    def _redis_command(self) -> list[str]:
        *shell, script = composed.command("redis", self.dotenv)
        script = script.strip().replace("/tmp/", f"{self._folder}/redis/")  # noqa: S108 - the container's
        return [*shell, f"{script} --bind {HOST} --port {self.redis_port} --dir {self._folder}/redis"]

    def _health_port(self, name: str) -> int:
        if not hasattr(self, "_health_ports"):
            self._health_ports: dict[str, int] = {}
        return self._health_ports.setdefault(name, free_port())

    @staticmethod
    def _password_of(uri: str) -> str:
        return str(psycopg.conninfo.conninfo_to_dict(uri)["password"])

    def _make_metadata(self) -> None:
        """What the image of Postgres does for POSTGRES_USER at its first start."""
        with psycopg.connect(self._postgres.uri("postgres", "postgres"), autocommit=True) as admin:
            role, password = sql.Identifier(_AIRFLOW), sql.Literal(self.dotenv["METADATA_POSTGRES_PASSWORD"])
            admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, password))
            admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))
            # What the server allows a worker that is silent in a transaction, where it would be two minutes.
            admin.execute("ALTER DATABASE compliance SET idle_in_transaction_session_timeout = '5s'")


def _replaced(text: str, places: Mapping[str, str]) -> str:
    for container, here in places.items():
        text = text.replace(container, here)
    return text
