"""Auditors, and readers of single workspaces: they read what was granted to their login, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from bitbucket_compliance import __main__ as command_line
from bitbucket_compliance.core.roles import ensure_login
from local.postgres import EmbeddedPostgres
from tests.conftest import Database

Login = Callable[[str, str], Database]
FIRST, LAST = date(2026, 1, 1), date(2026, 6, 30)
AUDITORS_RELATIONS = {
    "access_review_history", "changes", "classification_history", "evidence", "evidence_history", "exception_history",
    "exceptions", "expiring", "findings", "history_kept", "joiners", "leavers", "member_history", "policies",
    "policy_history", "population_counts", "reason_codes", "record_links", "runs", "test_controls", "tests",
    "workspaces",
}  # fmt: skip


@pytest.fixture
def login(dsn: str, postgres: EmbeddedPostgres, request: pytest.FixtureRequest) -> Login:
    """Make a login with a role, and log in."""

    def logged_in(name: str, role: str) -> Database:
        ensure_login(dsn, name, role, "p", reads_only=True)
        connection = psycopg.connect(
            postgres.uri(dsn.rpartition("/")[2], name, "p"), autocommit=True, row_factory=dict_row
        )
        request.addfinalizer(connection.close)
        return connection

    return logged_in


@pytest.fixture
def world(database: Database) -> Database:
    """Two workspaces, each with a change, a leaver and a run on three days."""
    for workspace in ("acme", "other"):
        for number, day in enumerate(("2025-12-31", "2026-01-01", "2026-07-01")):
            database.execute(
                "INSERT INTO compliance.changes (workspace, repository_id, kind, change_key, merged_on, peer_reviewed,"
                " forced, removed, policy_version, first_run_id, recorded_at)"
                " VALUES (%s, '{a}', 'pull_request', %s, %s, true, false, false, 'p', 'run', now())",
                (workspace, str(number), datetime.fromisoformat(day).replace(tzinfo=UTC)),
            )
            database.execute(
                "INSERT INTO compliance.leaver_records (workspace, person_key, roster_name, name, last_working_day,"
                " declared_at, is_declared, problem, grace_days, time_zone, policy_version, first_run_id, recorded_at)"
                " VALUES (%s, %s, 'main', %s, %s, %s, true, 'name_alone', 0, 'UTC', 'p', 'run', now())",
                (workspace, str(number), f"Person {number}", day, day),
            )
            database.execute(
                "INSERT INTO integration.runs (run_id, workspace, started_at, finished_at, status, policy_version)"
                " VALUES (%s, %s, %s, %s, 'published', 'p')",
                (f"{workspace} {number}", workspace, f"{day} 12:00+00", f"{day} 12:00+00"),
            )
    return database


def granted(*flags: str) -> None:
    assert command_line.main(["grant-auditor", *flags]) == 0


def rows(connection: Database, relation: str) -> list[dict[str, Any]]:
    return connection.execute(sql.SQL("SELECT * FROM granted.{}").format(sql.Identifier(relation))).fetchall()


def test_an_auditor_reads_the_workspace_and_the_period_that_were_granted(
    world: Database, login: Login, capsys: pytest.CaptureFixture[str]
) -> None:
    granted("--login=auditor_a", "--workspace=acme", f"--from={FIRST}", f"--to={LAST}")
    assert 'CREATE ROLE "auditor_a" LOGIN; GRANT compliance_auditor TO "auditor_a"' in capsys.readouterr().out
    auditor = login("auditor_a", "compliance_auditor")
    assert [(row["workspace"], row["merged_on"].date()) for row in rows(auditor, "changes")] == [("acme", FIRST)]
    # who left before the period and of whom it is not known that the access was gone is of it too
    assert {(row["workspace"], row["name"]) for row in rows(auditor, "leavers")} == {
        ("acme", "Person 0"), ("acme", "Person 1"),
    }  # fmt: skip
    assert {row["run_id"] for row in rows(auditor, "runs")} == {"acme 1"}
    assert rows(auditor, "workspaces") == [{"workspace": "acme", "first_day": FIRST, "last_day": LAST}]
    granted("--login=auditor_a", "--workspace=acme", "--revoke")
    assert rows(auditor, "changes") == rows(auditor, "workspaces") == []


@pytest.mark.parametrize("function", ["control_period", "test_period", "completeness", "sample", "population"])
def test_what_is_worked_out_over_a_period_is_refused_beyond_it(world: Database, login: Login, function: str) -> None:
    granted("--login=auditor_a", "--workspace=acme", f"--from={FIRST}", f"--to={LAST}")
    auditor = login("auditor_a", "compliance_auditor")
    population = ", 'leavers'" if function in ("sample", "population") else ""

    def asked(workspace: str, first: date, last: date) -> list[dict[str, Any]]:
        statement = f"SELECT * FROM granted.{function}(%s{population}, %s, %s)"  # noqa: S608
        return auditor.execute(statement, (workspace, first, last)).fetchall()  # type: ignore[arg-type]

    own = world.execute(
        f"SELECT * FROM compliance.{function}(%s{population}, %s, %s)",  # type: ignore[arg-type]  # noqa: S608
        ("acme", FIRST, LAST),
    ).fetchall()
    assert asked("acme", FIRST, LAST) == own and own
    for workspace, first, last in (
        ("other", FIRST, LAST), ("acme", date(2025, 12, 31), LAST), ("acme", FIRST, date(2026, 7, 1)),
    ):  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=f"of workspace {workspace} are not granted"):
            asked(workspace, first, last)


def test_an_auditor_reads_nothing_else_and_writes_nothing(world: Database, login: Login) -> None:
    auditor = login("auditor_a", "compliance_auditor")
    readable = world.execute(
        "SELECT schemas.nspname || '.' || relations.relname AS name FROM pg_class AS relations"
        " INNER JOIN pg_namespace AS schemas ON relations.relnamespace = schemas.oid"
        " WHERE relations.relkind IN ('r', 'v', 'm', 'p') AND schemas.nspname NOT IN ('pg_catalog',"
        " 'information_schema') AND has_schema_privilege('auditor_a', schemas.oid, 'USAGE')"
        " AND has_any_column_privilege('auditor_a', relations.oid, 'SELECT, INSERT, UPDATE, REFERENCES')"
    ).fetchall()
    assert {row["name"] for row in readable if not row["name"].startswith("public.")} == {
        f"granted.{name}" for name in AUDITORS_RELATIONS
    }
    auditor.execute("SET default_transaction_read_only = off")
    for statement in (
        "SELECT * FROM compliance.changes",
        "SELECT compliance.population('acme', 'changes', '2026-01-01', '2026-01-01')",
        "DELETE FROM granted.changes",
        "UPDATE granted.leavers SET name = ''",
        "INSERT INTO registry.reading_grants (login, workspace, granted_by) VALUES ('auditor_a', 'acme', 'os:me')",
    ):
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState)):
            auditor.execute(statement)  # type: ignore[arg-type]


def test_no_step_into_another_role_shows_what_another_login_was_granted(world: Database, login: Login) -> None:
    granted("--login=auditor_a", "--workspace=acme")
    other = login("auditor_b", "compliance_auditor")
    assert rows(other, "changes") == []
    other.execute("SET ROLE compliance_auditor")
    assert rows(other, "changes") == []
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        other.execute("SET SESSION AUTHORIZATION auditor_a")


def test_a_function_of_ones_own_sees_no_row_that_was_not_granted(world: Database, login: Login) -> None:
    granted("--login=auditor_a", "--workspace=acme")
    auditor = login("auditor_a", "compliance_auditor")
    # A condition that tells on what it is given, and costs nothing, would be tried first without the barrier.
    found = auditor.execute(
        "SELECT count(*) AS found FROM granted.changes WHERE 1 / (CASE WHEN workspace = 'other' THEN 0 ELSE 1 END) = 1"
    ).fetchall()
    assert found == [{"found": 3}]


def test_a_reader_of_single_workspaces_reads_these_and_no_employment(world: Database, login: Login) -> None:
    granted("--login=reader_a", "--workspace=acme")
    reader = login("reader_a", "compliance_limited_reader")
    assert {row["workspace"] for row in rows(reader, "changes")} == {"acme"}
    assert rows(reader, "current_results") == rows(reader, "members") == []
    for relation in ("leavers", "access_review_history"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows(reader, relation)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("SELECT * FROM granted.sample('acme', 'leavers', '2026-01-01', '2026-01-02')")
    everybody = login("reader_b", "compliance_reader")
    found = everybody.execute("SELECT DISTINCT workspace FROM compliance.changes").fetchall()
    assert len(found) == 2, "a reader who is not limited reads all workspaces"


def test_every_view_that_readers_have_stands_in_schema_granted_too(database: Database) -> None:
    missing = database.execute(
        "SELECT relations.relname FROM pg_class AS relations WHERE relations.relnamespace = 'compliance'::regnamespace"
        " AND relations.relkind IN ('r', 'v') AND has_table_privilege('compliance_reader', relations.oid, 'SELECT')"
        " AND to_regclass('granted.' || relations.relname) IS NULL ORDER BY 1"
    ).fetchall()
    # How the pipeline is doing is its operators' affair.
    operations = ["alerts", "operations", "run_steps"]
    assert [row["relname"] for row in missing] == sorted(["daily_observations", "exception_endings", *operations])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--login=a"], "belong together"),
        (["--login=a", "--workspace=acme", "--from=2026-02-01", "--to=2026-01-01"], "lies before"),
        (["--login=a", "--workspace=nowhere"], "nothing was published of workspace 'nowhere'"),
        (["--login=a", "--workspace=acme", "--revoke"], "was granted nothing of acme"),
    ],
)
def test_what_can_not_be_granted_is_refused_in_one_line(
    world: Database, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    assert command_line.main(["grant-auditor", *flags]) == 1
    assert said in capsys.readouterr().err
