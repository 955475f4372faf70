"""What a command starts for itself and stops at its end: embedded Postgres, sandbox, Airflow's tables."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.metadata
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bitbucket_compliance.commands.command_line import Command, CommandError, Flag, one_of
from bitbucket_compliance.core.postgres_address import OWNER_CONNECTION, POSTGRES_CONNECTION, PostgresAddress
from local import environment as env
from local.postgres import RUNNING_ROLE, EmbeddedPostgres
from local.processes import end

SANDBOX_TIMEOUT_SECONDS: Final = 60


@dataclass(frozen=True)
class Connections:
    """The two connections of a run, as values of their environment variables; bitbucket is empty where none is.

    Attributes:
        owner: the login of the same Postgres that migrates, where it is not the one that runs. No child gets it.
    """

    postgres: str
    bitbucket: str
    postgres_is_embedded: bool
    owner: str = field(default="", repr=False)

    def as_environment(self) -> dict[str, str]:
        """For a child process."""
        return {POSTGRES_CONNECTION: self.postgres, env.BITBUCKET_CONNECTION: self.bitbucket}

    @property
    def address(self) -> PostgresAddress:
        """Where the data's Postgres is."""
        return PostgresAddress.from_airflow(self.postgres)

    @property
    def owner_address(self) -> PostgresAddress:
        """The same, with the login that migrates."""
        return PostgresAddress.from_airflow(self.owner, OWNER_CONNECTION) if self.owner else self.address


@dataclass
class Services:
    """A context that starts on demand and, when it is left, stops what it started."""

    sandbox_grant: str = "admin"
    sandbox_auth: str = "client_credentials"
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> Services:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def connections(self, *, ignore_user: bool = False, needs_bitbucket: bool = True) -> Connections:
        """The user's connections where they are set (unless ignored), our own services elsewhere."""
        given = {} if ignore_user else env.user_connections()
        postgres = given.get(POSTGRES_CONNECTION)
        bitbucket = given.get(env.BITBUCKET_CONNECTION)
        if bitbucket is None:
            bitbucket = self._sandbox_connection() if needs_bitbucket else ""
        if postgres:
            owner = os.environ.get(OWNER_CONNECTION, "")
            return Connections(postgres, bitbucket, postgres_is_embedded=False, owner=owner)
        embedded = self.postgres()
        return Connections(
            env.postgres_connection(embedded.uri(user=RUNNING_ROLE)),
            bitbucket,
            postgres_is_embedded=True,
            owner=env.postgres_connection(embedded.uri()),
        )

    def _sandbox_connection(self) -> str:
        return env.bitbucket_connection(self.sandbox(), self.sandbox_grant, self.sandbox_auth)

    def postgres(self) -> EmbeddedPostgres:
        """The project's embedded Postgres, running."""
        return self._stack.enter_context(embedded_postgres())

    def sandbox(self) -> str:
        """URL of a sandbox of our own, on a free port."""
        return self._stack.enter_context(running_sandbox())


def embedded_postgres() -> EmbeddedPostgres:
    """The project's embedded Postgres; not started yet."""
    return EmbeddedPostgres(env.LOCAL / "postgres")


GRANT: Final = Flag(
    "grant",
    "admin|five",
    "what the sandbox may be read by: the five scopes, or those and repository:admin (the default)",
    one_of(*env.SANDBOX_GRANTS),
    "admin",
)


@contextlib.contextmanager
def around(command: Command) -> Iterator[None]:
    """For an operator command: the user's connections and keys, or those of this checkout, in the environment."""
    if not command.function.__module__.startswith("bitbucket_compliance."):
        yield
        return
    with (
        Services() as services,
        _fresh_keys_for(command.name),
        environment_of(_prepared(command.name, services.connections(needs_bitbucket=False))),
    ):
        yield


def _prepared(command: str, connections: Connections) -> Connections:
    """The same, with a current schema; `restore` makes it itself."""
    return connections if command == "restore" else usable(connections)


