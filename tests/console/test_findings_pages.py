"""Findings across tests: which stand on the page, the CSV, and exceptions for those that are ticked."""

from __future__ import annotations

import csv
import io
import re

import pytest

from tests.conftest import Database
from tests.console.conftest import OpenConsole
from tests.console.world import WORKSPACE, Published, identity, message, problem


@pytest.fixture
def world(database: Database) -> Published:
    """Repositories whose findings are overdue, due in three days, and due in a month."""
    made = Published(database)
    database.execute(
        "INSERT INTO compliance.tests (test_id, test_title, severity, subject_type, display_order, enabled, manual)"
        " SELECT 'branch_protection_enforced', 'Protected', 'high', 'repository', 1, true, false"
        " WHERE NOT EXISTS (SELECT 1 FROM compliance.tests WHERE test_id = 'branch_protection_enforced')"
    )
    for slug, project, found, due in (
        ("late", "CORE", "40 days", "-3 days"),
        ("soon", "CORE", "9 days", "3 days"),
        ("fresh", "WEB", "1 day", "29 days"),
    ):
        made.repository(slug, project, owner=f"{project.lower()}@example.com")
        database.execute(
            "INSERT INTO compliance.finding_records (finding_id, workspace, test_id, subject_type, subject_id,"
            " subject_name, severity, found_at, reason_code, due_at, policy_version, run_id)"
            " VALUES (gen_random_uuid(), %s, 'branch_protection_enforced', 'repository', %s, %s, 'high',"
            " now() - %s::interval, 'r', now() + %s::interval, 'p', 'run')",
            (WORKSPACE, identity(slug), slug, found, due),
        )
    return made


def names(text: str) -> list[str]:
    return re.findall(r'<th scope="row" id="name-\d+"><a [^>]*>([^<]+)</a>', text)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["late", "soon", "fresh"]),
        ("section=overdue", ["late"]),
        ("section=soon", ["soon"]),
        ("section=new", ["fresh"]),
        ("section=accepted", []),
        ("project=WEB", ["fresh"]),
        ("owner=core@example.com", ["late", "soon"]),
        ("severity=low", []),
        ("test_id=branch_protection_enforced&words=LAT", ["late"]),
        ("control=none", []),
        ("sort=found", ["fresh", "soon", "late"]),
    ],
)
def test_findings_are_chosen_by_what_the_address_says(
    open_console: OpenConsole, world: Published, query: str, expected: list[str]
) -> None:
    answer = open_console("viewer").get(f"/findings?{query}")
    assert (answer.status_code, names(answer.text)) == (200, expected)


def test_every_section_says_how_many_it_has(open_console: OpenConsole, world: Published) -> None:
    text = open_console("viewer").get("/findings").text
    counts = re.findall(r'([a-z7 ]+) <span class="count">(\d+)</span></a></li>', text)
    told = {label.strip(): int(count) for label, count in counts}
    assert told == {
        "all": 3, "overdue": 1, "due within 7 days": 1, "found within 7 days": 1, "accepted risks": 0,
    }  # fmt: skip


def test_the_csv_has_all_that_the_filter_leaves(open_console: OpenConsole, world: Published) -> None:
    answer = open_console("viewer").get("/findings?project=CORE&format=csv&page=9")
    assert answer.headers["content-type"].startswith("text/csv")
    assert 'filename="findings-acme-' in answer.headers["content-disposition"]
    assert [row["subject_name"] for row in csv.DictReader(io.StringIO(answer.text))] == ["late", "soon"]


def ids(world: Published) -> dict[str, str]:
    found = world.rows("SELECT finding_id::text, subject_name FROM compliance.finding_records")
    return {row["subject_name"]: row["finding_id"] for row in found}


def test_exceptions_are_asked_for_what_is_ticked(open_console: OpenConsole, world: Published) -> None:
    console = open_console("op")
    fields = {
        "finding": [ids(world)["late"], ids(world)["soon"]],
        "risk_owner": "airflow:ann",
        "reason": "moves next month",
        "until": "2099-01-01",
        "section": "",
    }
    refused = console.submit("/findings/exceptions", fields, on="/findings")
    assert refused.status_code == 409 and "too far away" in problem(refused)
    assert world.rows("SELECT 1 FROM registry.exceptions") == []

    until = str(world.rows("SELECT (now() + interval '30 days')::date AS day")[0]["day"])
    answer = console.submit("/findings/exceptions", {**fields, "until": until}, on="/findings")
    assert answer.status_code == 303
    assert message(console.get("/findings")).startswith("Asked for 2 exceptions")
    asked = world.rows("SELECT target, owner::text FROM registry.exceptions ORDER BY target")
    assert asked == [{"target": key, "owner": "airflow:ann"} for key in sorted((identity("late"), identity("soon")))]


def test_nothing_ticked_is_said(open_console: OpenConsole, world: Published) -> None:
    refused = open_console("op").submit("/findings/exceptions", {"until": "2026-12-31"}, on="/findings")
    assert refused.status_code == 409 and "no finding is ticked" in problem(refused)


def test_whoever_only_reads_finds_nothing_to_press(open_console: OpenConsole, world: Published) -> None:
    assert "Ask for exceptions" not in open_console("viewer").get("/findings").text


def test_the_overview_leads_into_the_findings(open_console: OpenConsole, world: Published) -> None:
    text = open_console("viewer").get("/").text
    for link in ("findings?section=overdue", "findings?section=soon", "findings?test_id="):
        assert link in text
    assert 'id="first-steps"' in text and text.count(">to do</span>") == 4
    bars = re.findall(r'aria-label="(\d+) passing, (\d+) failing, (\d+) undecided, (\d+) not applicable"', text)
    assert ("0", "3", "0", "0") in bars
