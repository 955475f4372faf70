"""What the tests about faults share: runs in databases of their own, beside the common fixtures."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from cryptography.fernet import Fernet

from local.postgres import EmbeddedPostgres
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.databases import copied
from tests.faults.driver import Driver
from tests.harness import bitbucket_connection

Serve = Callable[[SandboxState], SandboxServer]
_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def _vault_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key for the token vault, fresh for each test."""
    monkeypatch.setenv("COMPLIANCE_VAULT_KEY", Fernet.generate_key().decode())


@pytest.fixture
def new_driver(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Driver]]:
    """Drivers, each with a fresh migrated database; whose run it is decides which one the connections name."""
    databases = ExitStack()

    def make() -> Driver:
        dsn = databases.enter_context(copied(postgres, f"faults_{next(_numbers)}"))

        def connect_to(server: SandboxServer, grant: str = "admin", **extra: object) -> None:
            connection = bitbucket_connection(server.url, grant, **extra)
            monkeypatch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps(connection))
            monkeypatch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", dsn)

        return Driver(dsn, connect_to)

    with databases:
        yield make


@pytest.fixture
def driver(new_driver: Callable[[], Driver]) -> Driver:
    """Runs against a fresh database."""
    return new_driver()


@pytest.fixture
def quiet(new_driver: Callable[[], Driver], serve: Serve) -> Callable[..., Driver]:
    """A run of a state without any fault, in a database of its own."""

    def run(state: SandboxState, **options: object) -> Driver:
        beside = new_driver()
        beside.run(serve(state), **options)  # type: ignore[arg-type]
        return beside

    return run
