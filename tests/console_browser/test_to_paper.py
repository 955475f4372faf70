"""What an auditor takes along on paper: each sheet says what it is, and no column of any table is lost on A4."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pypdfium2
import pytest

from tests.console_browser import steps
from tests.console_browser.looking import PAGES, Visitor
from tests.console_browser.world import Airflow

Enter = Callable[[str], Visitor]
FIRST = {
    "repository": "tests/branch_protection_enforced?status=failing",
    "member": "members",
    "control": "controls",
    "run": "runs",
}
OTHERS = ("tests/peer_review_required", "policies", "members/print", "controls?since=2026-01-01&until=2026-01-31")
# Headings, and the cells of the first row, of each table that the page shows; forms and boxes are not printed.
SHOWN = """() => [...document.querySelectorAll('main table')].flatMap(table => [
    ...table.querySelectorAll('thead th'), ...(table.querySelector('tbody tr')?.children ?? []),
]).filter(cell => !cell.querySelector('input, form, button')).map(cell => {
    const copy = cell.cloneNode(true);
    for (const left of copy.querySelectorAll('.hidden, [aria-hidden], .button, .unprinted, svg')) left.remove();
    return copy.textContent;
})"""


@pytest.fixture(scope="module")
def owner(airflow: Airflow, visitor: Enter) -> Visitor:
    """Somebody who may see everything, with results to see."""
    if not airflow.query("SELECT 1 FROM compliance.results LIMIT 1"):
        steps.connect(visitor("owner"))
    return visitor("owner")


def sheets(visitor: Visitor) -> list[str]:
    """What can be read on each sheet of the page that is open, without the white between; what lies beside it can't."""
    document = pypdfium2.PdfDocument(visitor.page.pdf(format="A4"))
    return [squeezed(sheet.get_textpage().get_text_bounded()) for sheet in document]


def squeezed(text: str) -> str:
    """Without what changes where a line breaks: white, and hyphens."""
    return re.sub(r"[\s\x02\ufffe-]+", "", text)


def assert_whole(visitor: Visitor, what: str) -> None:
    printed = sheets(visitor)
    told = "".join(printed)
    lost = [text.strip() for text in visitor.page.evaluate(SHOWN) if squeezed(text) not in told]
    assert lost == [], what
    head = squeezed(f"workspace {steps.WORKSPACE} · as of {datetime.now(UTC).date()}")
    for number, sheet in enumerate(printed, 1):
        assert head in sheet, f"{what}, sheet {number}"
        assert f"Page{number}of{len(printed)}" in sheet, f"{what}, sheet {number}"


@pytest.mark.parametrize("path", [*PAGES.values(), *OTHERS], ids=[*PAGES, *OTHERS])
def test_a_page_prints_whole_and_says_what_it_is(owner: Visitor, path: str) -> None:
    owner.open(path)
    assert_whole(owner, path)


@pytest.mark.parametrize("path", FIRST.values(), ids=FIRST)
def test_so_does_a_page_about_one(owner: Visitor, path: str) -> None:
    owner.open(path).locator("tbody th a").first.click()
    owner.page.wait_for_load_state()
    assert_whole(owner, path)
