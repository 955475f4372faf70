"""Findings across tests: which stand on the page, the CSV, and exceptions for those that are ticked."""

from __future__ import annotations

import csv
import io
import re
from urllib.parse import quote

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


def test_a_name_leads_to_its_subject_and_a_test_to_the_verdict(open_console: OpenConsole, world: Published) -> None:
    viewer = open_console("viewer")
    rows = re.findall(r'<th scope="row" id="name-.*?</td>', viewer.get("/findings?words=late").text, re.DOTALL)
    links = re.findall(r'href="\./([^"]+)"', rows[0])
    key = quote(identity("late"), safe="")
    assert links == [f"repositories/{key}", f"tests/branch_protection_enforced/{key}"]
    assert [viewer.get(f"/{link}").status_code for link in links] == [200, 200]


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
    text = open_console("viewer").get("/findings").text
    assert "Ask for exceptions" not in text and "Assign to<" not in text


def test_the_overview_leads_into_the_findings(open_console: OpenConsole, world: Published) -> None:
    text = open_console("viewer").get("/").text
    for link in ("findings?section=overdue", "findings?section=soon", "findings?test_id="):
        assert link in text
    assert 'id="first-steps"' in text and text.count(">to do</span>") == 4
    bars = re.findall(r'aria-label="(\d+) passing, (\d+) failing, (\d+) undecided, (\d+) not applicable"', text)
    assert ("0", "3", "0", "0") in bars


def assigned(world: Published) -> list[tuple[str, str | None]]:
    """Whom each open finding is assigned to, as analysts read it."""
    found = world.rows("SELECT subject_name, assigned_to FROM compliance.open_findings ORDER BY subject_name")
    return [(row["subject_name"], row["assigned_to"]) for row in found]


def test_ticked_findings_are_assigned_and_found_by_whom(open_console: OpenConsole, world: Published) -> None:
    ann, bob = open_console("op", "ann"), open_console("op", "bob")
    bob.get("/findings")
    before = world.rows("SELECT finding_id, due_at FROM compliance.findings ORDER BY 1")
    form = {"finding": [ids(world)["late"], ids(world)["soon"]], "assignee": "airflow:bob", "note": "before May"}
    answer = ann.submit("/findings/assign", {**form, "section": "", "project": "CORE"}, on="/findings")
    assert answer.status_code == 303 and answer.headers["location"] == "../findings?project=CORE&sort=due"
    assert message(ann.get("/findings")).startswith("Assigned 2 findings to bob")
    assert assigned(world) == [("fresh", None), ("late", "airflow:bob"), ("soon", "airflow:bob")]
    assert names(bob.get("/findings?assigned=me").text) == ["late", "soon"]
    assert names(ann.get("/findings?assigned=me").text) == []
    assert names(ann.get("/findings?assigned=nobody").text) == ["fresh"]
    assert names(ann.get("/findings?assigned=airflow:bob&section=overdue").text) == ["late"]
    told = csv.DictReader(io.StringIO(ann.get("/findings?format=csv&sort=name").text))
    assert [row["assigned_to"] for row in told] == ["", "airflow:bob", "airflow:bob"]

    again = {"finding": [ids(world)["late"]], "assignee": "nobody"}
    ann.submit("/findings/assign", again, on="/findings")
    assert assigned(world)[1] == ("late", None)
    kept = world.rows("SELECT assigned_to::text, note FROM registry.finding_assignments ORDER BY assignment_id")
    assert [(row["assigned_to"], row["note"]) for row in kept] == [
        ("airflow:bob", "before May"), ("airflow:bob", "before May"), (None, None),
    ]  # fmt: skip
    assert world.audited() == [("airflow:ann", "finding.assigned")] * 3
    assert "repository late" in ann.get("/audit").text
    assert "assigned to bob" in ann.get("/changes?since=2020-01-01").text
    assert world.rows("SELECT finding_id, due_at FROM compliance.findings ORDER BY 1") == before


def test_a_finding_is_assigned_on_the_page_of_its_subject(open_console: OpenConsole, world: Published) -> None:
    ann, page = open_console("op", "ann"), f"/repositories/{identity('late')}"
    assert 'name="assignee"' not in open_console("viewer").get(page).text
    form = {
        "finding": [ids(world)["late"]], "assignee": "airflow:ann", "note": "<b>mine</b>",
        "subject_type": "repository", "subject_id": identity("late"),
    }  # fmt: skip
    answer = ann.submit("/findings/assign", form, on=page)
    assert answer.status_code == 303 and "/repositories/%7B" in answer.headers["location"]
    shown = ann.get(page).text
    assert '<td data-label="Assigned to">ann</td>' in shown
    assert "ann, by ann on 20" in shown and "<b>mine" not in shown


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"finding": []}, "no finding is ticked"),
        ({"assignee": ""}, "nobody was chosen"),
        ({"assignee": "airflow:ghost"}, "nobody here is known as"),
        (
            {"finding": ["late", "00000000-0000-0000-0000-000000000000"]},
            "2 of 2 are no open findings of workspace acme",
        ),
        ({"note": "x" * 2001}, "the note is no text of 2000 characters"),
        ({"note": "\x07"}, "the note is no text"),
    ],
)
def test_what_cannot_be_assigned_is_said_and_nothing_is(
    open_console: OpenConsole, world: Published, changed: dict[str, object], why: str
) -> None:
    form = {"finding": [ids(world)["late"]], "assignee": "airflow:ann", "note": ""}
    refused = open_console("op").submit("/findings/assign", {**form, **changed}, on="/findings")
    assert refused.status_code == 409 and why in problem(refused)
    assert world.rows("SELECT 1 FROM registry.finding_assignments") == []


def test_whoever_only_reads_assigns_nothing(open_console: OpenConsole, world: Published) -> None:
    viewer = open_console("viewer")
    assert viewer.post("/findings/assign", data={"finding": ids(world)["late"]}).status_code == 403


def test_what_is_ticked_is_taken_along_and_nothing_else(open_console: OpenConsole, world: Published) -> None:
    ann = open_console("op")
    ticked = {"finding": [ids(world)["soon"], ids(world)["late"], "nonsense"]}
    told = ann.submit("/findings/csv", ticked, on="/findings")
    assert told.headers["content-type"].startswith("text/csv")
    assert [row["subject_name"] for row in csv.DictReader(io.StringIO(told.text))] == ["late", "soon"]
    assert "no finding is ticked" in problem(ann.submit("/findings/csv", {}, on="/findings"))
    assert open_console("viewer").post("/findings/csv", data=ticked).status_code == 403
