"""Rules of rosters from elsewhere: a query and a directory land the rows that a CSV of the same people would land."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from bitbucket_compliance.core.errors import ImportRefused, SourceUnavailable, SourceWrong
from bitbucket_compliance.registry.imports import import_file, import_roster
from bitbucket_compliance.registry.imports.roster_sources import Source, read_sql, roster_file
from bitbucket_compliance.tasks.registry_import import import_from
from bitbucket_compliance.tasks.roster_refresh import refresh_roster
from tests.conftest import Database
from tests.registry.directory import TOKEN, Directory, serve

COLUMNS = ("email", "name", "status", "end_date", "account_id")
LAST_DAY = "urn:ietf:params:scim:schemas:extension:acme:2.0:User"

Query = Callable[[str], Path]


@pytest.fixture
def query(tmp_path: Path) -> Query:
    """A file with a query."""

    def write(text: str) -> Path:
        path = tmp_path / "roster.sql"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def hr(dsn: str, monkeypatch: pytest.MonkeyPatch, database: Database) -> Database:
    """A table of people behind the Airflow connection ``hr``, in a real Postgres."""
    monkeypatch.setenv("AIRFLOW_CONN_HR", dsn)
    database.execute("CREATE TABLE public.staff (mail text, full_name text, state text, left_at timestamptz, no int)")
    return database


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Directory]:
    """A directory behind the Airflow connection ``idp``."""
    made = Directory()
    with serve(made):
        extra = {"end_date_attribute": f"{LAST_DAY}:lastDay", "account_id_attribute": "externalId"}
        connection = {"conn_type": "http", "host": made.url, "password": TOKEN, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_IDP", json.dumps(connection))
        yield made


def roster(database: Database) -> list[tuple[Any, ...]]:
    rows = database.execute("SELECT * FROM registry.roster ORDER BY line").fetchall()
    return [tuple(row[column] for column in COLUMNS) for row in rows]


def from_sql(path: Path) -> None:
    import_from("roster", "sql", {"path": "", "conn_id": "hr", "query_file": str(path)}, "", "tester")


def from_scim() -> None:
    import_from("roster", "scim", {"path": "", "conn_id": "idp", "query_file": ""}, "", "tester")


# ------------------------------------------------------------------------- SQL


def test_the_rows_of_a_query_become_the_roster(hr: Database, query: Query) -> None:
    hr.execute(
        "INSERT INTO public.staff VALUES (' Ada@X.io ', 'Ada', 'Active', null, 7),"
        " ('bo@x.io', ' Bo ', 'terminated', '2026-03-31 12:00+00', null), (null, 'Cy', 'on_leave', null, null)"
    )
    from_sql(
        query(
            'SELECT mail AS "E-Mail", full_name AS name, state AS status, left_at AS end_date, no AS "Account ID"'
            " FROM public.staff WHERE state NOT LIKE 'x%' ORDER BY btrim(full_name);"
        )
    )
    assert roster(hr) == [
        ("ada@x.io", "Ada", "active", None, "7"),
        ("bo@x.io", "Bo", "terminated", date(2026, 3, 31), None),
        (None, "Cy", "on_leave", None, None),
    ]
    row = hr.execute("SELECT kind, source, file_name, row_count, imported_by FROM registry.imports").fetchone()
    assert row == {
        "kind": "roster",
        "source": "sql",
        "file_name": "sql:hr",
        "row_count": 3,
        "imported_by": "tester",
    }


def test_a_query_may_leave_out_what_its_table_does_not_hold(hr: Database, query: Query) -> None:
    from_sql(query("SELECT 'ada@x.io' AS email, 'active' AS status"))
    assert roster(hr) == [("ada@x.io", None, "active", None, None)]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("SELECT 'ada@x.io' AS email", "missing column status"),
        ("SELECT 'a@x.io' AS email, 'active' AS status UNION ALL SELECT 'b@x.io', 'gone'", "row 2: column status"),
        ("SELECT 'a@x.io' AS email, 'active' AS status, 'soon' AS end_date", "row 1: column end_date"),
        ("SELECT null AS email, 'active' AS status", "row 1: column email: the row names nobody"),
        ("SELECT 'a@x.io' AS email, null AS status", "row 1: column status"),
        ("SELECT 'a@x.io' AS email, 'active' AS status WHERE false", "nobody"),
    ],
)
def test_a_bad_row_or_no_row_is_refused_and_the_roster_before_stays(
    hr: Database, query: Query, text: str, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    from_sql(query("SELECT 'old@x.io' AS email, 'active' AS status"))
    with pytest.raises(AirflowFailException, match="sql:hr was refused, nothing of it was taken"):
        from_sql(query(text))
    assert any(named in record.getMessage() for record in caplog.records if record.levelno == logging.ERROR)
    assert [row[0] for row in roster(hr)] == ["old@x.io"]
    imports = hr.execute("SELECT count(*) AS rows FROM registry.imports").fetchone()
    assert imports == {"rows": 1}


def test_a_query_that_fails_names_the_connection_and_may_be_tried_again(hr: Database, query: Query) -> None:
    with pytest.raises(SourceUnavailable, match="sql:hr: the query failed") as error:
        read_sql("hr", query("SELECT nothing FROM nowhere"))
    assert error.value.retryable
    assert "\n" not in str(error.value)


def test_a_database_that_does_not_answer_is_told_without_its_password(
    query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_HR", "postgresql://hr:s3cret-word@127.0.0.1:1/hr")
    with pytest.raises(SourceUnavailable) as error:
        read_sql("hr", query("SELECT 1"))
    assert "s3cret-word" not in str(error.value)


def test_a_statement_without_rows_is_no_roster(hr: Database, query: Query) -> None:
    with pytest.raises(SourceWrong, match="write one SELECT"):
        read_sql("hr", query("SET application_name TO 'x'"))


def test_a_connection_that_is_missing_or_speaks_no_sql_is_named(
    directory: Directory, query: Query, tmp_path: Path
) -> None:
    with pytest.raises(SourceWrong, match="sql:nowhere"):
        read_sql("nowhere", query("SELECT 1"))
    with pytest.raises(SourceWrong, match="type http answers no SQL"):
        read_sql("idp", query("SELECT 1"))
    with pytest.raises(SourceWrong, match=r"missing\.sql"):
        read_sql("hr", tmp_path / "missing.sql")
    with pytest.raises(SourceWrong, match="empty"):
        read_sql("hr", query(" \n"))


def test_values_of_any_type_are_read_as_a_csv_writes_them() -> None:
    rows = [("a@x.io", "active", datetime(2026, 3, 31, 23, 59), 7), ("b@x.io", "active", date(2026, 3, 30), None)]
    rows += [("c@x.io", "active", "2026-03-29T00:00:00Z", Decimal("8")), ("d@x.io", "active", float("nan"), "20260101")]
    file = roster_file("sql:hr", "sql", ("email", "status", "end_date", "account_id"), rows)
    assert [(cells["end_date"], cells["account_id"]) for _, cells in file.rows] == [
        ("2026-03-31", "7"),
        ("2026-03-30", ""),
        ("2026-03-29", "8"),
        ("", "20260101"),
    ]


@pytest.mark.parametrize("hostile", ["A\x00da", "A\ud800da"])
def test_a_character_that_no_text_has_is_refused_with_its_row(hostile: str) -> None:
    with pytest.raises(ImportRefused, match="sql:hr: row 2: column name"):
        roster_file("sql:hr", "sql", ("email", "name"), [("a@x.io", "Ada"), ("b@x.io", hostile)])


def test_the_hash_is_of_the_people_in_whatever_order_they_come() -> None:
    def sha256(*emails: str) -> str:
        return roster_file("sql:hr", "sql", ("email",), [(email,) for email in emails]).sha256

    assert sha256("a@x.io", "b@x.io") == sha256("b@x.io", "a@x.io")
    assert sha256("a@x.io") != sha256("b@x.io")


# ------------------------------------------------------------------------ SCIM


def test_the_users_of_a_directory_become_the_roster(directory: Directory, database: Database) -> None:
    directory.person(1, emails=[{"value": "Old@X.io"}, {"value": " Ada@X.io ", "primary": True}], externalId="acc-1")
    directory.person(2, active=False)
    directory.person(3, active=False, **{LAST_DAY: {"lastDay": "2026-03-31T00:00:00Z"}})
    directory.person(4, userName="svc", displayName="")
    from_scim()
    assert roster(database) == [
        ("ada@x.io", "User 1", "active", None, "acc-1"),
        ("user2@example.com", "User 2", "terminated", None, None),
        ("user3@example.com", "User 3", "terminated", date(2026, 3, 31), None),
        (None, "svc", "active", None, None),
    ]
    row = database.execute("SELECT source, file_name FROM registry.imports").fetchone()
    assert row == {"source": "scim", "file_name": "scim:idp"}


def test_a_directory_that_does_not_say_who_is_active_is_refused(directory: Directory, database: Database) -> None:
    directory.person(1)
    del directory.person(2)["active"]
    with pytest.raises(AirflowFailException, match="row 2: attribute active"):
        from_scim()
    assert roster(database) == []


def test_an_empty_directory_is_refused(directory: Directory, database: Database) -> None:
    with pytest.raises(AirflowFailException, match=r"scim:idp was refused.*nobody"):
        from_scim()


def test_half_a_directory_is_no_roster_and_may_be_tried_again(directory: Directory, database: Database) -> None:
    directory.person(1)
    directory.answer = lambda start, count: (200, {**directory.page(start, count)[1], "totalResults": 2}, {})
    with pytest.raises(SourceUnavailable, match="1 users of 2"):
        from_scim()
    assert roster(database) == []


def test_a_refused_token_fails_for_good_and_stays_out_of_the_log(
    directory: Directory, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    directory.faults = [(401, {}, {})]
    with pytest.raises(AirflowFailException, match="401"):
        from_scim()
    assert TOKEN not in caplog.text


# --------------------------------------------------------------------- sources


def test_names_are_stored_in_one_unicode_spelling_whatever_the_source(
    database: Database, tmp_path: Path, directory: Directory
) -> None:
    decomposed, composed = "Zoe\u0308", "Zo\u00eb"
    path = tmp_path / "roster.csv"
    path.write_text(f"email,name,status,end_date,account_id\n,{decomposed},active,,\n", encoding="utf-8")
    import_file(database, "roster", path, imported_by="os:tester")
    assert roster(database)[0][1] == composed
    import_roster(
        database,
        roster_file("sql:hr", "sql", COLUMNS, [("", decomposed, "active", None, None)]),
        imported_by="os:tester",
    )
    assert roster(database)[0][1] == composed


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("sql:hr:/etc/roster.sql", Source("sql", "hr", "/etc/roster.sql")),
        ("sql:hr:C:/roster.sql", Source("sql", "hr", "C:/roster.sql")),
        (" scim:idp ", Source("scim", "idp")),
        ("file:/data/roster.csv", Source("file", path="/data/roster.csv")),
    ],
)
def test_the_source_of_the_daily_roster_is_one_line(text: str, source: Source) -> None:
    assert Source.parse(text) == source


@pytest.mark.parametrize("text", ["", "sql", "sql:hr", "sql::x.sql", "scim", "scim:", "scim:idp:x", "ldap:x", "file:"])
def test_any_other_source_is_refused_with_the_ways_to_write_it(text: str) -> None:
    with pytest.raises(SourceWrong, match="sql:<connection>:<query file>"):
        Source.parse(text)


def test_the_daily_roster_is_taken_from_any_of_them(
    hr: Database, directory: Directory, query: Query, tmp_path: Path
) -> None:
    directory.person(1)
    refresh_roster("scim:idp", "roster_refresh")
    assert [row[0] for row in roster(hr)] == ["user1@example.com"]
    refresh_roster(f"sql:hr:{query('SELECT $$b@x.io$$ AS email, $$active$$ AS status')}", "roster_refresh")
    assert [row[0] for row in roster(hr)] == ["b@x.io"]
    path = tmp_path / "roster.csv"
    path.write_text("email,name,status,end_date,account_id\nc@x.io,,active,,\n")
    refresh_roster(f"file:{path}", "roster_refresh")
    assert [row[0] for row in roster(hr)] == ["c@x.io"]
    history = hr.execute("SELECT source, is_current FROM registry.roster_history ORDER BY import_id").fetchall()
    assert [(row["source"], row["is_current"]) for row in history] == [("scim", False), ("sql", False), ("file", True)]


@pytest.mark.parametrize(
    ("kind", "source", "origin", "named"),
    [
        ("roster", "file", {}, "path"),
        ("roster", "sql", {"conn_id": "hr"}, "query_file"),
        ("roster", "scim", {}, "conn_id"),
        ("mfa", "scim", {"conn_id": "idp"}, "only a roster comes from scim"),
    ],
)
def test_an_import_that_lacks_something_names_it(
    kind: str, source: str, origin: dict[str, str], named: str, database: Database
) -> None:
    with pytest.raises(AirflowFailException, match=named):
        import_from(kind, source, {"path": "", "conn_id": "", "query_file": ""} | origin, "", "tester")
