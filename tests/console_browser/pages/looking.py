"""A person in front of the console alone; they need not type a password."""

from __future__ import annotations

import re
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

from tests.console_browser.looking import Visitor

#: the cookie that says who is signed in
LOGIN = "login"
PATIENCE = 10_000  # ms
NARROW = 320
#: What stands out of the window to the right, the deepest elements alone; what is hidden, or scrolls, does not.
HANGS_OUT = """() => [...document.querySelectorAll('body *')].filter(one => {
    const box = one.getBoundingClientRect();
    if (box.width <= 1 || box.right <= innerWidth + 1 || !one.checkVisibility()) return false;
    for (let above = one.parentElement; above; above = above.parentElement)
        if (getComputedStyle(above).overflowX !== 'visible' && above !== document.body) return false;
    return ![...one.children].some(child => child.getBoundingClientRect().right > innerWidth + 1);
}).map(one => one.tagName.toLowerCase() + ': ' + one.textContent.trim().slice(0, 40))"""


@dataclass(frozen=True)
class Site:
    """Where the console is served."""

    url: str

    @property
    def console(self) -> str:
        """Address of the console, with the slash at its end."""
        return f"{self.url}/compliance/"


class Guest(Visitor):
    """A person whose login the test decides."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)

    def sign_in(self) -> None:
        """By the cookie that stands for a login of Airflow; nobody has none."""
        if self.user:
            self._context.add_cookies([{"name": LOGIN, "value": self.user, "url": self.airflow.url}])

    @property
    def main(self) -> Locator:
        """The page without its frame."""
        return self.page.locator("main")

    def go(self, place: Locator) -> None:
        """Click what leads to a page, and wait for it: else what is read next may be the page before."""
        with self.page.expect_navigation():
            place.click()

    def message(self) -> str:
        """What the page tells of what was just done."""
        return self.page.get_by_role("status").inner_text()

    def rows(self, label: str) -> list[dict[str, str]]:
        """The table that is called ``label``: each row, by heading, as it is read."""
        table = self.page.get_by_role("region", name=label, exact=True).locator("table")
        headings, *rows = table.evaluate(
            "one => [one.tHead.rows[0], ...one.tBodies[0].rows].map(row => [...row.cells].map("
            "cell => row.parentElement === one.tHead ? cell.textContent : cell.innerText))"
        )
        names = [words(one).strip(" ▲▼") for one in headings]
        # A cell may take the place of several.
        return [dict(zip(names, map(words, cells), strict=False)) for cells in rows]

    def facts(self) -> dict[str, str]:
        """The first list of facts on the page."""
        listed = self.page.locator("dl.facts").first
        told = zip(listed.locator("dt").all_inner_texts(), listed.locator("dd").all_inner_texts(), strict=True)
        return {name: words(text) for name, text in told}

    def refused(self, path: str) -> tuple[int, str]:
        """Status and text of a page that can't be opened."""
        complained = len(self.complaints)
        answer = self.page.goto(self.airflow.console + path)
        assert answer is not None and answer.status >= 400
        # The browser says so, too, and nothing else.
        told, self.complaints[complained:] = self.complaints[complained:], []
        assert all(f"status of {answer.status}" in one for one in told), told
        return answer.status, self.main.inner_text()

    def downloaded(self, button: str) -> tuple[str, str]:
        """Name and text of the file that a link brings."""
        with self.page.expect_download() as download:
            self.page.get_by_role("link", name=button, exact=True).click()
        return download.value.suggested_filename, download.value.path().read_text(encoding="utf-8-sig")

    def hanging(self) -> list[str]:
        """What hangs out of the window on the right."""
        found: list[str] = self.page.evaluate(HANGS_OUT)
        if self.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append("it scrolls sideways")
        return [f"{self.page.url}: {one}" for one in found]

    def faults(self) -> list[str]:
        """What axe finds on the page that is open, and what hangs out of it on the narrowest phone."""
        found = self.serious()
        self.page.set_viewport_size({"width": NARROW, "height": self.height})
        found += self.hanging()
        self.page.set_viewport_size({"width": self.width, "height": self.height})
        return found


def words(text: str) -> str:
    """Text on one line."""
    return re.sub(r"\s+", " ", text).strip()


def box(place: Locator) -> dict[str, float]:
    """Where something stands in the window."""
    found = place.bounding_box()
    assert found is not None, "it is not shown"
    return dict(found)  # type: ignore[arg-type]


def top_of(page: Page, selector: str) -> float:
    """How far below the window's upper edge something begins."""
    return box(page.locator(selector).first)["y"]
