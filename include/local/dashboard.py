"""`dashboard` and `dashboard-down`: Apache Superset in the background, with the compliance dashboard in it.

Superset lives in an environment of its own (`.venv-superset`, from reporting/dashboards/requirements.txt): it
needs older libraries than the pipeline. It reads the same Postgres with a login that may read what is
published and nothing else, keeps its own tables in SQLite below `.local/superset`, and listens on loopback.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from bitbucket_compliance.reporting.dashboards.login import ROLE, ensure_login
from local import environment as env
from local.services import (
    LocalError,
    Services,
    embedded_postgres,
    migrate_compliance,
    only_one,
    require_postgres,
    stop_process,
)

FOLDER: Final = env.ROOT / "include" / "bitbucket_compliance" / "reporting" / "dashboards"
LOCK: Final = FOLDER / "requirements.txt"
VENV: Final = env.ROOT / ".venv-superset"
PYTHONS: Final = ((3, 11), (3, 12))
NEEDED_BYTES: Final = 2 * 1024**3

HOME: Final = env.LOCAL / "superset"
STATE: Final = HOME / "up.json"
LOG: Final = env.LOCAL / "logs" / "dashboard.log"
PREFERRED_PORT: Final = 8088
START_TIMEOUT_SECONDS: Final = 180
PAGE: Final = "/superset/dashboard/compliance/"

# The results' address for the dashboard, where the user runs the Postgres.
RESULTS: Final = "COMPLIANCE_DASHBOARD_POSTGRES"


@dataclass(frozen=True)
class Superset:
    """One Superset: where it keeps its tables, which results it shows, and its secrets."""

    home: Path
    results: str
    secret_key: str
    admin_password: str
    viewer_password: str
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        """For its processes: nothing of the pipeline's environment or of another Superset gets in."""
        foreign = ("AIRFLOW", "PYTHON", "SUPERSET", "FLASK", "COMPLIANCE", "GUNICORN")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return kept | {
            "SUPERSET_CONFIG_PATH": str(FOLDER / "superset_config.py"),
            "SUPERSET_HOME": str(self.home),
            "SUPERSET_METADATA_URI": f"sqlite:///{self.home}/superset.db",
            "SUPERSET_SECRET_KEY": self.secret_key,
            "SUPERSET_ADMIN_PASSWORD": self.admin_password,
            "SUPERSET_VIEWER_PASSWORD": self.viewer_password,
            RESULTS: self.results,
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            # Its own libraries' remarks about each other.
            "PYTHONWARNINGS": "ignore",
        }

    def prepare(self) -> None:
        """Create or upgrade its tables, its logins and the dashboard.

        Raises LocalError with the line that says why not.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o700)  # its tables hold hashed passwords
        with self.log.open("ab") as log:
            start = log.tell()
            done = subprocess.run(
                [_venv_python(), str(FOLDER / "prepare.py")],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
            )
        if done.returncode != 0:
            raise LocalError(f"Superset could not be prepared: {_last_error(self.log, start)}")

    def export(self, folder: Path) -> None:
        """Write the dashboard as it stands in the browser to `folder`, which is replaced.

        Raises LocalError with the line that says why not.
        """
        with self.log.open("ab") as log:
            start = log.tell()
            command = [_venv_python(), str(FOLDER / "export.py"), str(folder)]
            done = subprocess.run(command, env=self.environment, stdout=log, stderr=log, check=False)
        if done.returncode != 0:
            raise LocalError(f"the dashboard could not be exported: {_last_error(self.log, start)}")

    def serve(self, port: int) -> subprocess.Popen[bytes]:
        """Start its server on loopback; the caller ends the process."""
        # Threads of one process: SQLite takes one writer, and the work is done in Postgres.
        command = [_venv_python(), "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "1"]
        options = ["--worker-class", "gthread", "--threads", "8", "--timeout", "120", "superset.app:create_app()"]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*command, *options],
                cwd=self.home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


# -- commands -----------------------------------------------------------------------------------------


def dashboard(port: str = "", *, setup_only: bool = False) -> int:
    """Install Superset if it is missing, start it in the background, print its address and the logins."""
    wanted = _valid_port(port)
    if not setup_only and _supervisor() is not None:
        print(f"already up: {_state()['url']}  (make dashboard-down stops it)")
        return 0
    install()
    if setup_only:
        return 0
    LOG.parent.mkdir(parents=True, exist_ok=True)
    HOME.mkdir(parents=True, exist_ok=True)
    STATE.unlink(missing_ok=True)
    print("starting Superset, this takes half a minute", flush=True)
    with LOG.open("ab") as log:
        start = log.tell()
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "local.dashboard", str(wanted)],
            cwd=env.ROOT,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(env.ROOT / "include"), str(env.ROOT / "plugins")])},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        url = _wait_until_healthy(supervisor, start)
    except BaseException:
        supervisor.terminate()
        raise
    print(f"dashboard: {url}")
    for user in ("admin", "viewer"):
        print(f"  login {user} / {env.dashboard_secret(user)}")
    print(f"log: {LOG.relative_to(env.ROOT)}; stop it with: make dashboard-down")
    return 0


def down() -> int:
    """Stop what `dashboard` started, and the embedded Postgres where nobody uses it any more."""
    supervisor = _supervisor()
    if supervisor is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            below = supervisor.children(recursive=True)
            supervisor.terminate()
            _, alive = psutil.wait_procs([supervisor, *below], timeout=30)
            for process in alive:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        print("stopped the dashboard")
    STATE.unlink(missing_ok=True)
    embedded_postgres().close()
    return 0


def export() -> int:
    """Write the dashboard, as somebody changed it in the browser, back into the asset files."""
    if not is_installed() or not (HOME / "superset.db").exists():
        raise LocalError("there is no dashboard to export yet: make dashboard")
    _superset("").export(FOLDER / "assets")
    print(f"written: {(FOLDER / 'assets').relative_to(env.ROOT)}")
    return 0


def _superset(results: str) -> Superset:
    """The Superset of this checkout."""
    return Superset(
        home=HOME,
        results=results,
        secret_key=env.dashboard_secret("key"),
        admin_password=env.dashboard_secret("admin"),
        viewer_password=env.dashboard_secret("viewer"),
        log=LOG,
    )


def _valid_port(port: str) -> int:
    """The port that the user wants; 0: the usual one, or any where that is taken."""
    if not port:
        return 0
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise LocalError(f"PORT={port} is no port: write a number from 1 to 65535")
    if not _is_free(int(port)):
        raise LocalError(f"port {port} of 127.0.0.1 is taken: name another one with PORT=")
    return int(port)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Any free port of loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _state() -> dict[str, str]:
    try:
        state: dict[str, str] = json.loads(STATE.read_text())
    except (OSError, ValueError):
        return {}
    return state


def _supervisor() -> psutil.Process | None:
    """The process of `dashboard`, if it lives; a number that another program has by now doesn't count."""
    try:
        process = psutil.Process(int(_state()["pid"]))
        ours = "local.dashboard" in process.cmdline()
    except (KeyError, ValueError, psutil.Error):
        return None
    return process if ours else None


