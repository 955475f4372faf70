"""`make psql`: statements on the embedded database, with the rights of a role."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from local import __main__ as command_line
from local import database
from local.postgres import EmbeddedPostgres


@pytest.fixture(autouse=True)
def _tests_own_server(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    # It runs already, and the session's other tests go on using it.
    monkeypatch.setattr(database, "embedded_postgres", lambda: nullcontext(postgres))


def _psql(monkeypatch: pytest.MonkeyPatch, sql: str, role: str = "") -> int:
    monkeypatch.setenv("SQL", sql)
    monkeypatch.setenv("ROLE", role)
    return command_line.main(["psql"])


@pytest.mark.parametrize(
    ("role", "can", "cannot"),
    [
        ("reader", "SELECT count(*) FROM compliance.current_results", "SELECT count(*) FROM landing.objects"),
        ("reader", "SHOW transaction_read_only", "CREATE TEMP TABLE t (i int)"),
        ("people_reader", "SELECT count(*) FROM compliance.member_employment", "CREATE TEMP TABLE t (i int)"),
        ("console", "SELECT count(*) FROM registry.evidence", "DROP TABLE registry.evidence"),
        ("pipeline", "SELECT count(*) FROM landing.objects", "DROP TABLE landing.objects"),
        ("owner", "SELECT count(*) FROM compliance.results", "CREATE ROLE another"),
    ],
)
def test_a_statement_has_the_rights_of_the_role_and_no_others(
    role: str, can: str, cannot: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert _psql(monkeypatch, can, role) == 0
    assert _psql(monkeypatch, "SELECT current_user", role) == 0
    assert f"compliance_{role}" in capfd.readouterr().out
    assert _psql(monkeypatch, cannot, role) != 0
    assert "ERROR:" in capfd.readouterr().err


def test_an_unknown_role_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(database, "embedded_postgres", lambda: pytest.fail("something was started"))
    assert _psql(monkeypatch, "SELECT 1", "king") == 1
    assert "ROLE=king: choose one of reader, people_reader, pipeline, console, owner" in capsys.readouterr().err


def test_without_a_role_the_owner_of_the_database_asks(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert _psql(monkeypatch, "SELECT current_user,\n 1") == 0
    assert "compliance" in capfd.readouterr().out
