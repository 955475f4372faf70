"""A world for each test, in one database that is emptied in between: that is quicker than a database each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from local.postgres import EmbeddedPostgres
from tests.conftest import Database
from tests.databases import copied, unguarded
from tests.security_tests.builders import World

# What is referred to comes last.
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
            ORDER BY tablename IN ('imports', 'policy_versions'), tablename IN ('evidence', 'exceptions')
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


@pytest.fixture
def world(shared_dsn: str, shared_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", shared_dsn)
    with unguarded(shared_database):
        shared_database.execute(_EMPTY_EVERY_TABLE)
    return World(shared_database, tmp_path, monkeypatch)
