"""Controls for an auditor: framework and period chosen, from a control to what it rests on; pages as of a past day."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from playwright.sync_api import expect

from tests.console_browser.pages.conftest import AGED
from tests.console_browser.pages.looking import Guest, words

Enter = Callable[..., Guest]
Database = psycopg.Connection[dict[str, Any]]
TODAY = datetime.now(UTC).date()
BETWEEN = str(TODAY - timedelta(days=AGED // 2))
BEFORE = str(TODAY - timedelta(days=AGED + 5))


@pytest.fixture
def vic(demo: Database, visit: Enter) -> Guest:
    return visit()


def test_framework_and_period_are_chosen_and_taken_along(vic: Guest, demo: Database) -> None:
    page = vic.open("controls")
    page.get_by_label("Framework", exact=True).select_option("SOC 2")
    vic.go(page.get_by_role("button", name="Show", exact=True))
    now = {words(row["Control"])[:5]: row for row in vic.rows("SOC 2, now")}
    kept = demo.execute(
        "SELECT control, state, failing FROM compliance.control_status WHERE framework = 'SOC 2'"
    ).fetchall()
    assert kept and {row["control"]: (row["state"], str(row["failing"])) for row in kept} == {
        name: (row["State"], row["Failing"]) for name, row in now.items()
    }
    assert vic.faults() == []
    first, last = str(TODAY - timedelta(days=9)), str(TODAY)
    page.get_by_label("First day").fill(first)
    page.get_by_label("Last day").fill(last)
    vic.go(page.get_by_role("button", name="Show", exact=True))
    over = vic.rows(f"SOC 2, {first} to {last}")
    assert {row["Days observed"].partition(" of ")[2] for row in over} == {"10"}
    _, text = vic.downloaded("Download as CSV")
    assert [row["control"] for row in csv.DictReader(io.StringIO(text))] == [words(row["Control"])[:5] for row in over]
    # The period stays, on the way to a control and back.
    vic.go(page.get_by_role("link", name="CC8.1", exact=True))
    expect(vic.main).to_contain_text(f"from {first} to {last}: observed on")
    vic.go(page.get_by_role("link", name="SOC 2", exact=True))
    assert page.get_by_label("First day").input_value() == first


def test_a_control_leads_to_tests_findings_bypasses_and_evidence_with_its_digest(vic: Guest, demo: Database) -> None:
    demo.execute(
        "UPDATE compliance.results SET bypassed = 3, reason = 'three merges went past it' WHERE test_id ="
        " 'peer_review_required' AND subject_name = 'billing-api'"
    )
    page = vic.open("controls?framework=SOC+2")
    vic.go(page.get_by_role("link", name="CC8.1", exact=True))
    tests = {row["Test"]: row for row in vic.rows("Tests that give evidence")}
    summary = demo.execute("SELECT test_title, failing FROM compliance.test_summary WHERE enabled").fetchall()
    failing = {row["test_title"]: str(row["failing"]) for row in summary}
    assert {
        name: row["Failing"] for name, row in tests.items() if row["Status"] != "switched off"
    }.items() <= failing.items()
    findings = vic.rows("Findings that are open")
    assert len(findings) == sum(int(row["Failing"]) for row in tests.values() if row["Failing"] != "–")
    bypasses = vic.rows("Rules that merges went around")
    assert [(row["Subject"], row["Merges"], row["What happened"]) for row in bypasses] == [
        ("billing-api", "3", "three merges went past it")
    ]
    assert vic.faults() == []
    vic.go(page.get_by_role("region", name="Findings that are open").get_by_role("link").first)
    expect(page.get_by_role("heading", level=1)).to_have_text(findings[0]["Subject"])
    [one] = demo.execute(
        "SELECT controls.framework, controls.control, evidence.file_sha256, evidence.file_name FROM"
        " compliance.evidence AS evidence INNER JOIN compliance.test_controls AS controls USING (test_id)"
        " WHERE controls.framework = 'SOC 2' LIMIT 1"
    ).fetchall()
    page = vic.open(f"controls/one?framework=SOC+2&control={one['control']}")
    shown = vic.rows("Evidence")
    assert one["file_sha256"] in {row["SHA-256"] for row in shown}
    vic.go(page.get_by_role("region", name="Evidence").get_by_role("link", name=one["file_name"]).first)
    expect(vic.main).to_contain_text(one["file_sha256"])


def test_a_page_goes_back_to_a_past_day_and_returns(vic: Guest, visit: Enter) -> None:
    ada = visit("op", "ada")
    page = ada.open("repositories?search=public-website")
    expect(ada.main).to_contain_text("No repository matches")
    ada.open("repositories")
    page.get_by_role("textbox", name="As of a past day").fill(BETWEEN)
    ada.go(page.get_by_role("button", name="Show that day"))
    banner = page.get_by_role("region", name="As of a past day")
    expect(banner).to_contain_text(f"As of {BETWEEN}")
    # What has gone since is there, and links stay on that day.
    ada.go(page.get_by_role("link", name="public-website", exact=True))
    expect(banner).to_contain_text(f"As of {BETWEEN}")
    expect(page.get_by_role("heading", level=1)).to_have_text("public-website")
    assert f"as_of={BETWEEN}" in page.url
    assert page.locator("main form[method=post], main [data-all]").count() == 0
    assert ada.faults() == []
    page.locator(".groups summary", has_text="Results").click()
    ada.go(page.get_by_role("link", name="Findings"))
    expect(banner).to_contain_text(f"As of {BETWEEN}")
    ada.go(banner.get_by_role("link", name="Back to now"))
    expect(banner).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_have_text("Findings")


@pytest.mark.parametrize("path", ["", "findings", "tests", "tests/branch_protection_enforced", "members", "controls"])
def test_any_page_that_knows_the_past_shows_it_without_anything_to_press(
    visit: Enter, demo: Database, path: str
) -> None:
    ada = visit("op", "ada")
    page = ada.open(f"{path}?as_of={BETWEEN}")
    expect(ada.main).to_contain_text(
        re.compile("By the end of that day the newest whole reading had been published at")
    )
    assert ada.page.locator("main tbody tr").count() > 3
    assert page.locator("main form[method=post], main input[type=checkbox]").count() == 0
    assert ada.faults() == []
    ada.open(f"{path}?as_of={BEFORE}")
    expect(ada.main).to_contain_text(f"Nothing had been published of this workspace by the end of {BEFORE}")
