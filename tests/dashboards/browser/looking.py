"""Read the dashboard as a person does: what is written in which chart."""

from __future__ import annotations

from dataclasses import dataclass, field

from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as NotInTime

from tests.dashboards.world import Served

PATIENCE = 180_000  # ms: two cores draw thirteen charts, beside whatever else runs there


@dataclass
class Dashboard:
    """One browser page with the dashboard."""

    page: Page
    server: Served
    left_the_machine: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE)
        own = (self.server.url, "data:", "blob:")
        self.page.on(
            "requestfinished", lambda request: request.url.startswith(own) or self.left_the_machine.append(request.url)
        )
        self.page.on(
            "response",
            lambda response: response.status < 400 or self.refused.append(f"{response.status} {response.url}"),
        )

    def sign_in(self, user: str, password: str) -> None:
        """Through the form; the dashboard is where it leads."""
        self.page.goto(f"{self.server.url}/login/?next={self.server.page.removeprefix(self.server.url)}")
        self.page.fill("input[type=text]", user)
        self.page.fill("input[type=password]", password)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(f"{self.server.page}**")

    def open(self) -> None:
        """Load it and wait until every chart is drawn."""
        self.page.goto(self.server.page)
        try:
            self.page.locator(".header-line").first.wait_for()
        except NotInTime as error:
            shown = self.page.locator("body").inner_text()
            log = self.server.superset.log.read_text(encoding="utf-8")[-3000:]
            raise AssertionError(f"no chart was drawn; refused: {self.refused}; shown: {shown}; log: {log}") from error
        self.settle()

    def settle(self) -> None:
        """Wait until nothing is asked or drawn any more."""
        self.page.wait_for_load_state("networkidle")
        expect(self.page.locator("[data-test=loading-indicator]")).to_have_count(0, timeout=PATIENCE)

    def chart(self, name: str) -> Locator:
        """The box of a chart."""
        return self.page.locator(f'[data-test-chart-name="{name}"]')

    def names(self) -> list[str]:
        """Names of the charts, as they follow on the page."""
        boxes = self.page.locator("[data-test-chart-name]").all()
        return [box.get_attribute("data-test-chart-name") or "" for box in boxes]

    def number(self, name: str) -> str:
        """What a chart of one number says."""
        return self.chart(name).locator(".header-line").inner_text().strip()

    def table(self, name: str) -> list[list[str]]:
        """The rows of a table that are on its first page."""
        rows = self.chart(name).locator("tbody tr").all()
        return [[cell.strip() for cell in row.locator("td").all_inner_texts()] for row in rows]

    def filter_by(self, name: str, value: str) -> None:
        """Choose one value in a filter, and apply it."""
        box = self.page.locator(f'[data-test="NATIVE_FILTER-{name}"]').first
        box.locator("input").click()
        self.page.keyboard.type(value)
        self.page.locator(f'.ant-select-item-option[title="{value}"]').first.click()
        self.page.keyboard.press("Escape")
        self.page.get_by_role("button", name="Apply").first.click()
        expect(box.locator(f'.ant-select-selection-item[title="{value}"]')).to_be_visible()
        self.page.wait_for_timeout(500)
        self.settle()
