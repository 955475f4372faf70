"""The console in the eyes of one person: sign in as everybody does, open pages, check them by axe's rules."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.console_browser.world import Airflow

PATIENCE = 60_000  # ms: two cores run Airflow and a browser
PAGES = {
    "overview": "",
    "findings": "findings",
    "tests": "tests",
    "changes": "changes",
    "controls": "controls",
    "repositories": "repositories",
    "members": "members",
    "evidence": "evidence",
    "exceptions": "exceptions",
    "imports": "imports",
    "integrations": "integrations",
    "runs": "runs",
    "audit": "audit",
}


@dataclass
class Visitor:
    """A browser of its own with a person in front of it."""

    browser: Browser
    airflow: Airflow
    user: str
    dark: bool = False
    width: int = 1280
    height: int = 900
    zone: str = "UTC"
    page: Page = field(init=False)
    left_the_machine: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    _context: BrowserContext = field(init=False)

    def __post_init__(self) -> None:
        self._context = self.browser.new_context(
            viewport={"width": self.width, "height": self.height},
            color_scheme="dark" if self.dark else "light",
            accept_downloads=True,
            timezone_id=self.zone,
        )
        self.page = self._context.new_page()
        self.page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        self.page.on("request", lambda request: self._note(request.url))
        self.page.on("console", lambda line: self._heard(line.type, line.text))

    def _note(self, url: str) -> None:
        if not re.match(r"http://127\.0\.0\.1:\d+/|data:|blob:|about:", url):
            self.left_the_machine.append(url)

    def _heard(self, kind: str, text: str) -> None:
        """What the browser complains of on pages of the console: a refused style, a lost file; no refusal of ours."""
        ours = re.search(r"\b(409|422) \(", text)
        if kind == "error" and "/compliance/" in self.page.url and not ours:
            self.complaints.append(f"{self.page.url}: {text}")

    def sign_in(self) -> None:
        """Through Airflow's own form."""
        page = self.page
        page.goto(f"{self.airflow.url}/auth/login", timeout=90_000)
        page.fill("input[name=username]", self.user)
        page.fill("input[name=password]", self.airflow.password(self.user))
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "/auth/login" not in url, wait_until="commit", timeout=90_000)

    def open(self, path: str = "") -> Page:
        """A page of the console."""
        answer = self.page.goto(self.airflow.console + path)
        assert answer is not None and answer.ok, f"{path}: {answer.status if answer else 'no answer'}"
        return self.page

    def serious(self) -> list[str]:
        """What axe finds serious or critical on the page that is open, one line a violation."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{self.page.url}: {one['id']}: {one['help']}: {[node['target'][0] for node in one['nodes'][:3]]}"
            for one in found
            if one["impact"] in ("serious", "critical")
        ]

    def cells(self, labelled_by: str) -> list[list[str]]:
        """What the table below a heading says, row by row."""
        rows = self.page.locator(f"[aria-labelledby={labelled_by}] tbody tr").all()
        return [[cell.strip() for cell in row.locator("th, td").all_inner_texts()] for row in rows]

    def status_of(self, test_id: str) -> str:
        """Of the one subject that a test has."""
        self.open(f"tests/{test_id}")
        ((_, status, *_),) = self.cells("subjects")
        return status

    def kinds_of_pages(self) -> list[str]:
        """Pages of the navigation and one page of each kind that they link to, two links deep."""
        found: dict[str, str] = {}
        waiting = [(path, 0) for path in PAGES.values()]
        for path, depth in waiting:
            kind = re.sub(r"[0-9a-f-]{36}|%7B.*|manual__.*", "*", path.split("?")[0])
            if kind in found or "format=csv" in path or re.search(r"/file$|\.csv$|/quality/", path.split("?")[0]):
                continue
            found[kind] = path
            if depth < 2:
                links = "[...document.querySelectorAll('main a[href]:not([download])')]"
                hrefs = self.open(path).evaluate(f"{links}.map(a => a.href)")
                root = self.airflow.console
                waiting += [(h.removeprefix(root).split("#")[0], depth + 1) for h in hrefs if h.startswith(root)]
        return list(found.values())

    def close(self) -> None:
        """End the session."""
        self._context.close()
