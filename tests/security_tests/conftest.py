"""A world for each test, in one database that is emptied in between: that is quicker than a database each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import psycopg.conninfo
import pytest
from psycopg.rows import dict_row

from local.postgres import EmbeddedPostgres
from local.postgres_cluster import ADMIN_ROLE
from tests.conftest import Database
from tests.databases import copied
from tests.security_tests.builders import World

_EMPTY_EVERY_TABLE = """
    DO $$
    DECLARE
        name text;
    BEGIN
        FOR name IN
            SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
            WHERE
                schemaname IN ('landing', 'staging', 'judged', 'registry', 'integration')
                AND tablename NOT LIKE 'alembic%'
                AND tableowner <> 'compliance_vault'
        LOOP
            EXECUTE 'DELETE FROM ' || name;
        END LOOP;
    END
    $$
"""


@pytest.fixture(scope="package")
def shared_dsn(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A migrated database for the tests of this folder."""
    with copied(postgres, "security_tests") as address:
        yield address


@pytest.fixture(scope="package")
def shared_database(shared_dsn: str) -> Iterator[Database]:
    """A connection to it; rows are dictionaries, every statement commits by itself."""
    with psycopg.connect(shared_dsn, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        yield connection


@pytest.fixture(scope="package")
def administrator(postgres: EmbeddedPostgres, shared_dsn: str) -> Iterator[Database]:
    """Who may delete records too: the triggers that keep them, and references, are off in this session."""
    database = str(psycopg.conninfo.conninfo_to_dict(shared_dsn)["dbname"])
    with psycopg.connect(postgres.uri(database, ADMIN_ROLE), autocommit=True, row_factory=dict_row) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


@pytest.fixture
def world(
    shared_dsn: str,
    shared_database: Database,
    administrator: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    monkeypatch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", shared_dsn)
    administrator.execute(_EMPTY_EVERY_TABLE)
    return World(shared_database, tmp_path, monkeypatch)
