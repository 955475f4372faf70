"""Signing in through Airflow's own form, and the console inside Airflow's page."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.console_browser.looking import Visitor
from tests.console_browser.world import Airflow

DEEP = "tests/repo_classified?status=failing&words=pay"


@pytest.fixture
def stranger(browser: Browser, airflow: Airflow) -> Iterator[Visitor]:
    """Somebody who has not signed in yet."""
    opened = Visitor(browser, airflow, "viewer")
    yield opened
    opened.close()


def test_whoever_signs_in_is_led_to_the_page_that_they_asked_for(stranger: Visitor, airflow: Airflow) -> None:
    page = stranger.page
    page.goto(airflow.console + "findings?section=overdue")
    expect(page.get_by_role("heading", level=1)).to_have_text("Please sign in to Airflow")
    assert stranger.serious() == []
    page.get_by_role("link", name="Sign in to Airflow").click()
    page.fill("input[name=username]", stranger.user, timeout=180_000)
    page.fill("input[name=password]", airflow.password(stranger.user))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Findings")
    assert page.url == airflow.console + "findings?section=overdue"
    # And out again, from the menu of the person.
    page.locator(".person summary").click()
    page.get_by_role("link", name="Sign out").click()
    page.wait_for_load_state()
    answer = page.goto(airflow.console + DEEP)
    assert answer is not None and answer.status == 401


def test_airflow_shows_the_console_without_a_way_to_a_second_airflow(
    visitor: Callable[[str], Visitor], airflow: Airflow
) -> None:
    page = visitor("viewer").page
    page.goto(airflow.url)
    page.get_by_role("link", name="Compliance", exact=True).click()
    inside = page.frame_locator("iframe")
    inside.locator(".person summary").click()
    expect(inside.locator(".person .panel")).to_contain_text("Signed in as viewer")
    expect(inside.get_by_role("link", name="Airflow")).to_have_count(0)
    expect(inside.get_by_role("link", name="Sign out")).to_have_count(0)
    # A page further in, too.
    inside.locator(".groups summary", has_text="Operations").click()
    inside.get_by_role("link", name="Runs").click()
    expect(inside.get_by_role("heading", level=1)).to_have_text("Runs")
    inside.locator(".person summary").click()
    expect(inside.get_by_role("link", name="Sign out")).to_have_count(0)