def _wait_until_healthy(supervisor: subprocess.Popen[bytes], log_start: int) -> str:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and supervisor.poll() is None:
        url = _state().get("url")
        if url and is_healthy(url):
            return url
        time.sleep(0.3)
    raise LocalError(f"the dashboard did not come up: {_last_error(LOG, log_start)} (log: {LOG})")


def is_healthy(url: str) -> bool:
    """Whether the server that `url` belongs to answers."""
    host = url.removesuffix(PAGE)
    try:
        with urllib.request.urlopen(f"{host}/health", timeout=5) as answer:  # noqa: S310 - our own
            return bool(answer.read() == b"OK")
    except OSError:
        return False


def _last_error(log: Path, start: int) -> str:
    """The last line of the log, written since byte `start`, that was meant for the user."""
    lines = log.read_bytes()[start:].decode("utf-8", "replace").splitlines() if log.exists() else []
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or [line for line in lines if "Error" in line] or ["see the log"])[-1]


# -- its environment ----------------------------------------------------------------------------------


def is_installed() -> bool:
    """Whether `.venv-superset` was made from the lock as it is now."""
    stamp = VENV / ".complete"
    return Path(_venv_python()).exists() and stamp.exists() and stamp.read_text() == _stamp()


def install() -> None:
    """Make `.venv-superset` from its lock, unless it is there.

    Raises LocalError: no fitting Python, no room, or pip's last error.
    """
    if is_installed():
        return
    python = _find_python()
    free = shutil.disk_usage(env.ROOT).free
    if free < NEEDED_BYTES:
        raise LocalError(
            f"only {free // 2**20} MB free on the disk of {env.ROOT}, {NEEDED_BYTES // 2**20} MB are needed"
        )
    print("setting up .venv-superset, one to two minutes", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    log_file = env.LOCAL / "logs" / "dashboard-setup.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    pip = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"]
    steps = [
        [python, "-m", "venv", str(VENV)],
        # The lock is complete: nothing is resolved here.
        [_venv_python(), *pip, "--require-hashes", "--requirement", str(LOCK)],
    ]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with log_file.open("wb") as log:
        for step in steps:
            if subprocess.run(step, env=clean, stdout=log, stderr=log, check=False).returncode != 0:
                raise LocalError(f"Superset could not be installed: {_pip_error(log_file)} (log: {log_file})")
    (VENV / ".complete").write_text(_stamp())


