"""A database and a store for the tests of evidence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from local.postgres import EmbeddedPostgres
from tests.conftest import Database
from tests.databases import copied
from tests.registry.world import Registry


@pytest.fixture(scope="package")
def registry_dsn(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A migrated database for the tests of evidence."""
    with copied(postgres, "registry_evidence") as address:
        yield address


@pytest.fixture(scope="package")
def registry_database(registry_dsn: str) -> Iterator[Database]:
    """A connection to it as commands open it: nothing commits by itself."""
    with psycopg.connect(registry_dsn, row_factory=dict_row) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        connection.commit()
        yield connection


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store of evidence files."""
    folder = tmp_path / "store"
    monkeypatch.setenv("COMPLIANCE_EVIDENCE_URL", folder.as_uri())
    return folder


@pytest.fixture
def registry(registry_dsn: str, registry_database: Database, store: Path) -> Iterator[Registry]:
    """An empty registry beside a workspace that was read."""
    world = Registry(registry_dsn, registry_database, store)
    world.empty()
    yield world
    registry_database.rollback()
