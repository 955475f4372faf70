"""Rules of rosters from elsewhere: a query and a directory land the rows that a CSV of the same people would land."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException
from psycopg.rows import dict_row

from bitbucket_compliance.core.errors import ImportRefused, SourceUnavailable, SourceWrong
from bitbucket_compliance.registry.imports import import_file, import_roster
from bitbucket_compliance.registry.imports.mapping import load_mapping
from bitbucket_compliance.registry.imports.roster import read_roster
from bitbucket_compliance.registry.imports.roster_sources import Source, read_sql, roster_file
from bitbucket_compliance.tasks.registry_import import import_from
from bitbucket_compliance.tasks.roster_refresh import refresh_roster
from local.postgres import EmbeddedPostgres
from tests.conftest import Database
from tests.registry.directory import TOKEN, Directory, serve

COLUMNS = ("email", "name", "status", "end_date", "account_id")
LAST_DAY = "urn:ietf:params:scim:schemas:extension:acme:2.0:User"

Query = Callable[[str], Path]
FromSource = Callable[[str], None]
FromSql = Callable[[Path], None]
FromScim = Callable[[], None]
RUN = SimpleNamespace(triggering_user_name="tester")


@pytest.fixture
def query(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Query:
    """A file with a query, below a folder of queries."""
    monkeypatch.setenv("COMPLIANCE_QUERY_FOLDERS", str(tmp_path))

    def write(text: str) -> Path:
        path = tmp_path / "roster.sql"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def hr(other_postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A table of people behind the Airflow connection ``hr``, in a Postgres of its own."""
    monkeypatch.setenv("AIRFLOW_CONN_HR", other_postgres.uri())
    with psycopg.connect(other_postgres.uri(), autocommit=True, row_factory=dict_row) as connection:
        connection.execute("DROP TABLE IF EXISTS public.staff")
        connection.execute(
            "CREATE TABLE public.staff (mail text, full_name text, state text, left_at timestamptz, no int)"
        )
        yield connection


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


@pytest.fixture
def from_source(monkeypatch: pytest.MonkeyPatch, database: Database) -> Callable[[str], None]:
    """Takes the roster from a source, as the DAGs do."""

    def take(source: str) -> None:
        monkeypatch.setenv("COMPLIANCE_ROSTER_SOURCE", source)
        import_from("roster", "configured", "", "", RUN)

    return take


@pytest.fixture
def from_sql(from_source: FromSource) -> Callable[[Path], None]:
    """Takes the roster by the query of a file."""
    return lambda path: from_source(f"sql:hr:{path.name}")


@pytest.fixture
def from_scim(from_source: FromSource) -> Callable[[], None]:
    """Takes the roster from the directory."""
    return lambda: from_source("scim:idp")


# ------------------------------------------------------------------------- SQL


def test_the_rows_of_a_query_become_the_roster(
    hr: Database, database: Database, query: Query, from_sql: FromSql
) -> None:
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
    assert roster(database) == [
        ("ada@x.io", "Ada", "active", None, "7"),
        ("bo@x.io", "Bo", "terminated", date(2026, 3, 31), None),
        (None, "Cy", "on_leave", None, None),
    ]
    row = database.execute("SELECT kind, source, file_name, row_count, imported_by FROM registry.imports").fetchone()
    assert row == {
        "kind": "roster",
        "source": "sql",
        "file_name": "sql:hr",
        "row_count": 3,
        "imported_by": "airflow:tester",
    }


def test_text_that_comes_as_bytes_is_text(hr: Database, database: Database, query: Query, from_sql: FromSql) -> None:
    from_sql(query("SELECT convert_to('Ada@x.io', 'UTF8') AS email, 'terminated' AS status"))
    assert roster(database) == [("ada@x.io", None, "terminated", None, None)]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_an_instant_is_a_day_of_the_policys_time_zone(
    hr: Database,
    database: Database,
    query: Query,
    from_sql: FromSql,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    zone: str,
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("thresholds: {time_zone: Europe/Berlin}")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    hr.execute(f"ALTER ROLE CURRENT_USER SET TIME ZONE '{zone}'")  # type: ignore[arg-type]
    try:
        from_sql(
            query("SELECT 'a@x.io' AS email, 'terminated' AS status, '2026-10-31 00:00+01'::timestamptz AS end_date")
        )
    finally:
        hr.execute("ALTER ROLE CURRENT_USER RESET TIME ZONE")
    assert roster(database)[0][3] == date(2026, 10, 31)


def test_a_query_may_leave_out_what_its_table_does_not_hold(
    hr: Database, database: Database, query: Query, from_sql: FromSql
) -> None:
    from_sql(query("SELECT 'ada@x.io' AS email, 'active' AS status"))
    assert roster(database) == [("ada@x.io", None, "active", None, None)]


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
    hr: Database, database: Database, query: Query, from_sql: FromSql, text: str, named: str, caplog: Any
) -> None:
    from_sql(query("SELECT 'old@x.io' AS email, 'active' AS status"))
    with pytest.raises(AirflowFailException, match="sql:hr was refused, nothing of it was taken"):
        from_sql(query(text))
    assert any(named in record.getMessage() for record in caplog.records if record.levelno == logging.ERROR)
    assert [row[0] for row in roster(database)] == ["old@x.io"]
    imports = database.execute("SELECT count(*) AS rows FROM registry.imports").fetchone()
    assert imports == {"rows": 1}


