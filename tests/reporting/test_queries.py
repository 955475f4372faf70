"""``docs/queries.md``: fifteen questions, each one statement that a reader may run, with the answer it really gives."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import psycopg
import pytest

from local.postgres import EmbeddedPostgres
from local.postgres_cluster import ADMIN_ROLE
from sandbox.process import SandboxServer
from tests.conftest import Database
from tests.documents.queries import TARGET, document
from tests.documents.questions import ASKED_ON, PEOPLE_READER, READER, queries
from tests.harness import Pipeline
from tests.reporting.story import answers, ask, tell


@pytest.fixture
def admin_dsn(postgres: EmbeddedPostgres, database: Database) -> str:
    return postgres.uri(database.info.dbname, ADMIN_ROLE)


def test_the_page_shows_each_statement_with_the_answer_it_gives_to_somebody_with_the_roles_it_names(
    pipeline: Pipeline, sandbox: SandboxServer, admin_dsn: str, tmp_path: Path
) -> None:
    today = tell(pipeline, sandbox, admin_dsn, tmp_path)
    given = answers(admin_dsn, today)
    assert {name for name, (_, rows) in given.items() if not rows} == set(), "every question has something to answer"
    assert TARGET.read_text(encoding="utf-8") == document(given), "docs/queries.md is not current: run `make docs`"


def test_there_are_fifteen_questions_and_each_is_one_statement() -> None:
    assert len(queries()) == 15
    for query in queries():
        assert query.question.endswith("?"), query.name
        assert query.statement.count(";") == 1 and query.statement.endswith(";"), query.name
        assert "%" not in query.statement, f"{query.name}: somebody pastes it as it is"


def test_only_the_questions_about_employment_need_more_than_the_reader(admin_dsn: str) -> None:
    with psycopg.connect(admin_dsn) as connection:
        for query in queries():
            ask(connection, query.statement, query.roles)
            if query.roles == (READER,):
                continue
            assert query.roles == (READER, PEOPLE_READER)
            for role in query.roles:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    ask(connection, query.statement, (role,))
    assert [query.name for query in queries() if len(query.roles) > 1] == [
        "05_access_when_they_left", "12_leavers_removed_in_time",
    ]  # fmt: skip


def test_days_are_moved_and_nothing_else() -> None:
    [query] = [one for one in queries() if one.name == "01_failed_on_a_day"]
    assert query.asked_on(ASKED_ON) == query.statement
    assert "'2026-03-18 00:00:00+00'" in query.asked_on(ASKED_ON + timedelta(days=1))
    assert "'2025-03-17 00:00:00+00'" in query.asked_on(date(2025, 3, 31))
    assert "'demo-workspace'" in query.asked_on(date(2030, 1, 1))