@contextlib.contextmanager
def environment_of(connections: Connections) -> Iterator[None]:
    """The environment that operator commands work in."""
    before = dict(os.environ)
    try:
        # Airflow writes its configuration where these say, as soon as it is imported.
        os.environ.update(env.airflow_environment(env.LOCAL / "airflow") | connections.as_environment())
        os.environ[OWNER_CONNECTION] = connections.owner
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _fresh_keys_for(command: str) -> Iterator[None]:
    """For `rotate-vault-key`: a new key of this checkout's in front of each old one, where the user set none."""
    own = [variable for variable in env.OWN_KEYS if not os.environ.get(variable)]
    if command != "rotate-vault-key" or not own:
        yield
        return
    with only_one(env.LOCAL / "airflow"):
        fresh = {variable: env.new_fernet_key() for variable in own}
        for variable, key in fresh.items():
            # Should this be interrupted, the file opens rows of both kinds.
            env.keep_keys(variable, f"{key},{env.keys_of(variable, os.environ)}")
        yield
        for variable, key in fresh.items():
            env.keep_keys(variable, key)
        print("this checkout has new keys; restart what runs with the old ones (make down, make up)")


@contextlib.contextmanager
def running_sandbox() -> Iterator[str]:
    """Start the sandbox as a process of its own and give its URL; it ends with the context."""
    logs = env.LOCAL / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log_file = logs / "sandbox.log"
    with tempfile.TemporaryDirectory() as folder, log_file.open("wb") as log:
        ready_file = Path(folder) / "ready"
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "--port", "0", "--ready-file", str(ready_file)],
            cwd=env.ROOT,
            env=env.airflow_environment(env.LOCAL / "airflow"),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield _wait_for_url(process, ready_file, log_file)
        finally:
            end(process.pid)
            process.wait()


def _wait_for_url(process: subprocess.Popen[bytes], ready_file: Path, log_file: Path) -> str:
    deadline = time.monotonic() + SANDBOX_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if ready_file.exists():
            return ready_file.read_text().strip().rstrip("/")
        time.sleep(0.05)
    raise CommandError(f"the sandbox did not start (log: {log_file})")


@contextlib.contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Keep two commands off one Airflow home: its SQLite metadata takes one writer."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(
                "another `make demo`, `make run`, `make import` or `make up` is at work in this checkout: "
                "wait for it or end it"
            ) from None
        yield


def migrate_airflow(home: Path, log_file: Path) -> None:
    """Create or upgrade Airflow's own tables, once per version of Airflow."""
    stamp = home / "migrated"
    version = importlib.metadata.version("apache-airflow")
    if stamp.exists() and stamp.read_text() == version and (home / "airflow.db").exists():
        return
    with log_file.open("ab") as log:
        done = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            cwd=env.ROOT,
            env=env.airflow_environment(home),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
        )
    if done.returncode != 0:
        raise CommandError(f"Airflow could not create its tables in {home} (log: {log_file})")
    stamp.write_text(version)


def usable(connections: Connections) -> Connections:
    """The same, once its Postgres answered and its schema is up to date.

    Raises:
        CommandError: it does not answer; one line names the connection, host and port.
    """
    import psycopg

    from bitbucket_compliance.security_tests.upgrade import bring_up

    address = connections.owner_address
    try:
        psycopg.connect(address.dsn, connect_timeout=10).close()
    except psycopg.OperationalError as error:
        # libpq repeats the address in front of what went wrong.
        lines = [line.split("failed: ")[-1] for line in str(error).splitlines() if "failed: " in line]
        reason = (lines or [str(error).strip() or "no answer"])[-1].removeprefix("FATAL: ").strip()
        raise CommandError(
            f"connection compliance_postgres: no Postgres to use at {address.host}:{address.port}: {reason}"
        ) from None
    bring_up(address, connections.address)
    return connections
