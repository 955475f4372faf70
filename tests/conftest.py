"""Fixtures every part of the tests may use: a real Postgres, a migrated database, the sandbox, a whole run."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Before anything imports Airflow: a home of its own, and no examples.
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
os.environ.setdefault("AIRFLOW__CORE__UNIT_TEST_MODE", "False")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import psutil
import psycopg
import pytest
from hypothesis import settings
from psycopg.rows import dict_row

from local import environment
from local.postgres import EmbeddedPostgres
from local.services import migrate_airflow
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.databases import TEMPLATE, copied
from tests.harness import REQUIRED_ANSWERS, Pipeline, bitbucket_connection, without_gates

ROOT = Path(__file__).resolve().parents[1]
# How long one example takes says more about the machine than about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
Database = psycopg.Connection[dict[str, Any]]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What asks for a Postgres bears the marker ``database``, so that ``make check`` can leave it out."""
    for item in items:
        if "postgres" in getattr(item, "fixturenames", ()):
            item.add_marker("database")


@pytest.fixture(scope="session", autouse=True)
def _airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Airflow writes its configuration where it is told, never into the person's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        patch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(ROOT / "dags"))
        patch.setenv("AIRFLOW__CORE__PLUGINS_FOLDER", str(ROOT / "plugins"))
        patch.setenv("COMPLIANCE_DATA_DOCS_URL", str(tmp_path_factory.mktemp("data_docs")))
        patch.delenv("COMPLIANCE_POLICY_FILE", raising=False)
        patch.setenv("COMPLIANCE_EVIDENCE_URL", tmp_path_factory.mktemp("evidence").as_uri())
        yield


@pytest.fixture(scope="session", autouse=True)
def _gates_are_left_out(_airflow_home: None) -> Iterator[None]:
    """Gates cost seconds: tests of other things publish without them, unless they bear the marker ``gated``."""
    with without_gates():
        yield


@pytest.fixture(autouse=True)
def _gates_are_asked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("gated") is not None:
        from bitbucket_compliance.pipeline.publish.readiness import require_answers

        monkeypatch.setattr(REQUIRED_ANSWERS, require_answers)


@pytest.fixture(autouse=True)
def _nothing_masked() -> Iterator[None]:
    """Airflow makes all secrets that it ever saw one regular expression, anew with each: it must not grow for hours."""
    yield
    for name in ("airflow._shared.secrets_masker", "airflow.sdk._shared.secrets_masker"):
        if module := sys.modules.get(name):
            module.reset_secrets_masker()


# Databases that live as long as a test need not survive a crash of the machine, nor be tidied up. Tidying would get in
# the way, too: a login that is no superuser can't drop a database while autovacuum works in it.
HURRIED = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "max_wal_size": "128MB",
    # Passwords that live as long as the server need not be hard to guess; each session would pay for it.
    "scram_iterations": "1",
}
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made inside
PLENTY_OF_MEMORY = 4 * 1024**3


@pytest.fixture(scope="session")
def _postgres_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where there is plenty: copying a database there takes a tenth of the time."""
    free = shutil.disk_usage(MEMORY).free if MEMORY.is_dir() else 0
    if min(free, psutil.virtual_memory().available) < PLENTY_OF_MEMORY:
        yield tmp_path_factory.mktemp("postgres")
        return
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="compliance-tests-") as folder:
        Path(folder).chmod(0o711)  # the server's account passes through it
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres(_postgres_folder: Path) -> Iterator[EmbeddedPostgres]:
    """One Postgres for the process that runs tests, with a migrated database to copy."""
    from bitbucket_compliance.security_tests.upgrade import upgrade

    server = EmbeddedPostgres(_postgres_folder / "data", HURRIED)
    try:
        server.start()
        with psycopg.connect(server.uri("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {TEMPLATE}")
        server.take_from_everybody(TEMPLATE)
        upgrade(server.uri(TEMPLATE))
        with psycopg.connect(server.uri("postgres", user="postgres"), autocommit=True) as connection:
            # Tests step into each role to try what it may do; a login of its own would not need to.
            connection.execute(
                "GRANT compliance_pipeline, compliance_console, compliance_reader, compliance_people_reader"
                " TO compliance WITH INHERIT FALSE, SET TRUE"
            )
        yield server
    finally:
        server.delete()


@pytest.fixture(scope="session")
def other_postgres(_postgres_folder: Path) -> Iterator[EmbeddedPostgres]:
    """Another server, as a personnel department has one: it never held compliance data."""
    server = EmbeddedPostgres(_postgres_folder / "other", HURRIED)
    try:
        server.start()
        yield server
    finally:
        server.delete()


_numbers = itertools.count(1)


@pytest.fixture
def dsn(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A fresh migrated database, named by the Airflow connection ``compliance_postgres``."""
    with copied(postgres, f"compliance_{next(_numbers)}") as address:
        monkeypatch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", address)
        yield address


@pytest.fixture
def database(dsn: str) -> Iterator[Database]:
    """A connection to the fresh database; rows are dictionaries, every statement commits by itself."""
    with psycopg.connect(dsn, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        yield connection


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """The sandbox with the demo workspace; its state may be changed at will."""
    with SandboxServer(workload="demo") as server:
        yield server


@pytest.fixture
def serve() -> Iterator[Callable[[SandboxState], SandboxServer]]:
    """Start sandboxes with a state of one's own."""
    servers: list[SandboxServer] = []

    def start(state: SandboxState) -> SandboxServer:
        servers.append(SandboxServer(state).start())
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def pipeline(dsn: str, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """The tasks of the DAG without Airflow around them, against the fresh database."""

    def connect_to(server: SandboxServer, grant: str = "admin", **extra: object) -> None:
        connection = bitbucket_connection(server.url, grant, **extra)
        monkeypatch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps(connection))

    return Pipeline(dsn, connect_to)


@pytest.fixture(scope="session")
def _migrated_airflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of Airflow whose tables are there: making them takes ten times as long as copying their file."""
    folder = tmp_path_factory.mktemp("migrated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "LOCAL", folder)
        migrate_airflow(folder, folder / "migration.log")
    return folder


@pytest.fixture
def airflow_home(_migrated_airflow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of Airflow of the test's own, with its tables; ``local`` keeps all its files beside it."""
    monkeypatch.setattr(environment, "LOCAL", tmp_path)
    home = tmp_path / "airflow"
    home.mkdir()
    for name in ("airflow.db", "migrated"):
        shutil.copyfile(_migrated_airflow / name, home / name)
    return home
