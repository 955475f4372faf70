"""The policy in plain words: changed with a reason and a second person, and found again by its hash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from playwright.sync_api import expect

from tests.console_browser.pages.looking import Guest, words

Enter = Callable[..., Guest]
Database = psycopg.Connection[dict[str, Any]]


@pytest.fixture
def ada(demo: Database, visit: Enter) -> Guest:
    return visit("op", "ada")


def change(guest: Guest, label: str, value: str, reason: str) -> None:
    guest.go(guest.open("policies").get_by_role("link", name="Change the policy"))
    guest.page.get_by_label(label, exact=True).fill(value)
    guest.page.get_by_label("Why", exact=True).fill(reason)
    guest.go(guest.page.get_by_role("button", name="Show what would change"))


def in_force(guest: Guest, what: str) -> dict[str, str]:
    """The row of a threshold."""
    guest.open("policies")
    for region in guest.page.locator("main .scroll").all():
        name = region.evaluate("one => document.getElementById(one.getAttribute('aria-labelledby'))?.textContent")
        for row in guest.rows(name) if name else []:
            if row.get("What", "").startswith(what):
                return row
    raise AssertionError(f"there is no {what}")


def test_a_stricter_policy_is_shown_first_and_holds_with_its_reason(ada: Guest, demo: Database) -> None:
    before = in_force(ada, "Min approvals")
    assert before["In force"] == before["Delivered"] == "1" and "peers who must approve" in before["What"]
    assert ada.faults() == []
    change(ada, "Min approvals", "2", "two pairs of eyes")
    [row] = ada.rows("What would change")
    assert (row["In force"], row["Would be"], row["That"]) == ("1", "2", "asks for as much or more")
    expect(ada.page.locator("#unwritten")).to_be_visible()
    assert demo.execute("SELECT 1 FROM registry.policy_overrides").fetchall() == []
    assert ada.faults() == []
    ada.go(ada.page.get_by_role("button", name="Change the policy"))
    assert "in force from the next run on" in ada.message()
    after = in_force(ada, "Min approvals")
    assert (after["In force"], after["By"], after["Why"]) == ("2", "ada", "two pairs of eyes")
    assert after["Since"].endswith("UTC")


def test_a_policy_that_asks_for_less_needs_a_second_person(ada: Guest, visit: Enter) -> None:
    change(ada, "Due days high", "90", "the teams are few")
    assert ada.rows("What would change")[0]["That"] == "asks for less"
    expect(ada.page.locator("#waits")).to_contain_text("nothing changes before somebody else has accepted it")
    ada.go(ada.page.get_by_role("button", name="Propose it"))
    assert "somebody else has to accept it" in ada.message()
    expect(ada.main).to_contain_text("Not for you to accept or reject")
    expect(ada.page.get_by_role("button", name="Accept")).to_have_count(0)
    assert in_force(ada, "Due days high")["In force"] == "30"
    bo = visit("op", "bo")
    page = bo.open("")
    bo.go(page.get_by_role("region", name="What needs somebody").get_by_role("link", name="policy changes"))
    expect(bo.main).to_contain_text("30 → 90")
    assert bo.faults() == []
    bo.go(page.get_by_role("button", name="Accept"))
    row = in_force(bo, "Due days high")
    assert row["In force"] == "90" and row["By"] == "ada, accepted by bo"


def test_a_value_that_cannot_be_used_is_told_at_its_field(ada: Guest) -> None:
    change(ada, "Min approvals", "0", "why")
    field = ada.page.get_by_label("Min approvals", exact=True)
    expect(field).to_have_attribute("aria-invalid", "true")
    described = (field.get_attribute("aria-describedby") or "").split()
    told = " ".join(words(ada.page.locator(f"[id='{one}']").inner_text()) for one in described)
    assert "type a whole number from 1 to 100" in told
    assert field.input_value() == "0" and ada.page.get_by_label("Why", exact=True).input_value() == "why"
    assert ada.faults() == []
    ada.complaints.clear()


def test_a_hash_leads_to_the_policy_that_a_verdict_was_judged_by(ada: Guest, demo: Database) -> None:
    [one] = demo.execute("SELECT policy_version FROM compliance.results LIMIT 1").fetchall()
    version = one["policy_version"]
    page = ada.open("tests/repo_classified")
    ada.go(page.locator("main tbody td a").first)
    ada.go(page.get_by_role("link", name=version).first)
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Policy {version}")
    expect(ada.main).to_contain_text("2 runs of demo-workspace")
    told = {row["What"].split(" ")[0]: row["Value"] for row in ada.rows("All that it asks for")}
    assert len(told) > 10
    assert ada.faults() == []