def test_a_query_that_fails_names_the_connection_and_may_be_tried_again(hr: Database, dsn: str, query: Query) -> None:
    with pytest.raises(SourceUnavailable, match="sql:hr: the query failed") as error:
        read_sql("hr", query("SELECT nothing FROM nowhere"))
    assert error.value.retryable
    assert "\n" not in str(error.value)


def test_a_database_that_does_not_answer_is_told_without_its_password(
    query: Query, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_HR", "postgresql://hr:s3cret-word@127.0.0.1:1/hr")
    with pytest.raises(SourceUnavailable) as error:
        read_sql("hr", query("SELECT 1"))
    assert "s3cret-word" not in str(error.value)


def test_a_statement_without_rows_is_no_roster(hr: Database, query: Query) -> None:
    with pytest.raises(SourceWrong, match="write one SELECT"):
        read_sql("hr", query("SET application_name TO 'x'"))


def test_a_connection_that_is_missing_or_speaks_no_sql_is_named(
    directory: Directory, dsn: str, query: Query, tmp_path: Path
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
    rows += [(b"e@x.io", memoryview(b"active"), bytearray(b"2026-03-28"), "\u00fc".encode())]
    file = roster_file("sql:hr", "sql", ("email", "status", "end_date", "account_id"), rows)
    assert [cells for _, cells in file.rows] == [
        ("a@x.io", "active", "2026-03-31T23:59:00", "7"),
        ("b@x.io", "active", "2026-03-30", ""),
        ("c@x.io", "active", "2026-03-29T00:00:00Z", "8"),
        ("d@x.io", "active", "", "20260101"),
        ("e@x.io", "active", "2026-03-28", "\u00fc"),
    ]


@pytest.mark.parametrize("hostile", ["A\x00da", "A\ud800da", b"\xff\xfeA"])
def test_a_character_that_no_text_has_is_refused_with_its_row(hostile: str | bytes) -> None:
    rows = [("a@x.io", "Ada", "active"), ("b@x.io", hostile, "active")]
    file = roster_file("sql:hr", "sql", ("email", "name", "status"), rows)
    roster = read_roster(file, load_mapping(), ZoneInfo("UTC"))
    assert [person.email for person in roster.people] == ["a@x.io"]
    assert [(row.line, row.email, row.name) for row in roster.refused] == [(2, "b@x.io", None)]
    with pytest.raises(ImportRefused, match="sql:hr: row 2: column name: holds a character that no text has"):
        roster.refuse_if_bad(0)


def test_what_can_not_be_read_of_a_column_that_means_nothing_spoils_no_row() -> None:
    file = roster_file("sql:hr", "sql", ("email", "status", "photo"), [("a@x.io", "active", b"\xff\xfe")])
    assert [person.email for person in read_roster(file, load_mapping(), ZoneInfo("UTC")).people] == ["a@x.io"]


def test_the_hash_is_of_the_people_in_whatever_order_they_come() -> None:
    def sha256(*emails: str) -> str:
        return roster_file("sql:hr", "sql", ("email",), [(email,) for email in emails]).sha256

    assert sha256("a@x.io", "b@x.io") == sha256("b@x.io", "a@x.io")
    assert sha256("a@x.io") != sha256("b@x.io")


# ------------------------------------------------------------------------ SCIM


def test_the_users_of_a_directory_become_the_roster(
    directory: Directory, database: Database, from_scim: FromScim
) -> None:
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


def test_a_directory_that_does_not_say_who_is_active_is_refused(
    directory: Directory, database: Database, from_scim: FromScim
) -> None:
    directory.person(1)
    del directory.person(2)["active"]
    with pytest.raises(AirflowFailException, match="row 2: column status: the attribute active is missing"):
        from_scim()
    assert roster(database) == []


def test_of_one_account_among_many_the_directory_need_not_say_whether_it_is_active(
    directory: Directory, database: Database, from_scim: FromScim
) -> None:
    for number in range(1, 31):
        directory.person(number)
    del directory.person(31)["active"]
    from_scim()
    assert len(roster(database)) == 30
    refused = database.execute("SELECT line, email, problems FROM registry.refused_rows").fetchall()
    assert [(row["line"], row["email"]) for row in refused] == [(31, "user31@example.com")]
    assert "the attribute active is missing" in refused[0]["problems"][0]


def test_an_empty_directory_is_refused(directory: Directory, database: Database, from_scim: FromScim) -> None:
    with pytest.raises(AirflowFailException, match=r"scim:idp was refused.*nobody"):
        from_scim()


def test_half_a_directory_is_no_roster_and_may_be_tried_again(
    directory: Directory, database: Database, from_scim: FromScim
) -> None:
    directory.person(1)
    directory.answer = lambda start, count: (200, {**directory.page(start, count)[1], "totalResults": 2}, {})
    with pytest.raises(SourceUnavailable, match="1 users of 2"):
        from_scim()
    assert roster(database) == []


def test_a_refused_token_fails_for_good_and_stays_out_of_the_log(
    directory: Directory, database: Database, from_scim: FromScim, caplog: pytest.LogCaptureFixture
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
    hr: Database, database: Database, directory: Directory, query: Query, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("COMPLIANCE_IMPORT_FOLDERS", str(tmp_path))
    directory.person(1)
    monkeypatch.setenv("COMPLIANCE_ROSTER_SOURCE", "scim:idp")
    refresh_roster(SimpleNamespace(triggering_user_name=None))
    assert [row[0] for row in roster(database)] == ["user1@example.com"]
    path = query("SELECT $$b@x.io$$ AS email, $$active$$ AS status")
    monkeypatch.setenv("COMPLIANCE_ROSTER_SOURCE", f"sql:hr:{path}")
    refresh_roster(RUN)
    assert [row[0] for row in roster(database)] == ["b@x.io"]
    (tmp_path / "roster.csv").write_text("email,name,status,end_date,account_id\nc@x.io,,active,,\n")
    monkeypatch.setenv("COMPLIANCE_ROSTER_SOURCE", "file:roster.csv")
    refresh_roster(RUN)
    assert [row[0] for row in roster(database)] == ["c@x.io"]
    history = database.execute("SELECT source, imported_by FROM registry.roster_history ORDER BY import_id").fetchall()
    assert [tuple(row.values()) for row in history] == [
        ("scim", "airflow:scheduler"),
        ("sql", "airflow:tester"),
        ("file", "airflow:tester"),
    ]


def test_several_rosters_have_sources_by_their_names_and_one_that_fails_holds_up_no_other(
    database: Database, directory: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPLIANCE_IMPORT_FOLDERS", str(tmp_path))
    directory.person(1)
    (tmp_path / "contractors.csv").write_text("email,status\nc@x.io,gone\n")
    monkeypatch.setenv("COMPLIANCE_ROSTER_SOURCE", "contractors=file:contractors.csv; main=scim:idp")
    with pytest.raises(AirflowFailException, match=r"contractors\.csv was refused"):
        refresh_roster(RUN)
    rosters = "SELECT roster_name, email FROM registry.roster ORDER BY roster_name"
    assert database.execute(rosters).fetchall() == [{"roster_name": "main", "email": "user1@example.com"}]
    (tmp_path / "contractors.csv").write_text("email,status\nc@x.io,active\n")
    import_from("roster", "configured", "", "", RUN, roster_name="contractors")
    assert [row["roster_name"] for row in database.execute(rosters).fetchall()] == ["contractors", "main"]
    (tmp_path / "contractors.csv").write_text("email,status\nc@x.io,LOCKED_OUT\n")
    monkeypatch.setenv("COMPLIANCE_ROSTER_MAPPING", "workday; contractors=okta")
    refresh_roster(RUN)
    used = "SELECT mapping FROM registry.imports ORDER BY import_id DESC LIMIT 2"
    assert [row["mapping"] for row in database.execute(used).fetchall()] == ["workday", "okta"]
    with pytest.raises(AirflowFailException, match="no source of the roster interns, but of contractors, main"):
        import_from("roster", "configured", "", "", RUN, roster_name="interns")


def test_two_sources_of_one_roster_are_refused() -> None:
    with pytest.raises(SourceWrong, match="two sources of the roster main"):
        Source.configured("scim:idp; main=scim:other")


def test_a_preview_by_the_dag_writes_nothing_and_tells_the_same(
    database: Database, directory: Directory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    directory.person(1)
    monkeypatch.setenv("COMPLIANCE_ROSTER_SOURCE", "scim:idp")
    import_from("roster", "configured", "", "", RUN, preview=True, strict=True)
    assert "preview: roster scim:idp: 1 people; nothing was written" in caplog.text
    assert database.execute("SELECT 1 FROM registry.imports").fetchall() == []


@pytest.mark.parametrize(
    ("kind", "source", "named"),
    [
        ("roster", "file", "needs file"),
        ("roster", "configured", "COMPLIANCE_ROSTER_SOURCE is not set"),
        ("mfa", "configured", "only a roster has a configured source"),
    ],
)
def test_an_import_that_lacks_something_names_it(
    kind: str, source: str, named: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COMPLIANCE_ROSTER_SOURCE", raising=False)
    with pytest.raises(AirflowFailException, match=named):
        import_from(kind, source, "", "", RUN)
