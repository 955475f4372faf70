"""One repository, one member: all that is known of it on one page, and every name of it leads there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from playwright.sync_api import expect

from tests.console_browser.pages.looking import Guest, box, words

Enter = Callable[..., Guest]
Database = psycopg.Connection[dict[str, Any]]
BITBUCKET = "https://bitbucket.org/"


@pytest.fixture
def ada(demo: Database, visit: Enter) -> Guest:
    return visit("op", "ada")


def failing(demo: Database, test_id: str, subject_type: str) -> dict[str, Any]:
    [one] = demo.execute(
        "SELECT * FROM compliance.current_results WHERE test_id = %s AND subject_type = %s AND status = 'failing'"
        " ORDER BY jsonb_array_length(CASE jsonb_typeof(detail -> 'merges_that_broke_the_rule') WHEN 'array'"
        " THEN detail -> 'merges_that_broke_the_rule' ELSE '[]' END) DESC, subject_name LIMIT 1",
        (test_id, subject_type),
    ).fetchall()
    return one


def test_a_repository_tells_every_verdict_with_reason_and_remedy_rules_and_merges(ada: Guest, demo: Database) -> None:
    one = failing(demo, "peer_review_required", "repository")
    page = ada.open(f"repositories/{quote(one['subject_id'], safe='')}")
    expect(page.get_by_role("heading", level=1)).to_have_text(one["subject_name"])
    verdicts = {row["Test"]: row for row in ada.rows("Verdicts")}
    # All that can concern a repository; those that are switched off say so.
    assert len(verdicts) == 6 and any("not run" in row["Status"] for row in verdicts.values())
    mine = verdicts[one["test_title"]]
    assert words(one["reason"]) in mine["Why, and what mends it"] and mine["Status"].startswith("failing")
    assert "Ask to accept the risk" in mine["Why, and what mends it"]
    # Rules, and the merges that decided by their numbers.
    assert {"Rules that matched", "Missing"} <= set(ada.rows("Rules of the main branch")[0])
    number = one["detail"]["merges_that_broke_the_rule"][0]
    merge = {row["Change"]: row for row in ada.rows("Merges that verdicts looked at")}[f"pull request #{number}"]
    assert merge["Against a rule"] == "broke the rule"
    expect(page.locator("#classification")).to_contain_text("declared for")
    # To its pages in Bitbucket.
    links = (
        page.locator("main p", has_text="In Bitbucket:").get_by_role("link").evaluate_all("all => all.map(a => a.href)")
    )
    assert f"{BITBUCKET}demo-workspace/{one['subject_name']}" in links and len(links) >= 3
    at_merge = page.get_by_role("link", name=f"pull request #{number}", exact=True).get_attribute("href")
    assert at_merge == f"{BITBUCKET}demo-workspace/{one['subject_name']}/pull-requests/{number}"
    assert ada.faults() == []


def test_history_is_one_strip_a_test_and_the_worse_the_higher(ada: Guest, demo: Database) -> None:
    [one] = demo.execute(
        "SELECT subject_id FROM compliance.result_history WHERE test_id = 'status_checks_required'"
        " GROUP BY subject_id HAVING array_agg(status ORDER BY valid_from) = ARRAY['passing', 'failing'] LIMIT 1"
    ).fetchall()
    page = ada.open(f"repositories/{quote(one['subject_id'], safe='')}")
    strips = page.get_by_role("region", name="History").locator("svg.strip")
    assert strips.count() == len(ada.rows("History")) == 4
    strip = page.get_by_role("region", name="History").get_by_role("img", name="status-checks")
    expect(strip).to_have_attribute("aria-label", re.compile("passing from .* failing from .* to now"))
    before, now = (box(rect) for rect in strip.locator("rect").all())
    assert before["width"] > 3 * now["width"] > 0 and before["x"] + before["width"] == pytest.approx(now["x"], abs=3)
    assert now["height"] > before["height"]
    assert now["x"] + now["width"] <= box(strip)["x"] + box(strip)["width"] + 1
    colours = strip.locator("rect").evaluate_all("all => all.map(one => getComputedStyle(one).fill)")
    assert len(set(colours)) == 2


def test_a_member_tells_roster_review_and_evidence(ada: Guest, demo: Database) -> None:
    one = failing(demo, "offboarded_access_removed", "member")
    page = ada.open("members")
    ada.go(page.get_by_role("link", name=one["subject_name"]))
    expect(page.locator("#roster")).to_have_text("left, still has access")
    assert len(ada.rows("Verdicts")) == 3
    [row] = [row for row in ada.rows("Verdicts") if row["Test"] == one["test_title"]]
    assert "overdue" in row["Due"] and "Remove the person" in row["Why, and what mends it"]
    expect(page.locator("main")).to_contain_text("nobody decided yet")
    assert (
        page.get_by_role("link", name="Account", exact=True).get_attribute("href", timeout=1000).startswith(BITBUCKET)
    )  # type: ignore[union-attr]
    assert ada.faults() == []


def test_every_name_leads_to_its_page(ada: Guest, demo: Database) -> None:
    """From lists, findings, verdicts, changes, controls, exceptions, search: by the link that has the name."""
    repository = failing(demo, "status_checks_required", "repository")["subject_name"]
    [new] = demo.execute(
        "SELECT subject_name FROM compliance.result_history WHERE test_id = 'status_checks_required'"
        " AND status = 'failing' AND valid_from > now() - interval '1 day' ORDER BY subject_name LIMIT 1"
    ).fetchall()
    member = failing(demo, "offboarded_access_removed", "member")["subject_name"]
    demo.execute(
        "INSERT INTO registry.exceptions (workspace, test_id, scope, target, owner, reason, expires_at, requested_by)"
        " VALUES ('demo-workspace', 'status_checks_required', 'pattern', '*', 'airflow:bo', 'r',"
        " now() + interval '9 days', 'airflow:bo')"
    )
    places = [
        ("repositories", repository), ("findings", repository), ("tests/status_checks_required", repository),
        ("", new["subject_name"]), ("changes", new["subject_name"]), ("members", member), ("findings", member),
        ("controls/one?framework=SOC+2&control=CC6.2", member), (f"search?q={member[:6]}", member),
    ]  # fmt: skip
    for path, name in places:
        page = ada.open(path)
        ada.go(page.locator("main").get_by_role("link", name=name, exact=True).first)
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        assert "/repositories/" in page.url or "/members/" in page.url, path
    ada.go(ada.open("exceptions").get_by_role("link", name="*", exact=True).first)
    ada.go(ada.page.get_by_role("link", name=repository, exact=True))
    expect(ada.page.get_by_role("heading", level=1)).to_have_text(repository)


def test_unread_rules_are_not_readable_wherever_details_stand(ada: Guest, demo: Database) -> None:
    """The repository's page, the verdict's, the list, and the same as of a past day; never none."""
    [one] = demo.execute(
        'UPDATE compliance.results SET detail = \'{"rules": null, "missing": null, "exempt_users": null}\''
        " WHERE test_id = 'branch_protection_enforced' AND status = 'pending' RETURNING subject_id, subject_name"
    ).fetchall()[:1]
    demo.execute(
        "UPDATE compliance.repositories SET required_approvals = NULL, push_restricted = NULL,"
        " required_builds = NULL, force_push_prevented = NULL, deletion_prevented = NULL, merge_checks_enforced = NULL"
        " WHERE repository_id = %s",
        (one["subject_id"],),
    )
    key = quote(one["subject_id"], safe="")
    page = ada.open(f"repositories/{key}")
    [row] = [row for row in ada.rows("Rules of the main branch") if row["Test"].startswith("Branch Protection")]
    assert set(row.values()) == {"Branch Protection rules should be enforced", "not readable"}
    facts = page.locator("#rules + dl.facts dd").all_inner_texts()
    assert facts[:6] == ["not readable"] * 6
    page = ada.open(f"tests/branch_protection_enforced/{key}")
    told = page.get_by_role("heading", name="Facts").locator("+ dl.facts")
    assert words(told.inner_text()) == "rules not readable missing not readable exempt users not readable"
    ada.open(f"repositories?search={one['subject_name']}")
    assert "rules: not readable" in ada.rows("Repositories")[0]["Default branch"]
