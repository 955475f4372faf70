"""Findings across tests: chosen by what a person picks, ticked ones assigned, asked for and taken along."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from playwright.sync_api import expect

from tests.console_browser.pages.looking import Guest

Enter = Callable[..., Guest]
Database = psycopg.Connection[dict[str, Any]]


@pytest.fixture
def ada(demo: Database, visit: Enter) -> Guest:
    return visit("op", "ada")


def subjects(guest: Guest) -> list[tuple[str, str]]:
    return [(row["Subject"], row["Test"]) for row in guest.rows("Findings")]


def choose(guest: Guest, **chosen: str) -> list[tuple[str, str]]:
    """Pick values in the filter and press its button."""
    page = guest.open("findings")
    for label, value in chosen.items():
        page.locator("form.filter").get_by_label(label.replace("_", " "), exact=True).select_option(value)
    guest.go(page.get_by_role("button", name="Filter"))
    return subjects(guest)


def test_each_section_holds_as_many_as_it_says(ada: Guest) -> None:
    page = ada.open("findings")
    names = page.get_by_role("list", name="Which findings").get_by_role("link").all_inner_texts()
    assert [one.rpartition(" ")[0] for one in names] == [
        "all", "overdue", "due within 7 days", "found within 7 days", "accepted risks",
    ]  # fmt: skip
    total = 0
    for name in names:
        ada.go(page.get_by_role("list", name="Which findings").get_by_role("link", name=name))
        count = int(name.rpartition(" ")[2])
        assert page.locator("main tbody tr").count() == count, name
        total += count
    assert total > int(names[0].rpartition(" ")[2]) > 40
    ada.open("findings?section=overdue")
    assert all("days ago" in row["Due"] for row in ada.rows("Findings"))


@pytest.mark.parametrize(
    ("chosen", "where"),
    [
        ({"Test": "peer_review_required"}, "test_id = 'peer_review_required'"),
        ({"Project": "CORE", "Severity": "high"}, "open_findings.project_key = 'CORE' AND severity = 'high'"),
        ({"Owner": "platform-team@example.com"}, "owner = 'platform-team@example.com'"),
        (
            {"Control": "SOC 2 CC6.2"},
            "test_id IN (SELECT test_id FROM compliance.test_controls WHERE framework = 'SOC 2' AND control = 'CC6.2')",
        ),
    ],
    ids=["test", "project and severity", "owner", "control"],
)
def test_findings_are_those_of_the_filter(ada: Guest, demo: Database, chosen: dict[str, str], where: str) -> None:
    expected = demo.execute(
        "SELECT subject_name, test_id FROM compliance.open_findings LEFT JOIN compliance.repositories AS repositories"  # type: ignore[arg-type]  # noqa: S608
        f" ON repositories.repository_id = open_findings.subject_id WHERE {where}"
    ).fetchall()
    shown = choose(ada, **chosen)
    assert expected and len(shown) == len(expected)
    assert sorted(name for name, _ in shown) == sorted(row["subject_name"] for row in expected)
    [(name, text)] = [ada.downloaded("All as CSV")]
    assert name.startswith("findings-demo-workspace-")
    assert len(list(csv.DictReader(io.StringIO(text)))) == len(expected)


def test_ticked_findings_are_assigned_asked_for_and_taken_along(ada: Guest, demo: Database) -> None:
    page = ada.open("findings?test_id=peer_review_required")
    ticked = [row["Subject"] for row in ada.rows("Findings")[:3]]
    for name in ticked:
        page.get_by_role("row", name=name).get_by_role("checkbox").check()
    expect(page.locator("fieldset.acts legend")).to_contain_text("3 ticked")
    assert ada.faults() == []

    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    told = csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8-sig")))
    assert [row["subject_name"] for row in told] == ticked

    page.get_by_label("Assign to", exact=True).select_option("airflow:ada")
    ada.go(page.get_by_role("button", name="Assign", exact=True))
    assert "Assigned 3 findings to ada" in ada.message()
    # On the same page of the list, and found by whose they are.
    assert "test_id=peer_review_required" in page.url
    assert [name for name, _ in choose(ada, Assigned_to="me")] == ticked

    for name in ticked[:2]:
        page.get_by_role("row", name=name).get_by_role("checkbox").check()
    page.get_by_label("Owner of the risk").select_option("airflow:ada")
    page.get_by_label("Last day").fill((datetime.now(UTC).date() + timedelta(days=20)).isoformat())
    page.get_by_label("Why they are to be accepted").fill("Moves next month.")
    ada.go(page.get_by_role("button", name="Ask for exceptions"))
    assert "Asked for 2 exceptions" in ada.message()
    asked = demo.execute("SELECT target FROM registry.exceptions WHERE reason = 'Moves next month.'").fetchall()
    assert len(asked) == 2


def test_nothing_ticked_is_said_where_the_person_is(ada: Guest) -> None:
    page = ada.open("findings")
    ada.go(page.get_by_role("button", name="Download as CSV"))
    expect(page.get_by_role("alert")).to_contain_text("no finding is ticked")
    assert len(ada.rows("Findings")) > 40
    assert ada.faults() == []
