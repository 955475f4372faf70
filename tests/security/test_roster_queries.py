"""Whoever writes a roster's query or edits its connection changes nothing by it, and sees no compliance data."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from airflow.providers.common.sql.hooks.sql import DbApiHook
from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowFailException

from bitbucket_compliance.core.allowed_hosts import DestinationRefused
from bitbucket_compliance.core.errors import SourceUnavailable, SourceWrong
from bitbucket_compliance.registry.imports import roster_query
from bitbucket_compliance.registry.imports.roster_query import fetch
from bitbucket_compliance.registry.imports.scim import directory_of
from bitbucket_compliance.tasks.roster_refresh import refresh_roster
from local.postgres import EmbeddedPostgres
from local.postgres_cluster import ADMIN_ROLE
from tests.conftest import Database

RUN = SimpleNamespace(triggering_user_name="owner")


@pytest.fixture
def people(other_postgres: EmbeddedPostgres, dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A table of another server, behind the connection ``hr`` whose login may do everything there."""
    address = other_postgres.uri(user=ADMIN_ROLE)
    monkeypatch.setenv("AIRFLOW_CONN_HR", address)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS public.audit")
        connection.execute("CREATE TABLE public.audit (line text)")
        connection.execute("INSERT INTO public.audit VALUES ('untouched')")
        connection.execute(
            "CREATE OR REPLACE FUNCTION public.evil() RETURNS text LANGUAGE plpgsql AS"
            " $$BEGIN UPDATE public.audit SET line = 'rewritten'; RETURN 'a@x.io'; END$$"
        )
        yield connection  # type: ignore[misc]


@pytest.mark.parametrize(
    "query",
    [
        "UPDATE public.audit SET line = 'rewritten' RETURNING 'a@x.io' AS email, 'active' AS status",
        "UPDATE public.audit SET line = 'rewritten'",
        "DELETE FROM public.audit WHERE line = 'nobody'",
        "WITH gone AS (DELETE FROM public.audit RETURNING line) SELECT line AS email, 'active' AS status FROM gone",
        "SELECT public.evil() AS email, 'active' AS status",
        "SELECT 'a@x.io' AS email, 'active' AS status; DROP TABLE public.audit",
        "SELECT 1; COMMIT; UPDATE public.audit SET line = 'rewritten'; SELECT 'a@x.io' AS email, 'active' AS status",
        "SELECT set_config('transaction_read_only', 'off', false) || public.evil() AS email, 'active' AS status",
        "SELECT set_config('transaction_read_only', 'off', true) AS email, public.evil() AS status",
        "SELECT 'a@x.io' AS email, 'active' AS status INTO public.copied",
        "VALUES (public.evil(), 'active')",
        "/* SELECT */ TRUNCATE public.audit",
        "-- SELECT\nDROP TABLE public.audit",
        "DO $$BEGIN UPDATE public.audit SET line = 'rewritten'; END$$",
        "COPY (SELECT 1) TO '/tmp/copied'",
        "CALL public.evil()",
        "SELECT lo_from_bytea(0, 'x')::text AS email, 'active' AS status",
        "BEGIN",
        "COMMIT",
    ],
)
def test_no_query_changes_anything(people: Database, query: str) -> None:
    with pytest.raises((SourceWrong, SourceUnavailable), match="sql:hr: "):
        fetch("hr", query)
    assert people.execute("SELECT line FROM public.audit").fetchall() == [("untouched",)]
    assert people.execute("SELECT count(*) FROM pg_largeobject_metadata").fetchall() == [(0,)]


def test_a_query_that_brings_nobody_keeps_nothing(people: Database) -> None:
    people.execute("CREATE SEQUENCE IF NOT EXISTS public.counter")
    with pytest.raises(SourceUnavailable, match="read-only transaction"):
        fetch("hr", "SELECT nextval('public.counter')::text AS email, 'active' AS status WHERE true")
    assert fetch("hr", "SELECT 'a@x.io' AS email, 'active' AS status WHERE false")[1] == []


