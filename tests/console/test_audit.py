"""The audit trail: entries as they were recorded, newest first, page by page, and never changed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from compliance_console_app.permissions import Person
from compliance_console_app.services.audit import record
from tests.conftest import Database
from tests.console.conftest import OpenConsole
from tests.console.world import Published

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def as_console(dsn: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """A connection in the console's role."""
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        connection.execute("SET ROLE compliance_console")
        connection.commit()
        yield connection


def test_an_entry_says_who_did_what_before_and_after(
    open_console: OpenConsole, as_console: psycopg.Connection[dict[str, Any]]
) -> None:
    before = {"classification": "non_production", "owner": None, "since": date(2026, 3, 31)}
    after = {"classification": "production", "owner": HOSTILE, "at": datetime(2026, 4, 1, tzinfo=UTC)}
    record(as_console, Person("ann"), "repository.classified", HOSTILE, before, after)
    as_console.commit()
    page = open_console("viewer").get("/audit").text
    assert "<del>non_production</del> → production" in page
    assert "<del>2026-03-31</del> → nothing" in page
    assert HOSTILE not in page and "&lt;script&gt;" in page


def test_the_trail_is_newest_first_and_goes_on_to_the_oldest(
    open_console: OpenConsole, as_console: psycopg.Connection[dict[str, Any]]
) -> None:
    for number in range(60):
        # By turns, for what one person does at once is one entry.
        record(as_console, Person(("ann", "bob")[number % 2]), "test.done", f"subject-{number:02}", None, {"n": number})
    as_console.commit()
    console = open_console("viewer")
    first = console.get("/audit").text
    assert first.index("subject-59") < first.index("subject-10") and "subject-09" not in first
    older = console.get("/audit?older_than=11").text
    assert "subject-09" in older and "subject-00" in older and "subject-10" not in older
    assert ">Older<" in first and ">Older<" not in older


def test_the_trail_is_narrowed_by_person_action_and_subject(
    open_console: OpenConsole, as_console: psycopg.Connection[dict[str, Any]]
) -> None:
    for actor, action, subject in (("ann", "a.done", "One"), ("bob", "a.done", "Two"), ("ann", "b.done", "Three%")):
        record(as_console, Person(actor), action, subject, None, None)
    as_console.commit()
    console = open_console("viewer")

    def found(query: str) -> list[str]:
        page = console.get(f"/audit?{query}").text
        return [name for name in ("One", "Two", "Three%") if f">{name}</td>" in page]

    assert found("actor=airflow:ann") == ["One", "Three%"]
    assert found("actor=airflow:ann&action=a.done") == ["One"]
    assert found("about=%25") == ["Three%"]
    assert found("about=one") == ["One"]
    assert found("actor=nobody") == []


@pytest.mark.parametrize(
    "query", ["older_than=x", "older_than=99999999999999999999", "actor=%00", "about=" + "x" * 201]
)
def test_a_query_that_cannot_be_meant_is_refused(open_console: OpenConsole, query: str) -> None:
    assert open_console("viewer").get(f"/audit?{query}").status_code == 422


@pytest.mark.parametrize(
    "statement", ["UPDATE integration.console_audit SET actor = 'x'", "DELETE FROM integration.console_audit"]
)
def test_entries_are_never_changed_not_even_by_the_owner_of_the_table(
    dsn: str, as_console: psycopg.Connection[dict[str, Any]], statement: str
) -> None:
    record(as_console, Person("ann"), "test.done", "subject", None, None)
    as_console.commit()
    for role in ("compliance_console", "compliance_owner"):
        with psycopg.connect(dsn) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"SET ROLE {role}")  # type: ignore[arg-type]
            connection.execute(statement)  # type: ignore[arg-type]


def test_what_was_done_at_once_is_one_entry_and_the_csv_has_each(
    open_console: OpenConsole, as_console: psycopg.Connection[dict[str, Any]]
) -> None:
    for number in range(120):
        record(
            as_console,
            Person("ann"),
            "classification.declared",
            f"repository {number:03}",
            None,
            {"owner": "x", "was": number},
        )
    record(as_console, Person("bob"), "classification.declared", "repository 120", None, {"owner": "x"})
    as_console.commit()
    console = open_console("viewer")
    page = console.get("/audit").text
    assert page.count("<time ") == 2
    assert "owner: x" in page and "was:" not in page, "what all of them share"
    assert "120 at once: repository 000" in page and "repository 099" in page and "repository 119" not in page
    table = list(csv.DictReader(io.StringIO(console.get("/audit?actor=airflow:ann&format=csv").text)))
    assert len(table) == 120 and table[0]["subject"] == "repository 119"


def test_the_trail_is_narrowed_by_days(
    open_console: OpenConsole, as_console: psycopg.Connection[dict[str, Any]]
) -> None:
    record(as_console, Person("ann"), "test.done", "today's", None, None)
    as_console.commit()
    today, before = datetime.now(UTC).date(), datetime.now(UTC).date() - timedelta(days=1)
    console = open_console("viewer")
    assert "today&#39;s" in console.get(f"/audit?since={today}&until={today}").text
    assert "today&#39;s" in console.get("/audit?since=&until=").text
    assert "today&#39;s" not in console.get(f"/audit?until={before}").text
    assert console.get("/audit?since=2026-13-01").status_code == 422


def test_ids_are_shown_as_names(
    open_console: OpenConsole, as_console: psycopg.Connection[dict[str, Any]], database: Database
) -> None:
    payments = Published(database).repository("payments")
    record(as_console, Person("ann"), "exception.requested", f"{payments} of a test", None, {"target": payments})
    as_console.commit()
    page = open_console("viewer").get("/audit").text
    assert "repository payments of a test" in page and "target: repository payments" in page
    assert payments not in page
