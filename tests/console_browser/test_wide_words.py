"""No column is lost to a long word, on a phone or on paper."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.console_browser import steps
from tests.console_browser.looking import Visitor
from tests.console_browser.world import Airflow

LISTS = ("tests/branch_protection_enforced", "findings", "repositories", "members", "runs", "audit")
LONGER = (
    "UPDATE compliance.results SET reason = repeat('w', 90), subject_name = repeat('w', 90) WHERE status = 'failing'",
    "UPDATE compliance.repositories SET name = repeat('w', 90), owner = repeat('w', 90)",
    "UPDATE compliance.repositories SET default_branch = repeat('w', 90)",
    "UPDATE compliance.members SET display_name = repeat('w', 90)",
)
# Cells of a table that lie outside of the window, or are not shown though they say something; cards have no header.
LOST = """() => [...document.querySelectorAll('main table :is(td, th)')].filter(cell => {
    if (innerWidth <= 640 && cell.closest('thead')) return false;
    const box = cell.getBoundingClientRect();
    return box.width > 1 && (box.right > innerWidth + 1 || box.left < -1) ||
        (cell.textContent.trim() && getComputedStyle(cell).display === 'none');
}).map(cell => cell.textContent.trim().slice(0, 40))"""


@pytest.fixture(scope="module")
def published(airflow: Airflow, visitor: Callable[[str], Visitor]) -> None:
    """Results whose names, reasons and owners are words of ninety letters."""
    if not airflow.query("SELECT 1 FROM compliance.results LIMIT 1"):
        steps.connect(visitor("owner"))
    for statement in LONGER:
        airflow.query(statement)


@pytest.fixture(params=[1440, 320])
def sized(request: pytest.FixtureRequest, browser: Browser, airflow: Airflow, published: None) -> Iterator[Visitor]:
    opened = Visitor(browser, airflow, "owner", width=request.param)
    opened.sign_in()
    yield opened
    opened.close()


def test_no_column_is_lost_to_a_long_word(sized: Visitor) -> None:
    for path in LISTS:
        page = sized.open(path)
        assert lost(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_a_phone_shows_rows_as_cards_with_the_names_of_their_columns(sized: Visitor) -> None:
    cell = sized.open("findings").locator("tbody td[data-label=Severity]").first
    label = cell.evaluate("cell => getComputedStyle(cell, '::before').content")
    assert label == ('"Severity"' if sized.width == 320 else "none")


def test_print_keeps_every_column_and_says_what_it_is(sized: Visitor) -> None:
    for path in LISTS:
        page = sized.open(path)
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 720, "height": 1000})
        assert lost(page) == [], path
        head = page.locator(".printed").inner_text()
        assert "workspace demo-workspace" in head and "UTC" in head and not page.locator(".top").is_visible()
        page.emulate_media(media="screen")
        page.set_viewport_size({"width": sized.width, "height": 900})


def lost(page: Page) -> list[str]:
    """Cells that can't be seen; the boxes of a form are not printed."""
    return [text for text in page.evaluate(LOST) if text != "Choose"]