def test_a_query_that_uploads_brought_is_not_read(
    people: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evidence that is a CSV and SQL at once lies in the store, which is no folder of queries."""
    (tmp_path / "queries").mkdir()
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "evidence.csv").write_text("SELECT 'a@x.io' AS email, 'active' AS status\n")
    (tmp_path / "queries" / "link.sql").symlink_to(tmp_path / "store" / "evidence.csv")
    monkeypatch.setenv("COMPLIANCE_QUERY_FOLDERS", str(tmp_path / "queries"))
    for file in (str(tmp_path / "store" / "evidence.csv"), "../store/evidence.csv", "link.sql"):
        monkeypatch.setenv("COMPLIANCE_ROSTER_SOURCE", f"sql:hr:{file}")
        with pytest.raises(AirflowFailException, match="COMPLIANCE_QUERY_FOLDERS"):
            refresh_roster(RUN)


def test_rows_and_time_have_a_limit(people: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster_query, "MOST_ROWS", 10)
    with pytest.raises(SourceWrong, match="more than 10 rows"):
        fetch("hr", "SELECT 'a@x.io' AS email FROM generate_series(1, 100000000)")
    monkeypatch.setattr(roster_query, "MOST_SECONDS", 1)
    began = time.monotonic()
    with pytest.raises(SourceUnavailable, match="statement timeout"):
        fetch("hr", "SELECT pg_sleep(60)")
    assert time.monotonic() - began < 20


# ------------------------------------------------------------------------------ the server of the compliance data


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2", "0", "[::ffff:127.0.0.1]", "x,localhost"])
def test_a_connection_to_the_compliance_data_is_refused(dsn: str, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    address = urlsplit(dsn)
    monkeypatch.setenv(
        "AIRFLOW_CONN_HR", f"postgresql://{address.username}:{address.password}@{host}:{address.port}{address.path}"
    )
    with pytest.raises(SourceWrong, match="leads to the server of the compliance data"):
        fetch("hr", "SELECT 1")
    with pytest.raises(SourceWrong, match="leads to the server of the compliance data"):
        fetch("compliance_postgres", "SELECT 1")


def test_behind_a_tunnel_the_compliance_data_is_recognised_all_the_same(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_HR", dsn)
    monkeypatch.setattr(roster_query, "_machines", lambda hosts: {hosts} if hosts == "elsewhere" else set())
    with pytest.raises(SourceWrong, match="leads to the server of the compliance data"):
        fetch("hr", "SELECT rolname AS email, 'active' AS status FROM pg_roles")


# --------------------------------------------------------------------------- connections that are stored in Airflow


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch, dsn: str) -> Callable[..., None]:
    """Stores the connection ``hr`` in Airflow, as a login of role op may."""
    environment = BaseHook.get_connection

    def store(**fields: Any) -> None:
        connection = Connection(**{"conn_id": "hr", "login": "x", "password": "y", **fields})
        monkeypatch.setattr(BaseHook, "get_connection", lambda name: connection if name == "hr" else environment(name))

    monkeypatch.setenv("COMPLIANCE_ALLOWED_HOSTS", "hr.example.com")
    return store


@pytest.mark.parametrize(
    "fields",
    [
        {"conn_type": "postgres", "host": "evil.example"},
        {"conn_type": "postgres", "host": "hr.example.com,evil.example"},
        {"conn_type": "postgres", "host": ""},
        {"conn_type": "postgres", "host": "/var/run/postgresql"},
        {"conn_type": "sqlite", "host": "/opt/airflow/airflow.db"},
        {"conn_type": "jdbc", "host": "jdbc:postgresql://evil.example/db"},
        {"conn_type": "postgres", "host": "hr.example.com", "extra": json.dumps({"hostaddr": "192.0.2.1"})},
        {"conn_type": "postgres", "host": "hr.example.com", "extra": json.dumps({"service": "x"})},
        {"conn_type": "mysql", "host": "hr.example.com", "extra": json.dumps({"unix_socket": "/x"})},
    ],
)
def test_a_stored_sql_connection_leads_nowhere_else(stored: Callable[..., None], fields: dict[str, Any]) -> None:
    stored(**fields)
    with pytest.raises((DestinationRefused, SourceWrong), match=r"COMPLIANCE_ALLOWED_HOSTS|lead elsewhere"):
        fetch("hr", "SELECT 1")


@pytest.mark.parametrize(
    "host", ["http://127.0.0.1:9180", "https://169.254.169.254", "https://hr.example.com@evil.example"]
)
def test_a_stored_directory_leads_nowhere_else(stored: Callable[..., None], host: str) -> None:
    stored(conn_type="http", host=host)
    with pytest.raises((DestinationRefused, SourceWrong), match="Airflow connection hr"):
        directory_of("hr")


# ---------------------------------------------------------------------------------------------- other databases


class FileHook(DbApiHook):
    """SQLite, as its provider's hook speaks to it."""

    conn_name_attr = "conn_id"
    file = ""

    def get_conn(self) -> Any:
        return sqlite3.connect(self.file, timeout=5)


class OtherHook(FileHook):
    """A database whose connections commit by themselves, whatever they are told."""

    supports_autocommit = True

    def set_autocommit(self, conn: Any, autocommit: bool) -> None: ...

    def get_autocommit(self, conn: Any) -> bool:
        return True


@pytest.fixture
def file_of_people(tmp_path: Path, dsn: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An SQLite database behind the connection ``hr``."""
    path = tmp_path / "people.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE audit (line text)")
        connection.execute("INSERT INTO audit VALUES ('untouched')")
    monkeypatch.setattr(FileHook, "file", str(path))
    monkeypatch.setenv("AIRFLOW_CONN_HR", f"sqlite:///{path}")
    monkeypatch.setattr(Connection, "get_hook", lambda self, **_: FileHook())
    return path


@pytest.mark.parametrize(
    "query",
    [
        "UPDATE audit SET line = 'rewritten' RETURNING line AS email",
        "WITH x AS (SELECT 1) UPDATE audit SET line = 'rewritten' RETURNING line AS email",
        "WITH x AS (SELECT 1) DELETE FROM audit",
        "PRAGMA query_only = OFF",
        "ATTACH DATABASE '/tmp/attached' AS x",
        "SELECT 1; PRAGMA query_only = OFF",
    ],
)
def test_no_query_changes_a_file_of_sqlite(file_of_people: Path, query: str) -> None:
    with pytest.raises((SourceWrong, SourceUnavailable), match="sql:hr: "):
        fetch("hr", query)
    with sqlite3.connect(file_of_people) as connection:
        assert connection.execute("SELECT line FROM audit").fetchall() == [("untouched",)]


def test_sqlite_answers_and_is_stopped_in_time(file_of_people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fetch("hr", "SELECT line AS email FROM audit") == (["email"], [("untouched",)])
    monkeypatch.setattr(roster_query, "MOST_SECONDS", 0.2)
    with pytest.raises(SourceUnavailable, match="interrupted"):
        fetch("hr", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n")


def test_a_database_that_commits_by_itself_is_refused(file_of_people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_HR", "other://hr.example.com/x")
    monkeypatch.setattr(Connection, "get_hook", lambda self, **_: OtherHook())
    with pytest.raises(SourceWrong, match="commits by itself"):
        fetch("hr", "SELECT 1")
