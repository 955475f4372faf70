"""The access review as a reviewer meets it: leavers first, reasons, what is due again, progress, and what is taken."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from playwright.sync_api import expect

from tests.console_browser.pages.looking import Guest, words

Enter = Callable[..., Guest]
Database = psycopg.Connection[dict[str, Any]]
GROUPS = ("left, still has access", "not on the roster", "on the roster by name only")
GREW = {
    "role": ("UPDATE compliance.members SET role = 'owner' WHERE display_name = %s", "role"),
    "match": ("UPDATE compliance.members SET matched_by = 'name' WHERE display_name = %s", "how the roster names"),
    "employment": (
        "UPDATE compliance.member_employment AS one SET hr_end_date = '2999-12-31' FROM compliance.members AS members"
        " WHERE one.member_id = members.member_id AND members.display_name = %s",
        "what the roster says",
    ),
}


@pytest.fixture
def ada(demo: Database, visit: Enter) -> Guest:
    return visit("op", "ada")


def tick(guest: Guest, *names: str) -> None:
    for name in names:
        guest.page.get_by_role("row", name=name).get_by_role("checkbox").check()


def press(guest: Guest, button: str) -> None:
    guest.go(guest.page.get_by_role("button", name=button, exact=True))


def progress(guest: Guest) -> tuple[str, str]:
    bar = guest.page.get_by_role("progressbar")
    return words(guest.page.locator("label[for=progress]").inner_text()), bar.get_attribute("value") or ""


def test_whoever_left_stands_first_and_marked_and_groups_are_counted_and_led_to(ada: Guest) -> None:
    ada.open("members")
    shown = [row["Roster"] for row in ada.rows("Members")]
    told = [next((place for place, group in enumerate(GROUPS) if group in one), len(GROUPS)) for one in shown]
    assert told == sorted(told) and set(told) == {0, 1, 2, 3}
    left = [row["Member"] for row in ada.rows("Members") if GROUPS[0] in row["Roster"]]
    marked = ada.page.get_by_role("row", name=left[0]).locator(".status.failing", has_text=GROUPS[0])
    expect(marked).to_be_visible()
    # With verdict and two-step verification in the row.
    assert {row["Two-step verification"] for row in ada.rows("Members")} >= {"passing", "failing", "pending"}
    assert ada.faults() == []
    tile = ada.page.get_by_label("The review in numbers").get_by_role("listitem").filter(has_text="left, still")
    assert tile.locator("strong").inner_text() == str(len(left))
    ada.go(tile.get_by_role("link"))
    assert [row["Member"] for row in ada.rows("Members")] == left


def test_access_of_somebody_who_left_is_kept_for_a_reason_alone(ada: Guest, demo: Database) -> None:
    ada.open("members")
    name = ada.rows("Members")[0]["Member"].split(" elif")[0]
    tick(ada, name)
    press(ada, "Keep")
    expect(ada.page.get_by_role("alert")).to_contain_text("has left by the roster: say why the access is kept")
    assert progress(ada)[1] == "0"
    # What was ticked stays ticked.
    expect(ada.page.get_by_role("row", name=name).get_by_role("checkbox")).to_be_checked()
    assert ada.faults() == []
    ada.page.get_by_label("Reason").fill("hands over until Friday")
    press(ada, "Keep")
    assert "Kept: 1 member" in ada.message()
    assert "hands over until Friday" in ada.rows("Members")[0]["Decision"]
    # It stands in the group all the same, and outlives nothing: the roster still says so.
    assert GROUPS[0] in ada.rows("Members")[0]["Roster"]


@pytest.mark.parametrize("change", GREW)
def test_a_decision_is_due_again_when_what_it_rested_on_changed(ada: Guest, demo: Database, change: str) -> None:
    statement, told = GREW[change]
    ada.open("members?roster=fine")
    name = "Ada Lindqvist" if change != "role" else "Dario Fenn"
    tick(ada, name)
    press(ada, "Keep")
    assert progress(ada) == ("1 of 24 members reviewed", "1")
    assert demo.execute(statement, (name,)).rowcount == 1
    ada.open("members?review=due")
    assert progress(ada) == ("0 of 24 members reviewed; 1 due again", "0")
    [again] = [row["Decision"] for row in ada.rows("Members") if name in row["Member"]]
    assert "changed since" in again and told in again
    if change == "role":
        assert ada.faults() == []


def test_the_review_goes_to_the_auditor_as_a_file_and_on_paper(ada: Guest, visit: Enter) -> None:
    ada.open("members")
    names = [row["Member"] for row in ada.rows("Members")]
    name, text = ada.downloaded("Export the review for the auditor (CSV)")
    told = list(csv.DictReader(io.StringIO(text)))
    assert name.startswith("access-review-demo-workspace-") and name.endswith(".csv")
    assert len(told) == len(names) == 24
    left = [row for row in told if row["review_group"] == "left"]
    assert len(left) == 3 and {row["needs_review"] for row in left} == {"true"}
    ada.go(ada.page.get_by_role("link", name="Show all to print"))
    headings = ada.page.get_by_role("heading", level=2).all_inner_texts()
    assert headings[0] == "Left, still has access: 3" and sum(int(one.rpartition(" ")[2]) for one in headings) == 24
    assert ada.faults() == []
    vic = visit("viewer", "vic")
    vic.open("members")
    expect(vic.page.get_by_role("link", name="Export the review")).to_have_count(0)
    assert vic.refused("members/print")[0] == 403


def test_all_are_chosen_at_once_and_how_many_is_told_where_the_buttons_are(ada: Guest) -> None:
    page = ada.open("members")
    told = page.locator("fieldset.acts legend")
    every = page.get_by_role("checkbox", name="All on this page")
    every.check()
    expect(told).to_contain_text("24 ticked")
    page.get_by_role("row", name="Elif Castor").get_by_role("checkbox").uncheck()
    expect(told).to_contain_text("23 ticked")
    assert every.evaluate("box => box.indeterminate")
    # The box lies at the window's lower edge while rows are on their way past it.
    assert page.evaluate("document.documentElement.scrollHeight > innerHeight")
    below = page.locator("fieldset.acts").evaluate("box => box.getBoundingClientRect().bottom - innerHeight")
    assert abs(below) <= 1
