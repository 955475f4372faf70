"""Overview as a work queue: what waits, each with its way there; the score and what moved it; bars that add up."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from playwright.sync_api import expect

from tests.console.world import Published
from tests.console_browser.pages.looking import Guest, box, words

Enter = Callable[..., Guest]
Database = psycopg.Connection[dict[str, Any]]
STATES = ("passing", "failing", "pending", "not_applicable")


def test_a_row_of_the_queue_leads_to_as_much_as_it_counts(demo: Database, visit: Enter) -> None:
    """What has left, what is overdue, what is due for review: by the number of rows on the page it leads to."""
    demo.execute("UPDATE compliance.finding_records SET due_at = now() + interval '3 days' WHERE due_at < now()")
    demo.execute(
        "UPDATE compliance.finding_records SET due_at = now() - interval '1 day' WHERE test_id = 'repo_classified'"
    )
    ada = visit("op", "ada")
    page = ada.open("")
    queue = page.get_by_role("region", name="What needs somebody").get_by_role("listitem")
    told = [words(one) for one in queue.all_inner_texts()]
    assert len(told) >= 4
    seen = []
    for text in told:
        count, what = re.match(r"(\d+) (.*?) (?:Review|Look|See|Decide)", text).groups()  # type: ignore[union-attr]
        ada.open("")
        ada.go(queue.filter(has_text=what).get_by_role("link"))
        expect(page.locator("nav.pager").first).to_contain_text(f"of {count}")
        assert page.locator("main tbody tr").count() == min(int(count), 50), text
        seen.append((page.get_by_role("heading", level=1).inner_text(), page.url.rpartition("?")[2]))
    assert {("Members", "roster=left"), ("Members", "review=due")} <= set(seen)
    assert {("Findings", "section=overdue"), ("Findings", "section=soon")} <= set(seen)


def test_evidence_risks_and_policies_that_wait_stand_in_the_queue(demo: Database, visit: Enter) -> None:
    demo.execute(
        "INSERT INTO registry.exceptions (workspace, test_id, scope, target, owner, reason, expires_at, requested_by)"
        " VALUES ('demo-workspace', 'branch_protection_enforced', 'project', 'CORE', 'airflow:bo', 'r',"
        " now() + interval '9 days', 'airflow:bo')"
    )
    ada = visit("op", "ada")
    page = ada.open("")
    ada.go(page.get_by_role("region", name="What needs somebody").get_by_role("link", name="exceptions to decide"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Exceptions")
    assert [row["Why"] for row in ada.rows("Exceptions to review")] == ["r"]
    # The bar counts the same.
    page.locator(".groups summary", has_text="Decisions").click()
    expect(page.get_by_role("link", name="Exceptions 1 to decide")).to_be_visible()
    assert ada.faults() == []


def test_the_bars_of_the_tests_add_up(demo: Database, visit: Enter) -> None:
    vic = visit()
    page = vic.open("")
    rows = vic.rows("Tests")
    assert len(rows) == 8
    for place, row in enumerate(rows):
        counts = [int(row[name].replace(",", "")) for name in ("Passing", "Failing", "Undecided", "Not applicable")]
        assert sum(counts) == int(row["All"].replace(",", "")), row
        bar = page.get_by_role("region", name="Tests", exact=True).locator("tbody tr").nth(place).locator("svg.bar")
        if not sum(counts):
            assert row["Subjects"] == "–" and bar.count() == 0
            continue
        whole = box(bar)["width"]
        drawn = {
            (rect.get_attribute("class") or ""): box(rect)["width"] / whole * sum(counts)
            for rect in bar.locator("rect").all()
        }
        expected = {state: count for state, count in zip(STATES, counts, strict=True) if count}
        assert drawn == pytest.approx(expected, abs=0.02), row
        # Four states, four colours.
        fills = bar.locator("rect").evaluate_all("all => all.map(one => getComputedStyle(one).fill)")
        assert len(set(fills)) == len(expected)


def test_the_score_says_what_moved_it_and_since_when_its_data_is(demo: Database, visit: Enter) -> None:
    vic = visit()
    page = vic.open("")
    [row] = demo.execute("SELECT score FROM compliance.workspace_score").fetchall()
    tile = page.get_by_role("listitem").filter(has_text="score of 100")
    assert tile.locator("strong").inner_text() == f"{row['score']:.1f}"
    told = words(page.locator("#moved").inner_text())
    assert re.match(r"The score went (up|down) by \d+\.\d on \d{4}-\d\d-\d\d: .*(passing|failing)", told)
    expect(vic.main).to_contain_text(
        re.compile(r"Last full sync: \d{4}-\d\d-\d\d \d\d:\d\d UTC \((just now|\d+ minutes? ago)\)")
    )
    assert vic.faults() == []
    # The chart's words can be read on a phone, too.
    page.set_viewport_size({"width": 320, "height": 900})
    assert {box(one)["height"] > 9 for one in page.locator(".chart text:visible").all()} == {True}


def test_every_tile_leads_to_what_it_counts(demo: Database, visit: Enter) -> None:
    vic = visit()
    page = vic.open("")
    for label in ("failing", "past their due date"):
        tile = vic.open("").locator(".tile").filter(has_text=re.compile(f"{label}$"))
        count = tile.locator("strong").inner_text()
        vic.go(tile.get_by_role("link"))
        expect(page.get_by_role("heading", level=1)).to_have_text("Findings")
        shown = page.locator("main tbody tr")
        if label == "failing":
            # What is out of sight is a finding still, and fails no more.
            shown = shown.filter(has_not_text="out of sight").filter(has_not_text="can't be told")
        expect(shown).to_have_count(int(count))


def test_before_anything_is_declared_the_first_steps_stand_first(empty: Database, visit: Enter) -> None:
    world = Published(empty)
    for slug in ("pay", "web", "ops"):
        world.repository(slug)
    ada = visit("op", "ada")
    page = ada.open("")
    headings = page.get_by_role("heading", level=2).all_inner_texts()
    assert headings[0] == "First steps"
    steps = page.get_by_role("region", name="First steps").get_by_role("listitem")
    assert [words(one).split(" ", 2)[:2] for one in steps.all_inner_texts()] == [["to", "do"]] * 4
    assert ada.faults() == []
    for name, title in (("Classify", "Repositories"), ("Upload", "Upload a file")):
        ada.go(ada.open("").get_by_role("region", name="First steps").get_by_role("link", name=name).first)
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
    # Whoever may only read is told the same without a button.
    vic = visit()
    first = vic.open("").get_by_role("region", name="First steps")
    assert first.get_by_role("listitem").count() == 4 and first.get_by_role("link").count() == 0


def test_a_step_that_was_taken_is_done(demo: Database, visit: Enter) -> None:
    steps = visit("op", "ada").open("").get_by_role("region", name="First steps").get_by_role("listitem")
    told = {words(one)[:30] for one in steps.all_inner_texts()} if steps.count() else set()
    assert all(one.startswith("done") for one in told if "Invite a reviewer" not in one)
