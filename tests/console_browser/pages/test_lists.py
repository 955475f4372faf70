"""What changed, who did what, several workspaces, search; and every list as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from playwright.sync_api import expect

from compliance_console_app.permissions import Person
from compliance_console_app.services.audit import record
from tests.console_browser.pages.looking import Guest, words

Enter = Callable[..., Guest]
Database = psycopg.Connection[dict[str, Any]]
TODAY = datetime.now(UTC).date()
OF_REVIEW, OF_SOC2 = "WHERE test_id = 'peer_review_required'", "WHERE framework = 'SOC 2'"


@pytest.fixture
def ada(demo: Database, visit: Enter) -> Guest:
    return visit("op", "ada")


def told(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_what_changed_between_two_moments_is_chosen_by_days_and_kind(ada: Guest) -> None:
    page = ada.open("changes")
    tiles = page.get_by_role("list", name="Changes by kind").get_by_role("listitem")
    counts = {words(one).split(" ")[1]: int(words(one).split(" ")[0]) for one in tiles.all_inner_texts()}
    assert counts["verdicts"] == 9 and counts["repositories"] == counts["members"] == 1
    assert ada.faults() == []
    ada.go(tiles.get_by_role("link", name="members"))
    [row] = ada.rows("Changes")
    assert row["What"].startswith("Compliance connector") and row["Why"] == "left the workspace"
    # Between two days on which nothing was published nothing changed; over both runs much more did.
    page.get_by_label("Since", exact=True).fill(str(TODAY - timedelta(days=10)))
    page.get_by_label("Until", exact=True).fill(str(TODAY - timedelta(days=5)))
    ada.go(page.get_by_role("button", name="Show", exact=True))
    expect(ada.main).to_contain_text("Nothing changed")
    ada.go(page.get_by_role("link", name="30 days"))
    kinds = {row["What"].split(" ")[-1] for row in ada.rows("Changes")}
    assert len(kinds) > 1
    name, text = ada.downloaded("Download as CSV")
    assert name.startswith("changes-demo-workspace-") and len(told(text)) > 200


@pytest.mark.parametrize(
    ("path", "link", "column", "relation"),
    [
        ("repositories", "All as CSV", "slug", "compliance.repositories"),
        ("tests", "All as CSV", "test_id", "compliance.tests"),
        ("tests/peer_review_required", "All as CSV", "subject_name", f"compliance.results {OF_REVIEW}"),
        ("findings", "All as CSV", "subject_name", "compliance.open_findings"),
        ("runs", "All as CSV", "run_id", "compliance.runs"),
        ("evidence", "All as CSV", "file_name", "compliance.evidence"),
        ("imports", "All as CSV", "import_id", "registry.imports"),
        ("audit", "All as CSV", "actor", "integration.console_audit"),
        ("members", "Export the review for the auditor (CSV)", "display_name", "compliance.members"),
        ("controls?framework=SOC+2", "Download as CSV", "control", f"compliance.control_status {OF_SOC2}"),
        ("workspaces", "All as CSV", "workspace", "compliance.workspace_score"),
        ("controls/one?framework=SOC+2&control=CC8.1", "All as CSV", "subject_name", ""),
    ],
)  # fmt: skip
def test_every_list_is_there_as_a_file(
    ada: Guest, demo: Database, path: str, link: str, column: str, relation: str
) -> None:
    record(demo, Person("ada"), "test.done", "subject", None, None)
    ada.open(path)
    name, text = ada.downloaded(link)
    assert name.endswith(f"-{TODAY}.csv")
    rows = told(text)
    [row] = demo.execute(f"SELECT count(*) AS rows FROM {relation or 'compliance.open_findings'}").fetchall()  # type: ignore[arg-type]  # noqa: S608
    assert rows and column in rows[0]
    assert len(rows) == row["rows"] if relation else len(rows) > 30


def test_the_audit_trail_groups_what_was_done_at_once_and_is_narrowed_and_taken_along(
    ada: Guest, demo: Database
) -> None:
    for number in range(30):
        record(demo, Person("bo"), "classification.declared", f"repository {number:02}", None, {"owner": "x"})
    record(demo, Person("ada"), "evidence.accepted", "shot.png", {"status": "submitted"}, {"status": "accepted"})
    page = ada.open("audit")
    rows = ada.rows("Entries")
    assert [row["Did"] for row in rows[:2]] == ["evidence.accepted", "classification.declared"]
    assert rows[1]["To"].startswith("30 at once: repository 29") or rows[1]["To"].startswith(
        "30 at once: repository 00"
    )
    assert all(row["When"].endswith(" UTC") and len(row["When"]) == len("2026-03-31 14:05:09 UTC") for row in rows)
    page.locator("main summary", has_text="30 at once").click()
    expect(page.locator("main details[open] li")).to_have_count(30)
    assert ada.faults() == []
    page.get_by_label("Who", exact=True).select_option("airflow:bo")
    ada.go(page.get_by_role("button", name="Show", exact=True))
    assert len(ada.rows("Entries")) == 1
    name, text = ada.downloaded("All as CSV")
    assert name.startswith("audit-") and len(told(text)) == 30
    page.get_by_label("To the end of").fill(str(TODAY - timedelta(days=1)))
    ada.go(page.get_by_role("button", name="Show", exact=True))
    expect(ada.main).to_contain_text("Nothing is recorded for this choice")


def test_what_a_person_types_into_the_bar_is_found_by_kind_or_gone_to(ada: Guest) -> None:
    page = ada.open("audit")
    page.get_by_role("searchbox").fill("bill")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Found for “bill”")
    assert page.get_by_role("searchbox").input_value() == "bill"
    expect(page.get_by_role("heading", name="Repositories")).to_be_visible()
    assert ada.faults() == []
    ada.go(page.get_by_role("link", name="billing-api", exact=True))
    expect(page.get_by_role("heading", level=1)).to_have_text("billing-api")
    page.get_by_role("searchbox").fill("ada lindqvist")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Ada Lindqvist")
    page.get_by_role("searchbox").fill("nobody is called so")
    page.keyboard.press("Enter")
    expect(ada.main).to_contain_text("Nothing here has this name")


@pytest.fixture
def second(demo: Database) -> None:
    """Another workspace, with two failing repositories and no run for three days."""
    demo.execute(
        "INSERT INTO compliance.results SELECT (jsonb_populate_record(null::compliance.results, to_jsonb(results)"
        ' || \'{"workspace": "beta", "run_id": "b1", "exception_id": null}\')).* FROM compliance.results AS results'
        " WHERE status = 'failing' AND test_id = 'peer_review_required' LIMIT 2"
    )
    demo.execute(
        "INSERT INTO integration.runs (run_id, workspace, status, policy_version, started_at, finished_at)"
        " VALUES ('b1', 'beta', 'published', 'p', now() - interval '3 days', now() - interval '3 days')"
    )


def test_several_workspaces_stand_side_by_side_and_are_changed_in_the_bar(ada: Guest, second: None) -> None:
    page = ada.open("tests")
    page.locator(".groups summary", has_text="Results").click()
    ada.go(page.get_by_role("link", name="Workspaces"))
    rows = {row["Workspace"]: row for row in ada.rows("Workspaces")}
    assert set(rows) == {"beta", "demo-workspace"} and rows["beta"]["Failing"] == "2"
    assert "older than a day" in rows["beta"]["As of"] and "older" not in rows["demo-workspace"]["As of"]
    assert "members to review: 24" in rows["demo-workspace"]["Waits"]
    assert ada.faults() == []
    ada.go(page.locator("main").get_by_role("link", name="beta", exact=True))
    expect(page.get_by_label("Workspace", exact=True)).to_have_value("beta")
    expect(page.locator(".tile", has_text="failing").locator("strong").first).to_have_text("2")
    # From then on every page shows it, until another one is chosen.
    ada.open("findings")
    expect(page.get_by_label("Workspace", exact=True)).to_have_value("beta")
    page.get_by_label("Workspace", exact=True).select_option("demo-workspace")
    page.wait_for_url("**/findings?workspace=demo-workspace")
    assert len(ada.rows("Findings")) > 40
    assert ada.faults() == []