def _venv_python() -> str:
    return str(VENV / "bin" / "python")


def _stamp() -> str:
    return f"{zlib.crc32(LOCK.read_bytes())}\n"


def _pip_error(log_file: Path) -> str:
    lines = log_file.read_text(errors="replace").splitlines()
    return next((line for line in reversed(lines) if "error" in line.lower()), (lines or ["it said nothing"])[-1])


def _find_python() -> str:
    """A Python that Superset's libraries have wheels for; tried, as version managers leave names that fail."""
    versions = " or ".join(".".join(map(str, version)) for version in PYTHONS)
    given = os.environ.get("PYTHON")
    for candidate in [given] if given else [sys.executable, "python3.12", "python3.11", "python3"]:
        if _version(candidate) in PYTHONS:
            return candidate
    if given:
        raise LocalError(f"PYTHON={given} is not a working Python {versions}, which Superset needs")
    raise LocalError(f"Superset needs Python {versions}: install one, or name it with PYTHON=/path/to/python")


def _version(python: str) -> tuple[int, ...]:
    question = "import ensurepip, sqlite3, ssl, sys, venv; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", question], capture_output=True, text=True, check=True)
        return tuple(map(int, done.stdout.split()))
    except (OSError, ValueError, subprocess.CalledProcessError):
        return ()


# -- the supervising process --------------------------------------------------------------------------


def results_address(services: Services) -> str:
    """The address that Superset reads the results at, with a login that can do no more than that.

    The user's own where it is set; else the embedded Postgres, where the login is made.
    Raises LocalError where it can't be used, or could do more than read.
    """
    given = os.environ.get(RESULTS)
    if given:
        require_reader(given)
        return given
    if env.user_connections().get(env.POSTGRES_CONNECTION):
        raise LocalError(
            f"the results are in a Postgres of yours: create a login there with the role {ROLE} and nothing else, "
            f"and name it: {RESULTS}=postgresql://login:password@host:port/database"
        )
    connections = services.connections(needs_bitbucket=False)
    require_postgres(connections)
    migrate_compliance(connections)
    return ensure_login(connections.address.dsn, env.dashboard_secret("database"))


def require_reader(address: str) -> None:
    """Raise LocalError unless the login at `address` reads the results and changes none."""
    import psycopg

    question = (
        "SELECT has_table_privilege('compliance.current_results', 'SELECT'),"
        " has_table_privilege('compliance.results', 'INSERT, UPDATE, DELETE, TRUNCATE')"
    )
    try:
        with psycopg.connect(address, connect_timeout=10) as connection:
            reads, writes = connection.execute(question).fetchone() or (False, True)
    except psycopg.errors.UndefinedTable:
        raise LocalError(f"{RESULTS}: there are no results in that database: run the pipeline first") from None
    except psycopg.errors.InsufficientPrivilege:
        reads, writes = False, False
    except psycopg.Error as error:
        # Its text repeats the address, so it is not shown.
        if "permission denied" in str(error):
            raise LocalError(f"{RESULTS}: that login may not read the results: GRANT {ROLE} TO it") from None
        raise LocalError(f"{RESULTS}: no Postgres answers to that host, port, login and password") from None
    if writes:
        raise LocalError(f"{RESULTS}: that login may change results: name one with the role {ROLE} and nothing else")
    if not reads:
        raise LocalError(f"{RESULTS}: that login may not read the results: GRANT {ROLE} TO it")


def supervise(wanted_port: int) -> None:
    """Hold Superset and the embedded Postgres until a signal comes (runs as a process of its own)."""
    with only_one(HOME), Services() as services:
        superset = _superset(results_address(services))
        superset.prepare()
        port = wanted_port or (PREFERRED_PORT if _is_free(PREFERRED_PORT) else free_port())
        server = superset.serve(port)
        try:
            STATE.write_text(json.dumps({"pid": str(os.getpid()), "url": f"http://127.0.0.1:{port}{PAGE}"}))
            server.wait()
            raise LocalError(f"Superset ended with exit code {server.returncode}")
        finally:
            STATE.unlink(missing_ok=True)
            stop_process(server, seconds=15)


def main() -> int:
    """Entry of the supervising process."""
    from local.commands import expected_errors

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        supervise(int(sys.argv[1]))
    except KeyboardInterrupt:
        return 0
    except expected_errors() as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
