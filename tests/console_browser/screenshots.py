"""`python -m tests.console_browser.screenshots`: take the pictures of docs/console.md anew (needs a Chromium).

The demo workspace, connected in the console, with declared data, two months of a past, evidence and an exception.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pypdfium2
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from sandbox import demo
from tests.console_browser import steps
from tests.console_browser.looking import PAGES, Visitor
from tests.console_browser.world import Airflow, airflow_in, open_browser
from tests.dashboards.world import PAST

DOCS = Path(__file__).resolve().parents[2] / "docs" / "console"
WINDOW, PHONE = (1280, 800), (390, 844)
TALLEST = 1500
TODAY = datetime.now(UTC).date()
MONTH = f"since={TODAY - timedelta(days=30)}&until={TODAY}"
OTHERS = {
    "overview-past": f"?as_of={TODAY - timedelta(days=10)}",
    "changes": f"changes?since={TODAY - timedelta(days=7)}",
    "test": f"tests/{steps.MFA_TEST}",
    "test-failing": "tests/branch_protection_enforced?status=failing",
    "policies": "policies",
    "policies-change": "policies/change",
    "packages": "controls/packages",
    "search": "search?q=peer",
    "workspaces": "workspaces",
    "evidence-new": f"evidence/new?test_id={steps.MFA_TEST}",
    "exceptions-new": "exceptions/new?test_id=branch_protection_enforced",
    "imports-new": "imports/new",
    "disconnect": "integrations/disconnect",
    "members-print": "members/print",
}
#: pages behind the first row of a table
FIRST = {
    "subject": "findings?test_id=branch_protection_enforced",
    "repository": "tests/branch_protection_enforced?status=failing",
    "member": "members",
    "control": "controls",
    "control-period": f"controls?{MONTH}",
    "run": "runs",
}
PRINTED = ("overview", "findings", "repository", "control", "control-period", "members-print")
#: dots an inch of a printed sheet
SHARPNESS = 80


def main() -> None:
    """Write docs/console/<page>-light.png and -dark.png, phone-<page>-light.png, and print-<page>.png."""
    DOCS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = open_browser(playwright)
        with airflow_in(Path(folder)) as airflow:
            _before_connecting(browser, airflow)
            _fill(browser, airflow)
            for dark in (False, True):
                _take_all(browser, airflow, dark)
            _take_phone(browser, airflow)
            _take_prints(browser, airflow)
        browser.close()


def _before_connecting(browser: Browser, airflow: Airflow) -> None:
    for dark in (False, True):
        owner = _enter(browser, airflow, "owner", dark)
        for name, path in (("begin", ""), ("connect", "integrations")):
            owner.open(path)
            _take(owner, name)
        owner.page.locator("#grant > summary").click()
        owner.page.locator("#consumer > summary").click()
        _take(owner, "connect-consumer")
        owner.close()


def _fill(browser: Browser, airflow: Airflow) -> None:
    """Import what people declare, connect, and give it a past and something to decide on."""
    owner, reviewer = (_enter(browser, airflow, user) for user in ("owner", "reviewer"))
    for kind, path in (("roster", demo.ROSTER), ("classification", demo.CLASSIFICATION)):
        airflow.trigger("registry_import", {"kind": kind, "file": path.name})
    # The operator vouches for the export, names that look like formulas and all.
    airflow.operate("import", f"--mfa={demo.MFA_EXPORT}")
    # One run alone: the past is made out of it.
    steps.connect(owner)
    _take_steps(browser, airflow)
    airflow.query(PAST.read_text(encoding="utf-8"))
    steps.upload_evidence(owner)
    subject = steps.ask_for_exception(owner, "branch_protection_enforced")
    steps.open_waiting(reviewer, "exceptions", subject)
    steps.accept(reviewer)
    steps.ask_for_exception(owner, "peer_review_required")
    page = owner.open("members")
    for box in page.get_by_role("checkbox").all()[:3]:
        box.check()
    page.get_by_label("Reason").fill("Looked through with the team leads.")
    page.get_by_role("button", name="Keep").click()
    owner.close()
    reviewer.close()


def _take_steps(browser: Browser, airflow: Airflow) -> None:
    """What the grant allows, and how the first run went."""
    [run] = airflow.query("SELECT run_id FROM compliance.runs WHERE status = 'published'")
    for dark in (False, True):
        owner = _enter(browser, airflow, "owner", dark)
        owner.open(f"integrations/progress?{urlencode({'run': run['run_id']})}")
        _take(owner, "progress")
        owner.open("integrations").locator("#learned > summary").click()
        _take(owner, "connect-learned")
        owner.close()


def _take_all(browser: Browser, airflow: Airflow, dark: bool) -> None:
    owner = _enter(browser, airflow, "owner", dark)
    for name in _pages(owner):
        _take(owner, name)
    reviewer = _enter(browser, airflow, "reviewer", dark)
    for name, path in (("evidence-review", "evidence"), ("exception-review", "exceptions")):
        _open_first(reviewer, path)
        _take(reviewer, name)
    reviewer.page.goto(f"{airflow.url}/plugin/compliance")
    reviewer.page.frame_locator("iframe").get_by_role("heading", level=1).wait_for()
    reviewer.page.wait_for_timeout(1500)
    _take(reviewer, "inside-airflow", full=False)
    for one in (owner, reviewer):
        one.close()


def _take_phone(browser: Browser, airflow: Airflow) -> None:
    owner = _enter(browser, airflow, "owner", is_phone=True)
    for name in _pages(owner):
        _take(owner, f"phone-{name}", full=False)
    owner.close()
    at_night = _enter(browser, airflow, "owner", dark=True, is_phone=True)
    at_night.open("")
    _take(at_night, "phone-overview", full=False)
    at_night.close()


def _take_prints(browser: Browser, airflow: Airflow) -> None:
    """The first sheet of what an auditor takes along."""
    owner = _enter(browser, airflow, "owner")
    for name in _pages(owner, PRINTED):
        sheet = pypdfium2.PdfDocument(owner.page.pdf(format="A4"))[0]
        _keep(sheet.render(scale=SHARPNESS / 72).to_pil(), f"print-{name}")
    owner.close()


def _pages(visitor: Visitor, names: Collection[str] = ()) -> Iterator[str]:
    """Open one page after the other, of those names where any are given; the name of each that is open."""
    for name, path in {**PAGES, **OTHERS}.items():
        if not names or name in names:
            visitor.open(path)
            yield name
    for name, path in FIRST.items():
        if not names or name in names:
            # A name leads to its page; from a finding, its test leads to what is known of both.
            _open_first(visitor, path, "tbody td a" if name == "subject" else "tbody th a")
            yield name
    if not names or "imports-preview" in names:
        # The demo's roster, with a row that can't be used.
        content = demo.ROSTER.read_bytes().rstrip() + b"\nlea@example.com,Lea,gone fishing,,\n"
        steps.show_upload(visitor, "Roster", "people.csv", content)
        yield "imports-preview"


def _enter(browser: Browser, airflow: Airflow, user: str, dark: bool = False, is_phone: bool = False) -> Visitor:
    width, height = PHONE if is_phone else WINDOW
    visitor = Visitor(browser, airflow, user, dark=dark, width=width, height=height)
    visitor.sign_in()
    return visitor


def _open_first(visitor: Visitor, path: str, link: str = "tbody th a") -> None:
    """The page behind the first row of a table."""
    visitor.open(path).locator(link).first.click()
    visitor.page.wait_for_load_state()


def _take(visitor: Visitor, name: str, *, full: bool = True) -> None:
    """A picture of the window, or of the whole page; of long pages the top."""
    page = visitor.page
    tall = int(page.evaluate("document.documentElement.scrollHeight")) if full else visitor.height
    clip = {"x": 0, "y": 0, "width": visitor.width, "height": min(max(tall, 300), TALLEST)}
    picture = Image.open(io.BytesIO(page.screenshot(full_page=full, clip=clip)))  # type: ignore[arg-type]
    _keep(picture, f"{name}-{'dark' if visitor.dark else 'light'}")


def _keep(picture: Image.Image, name: str) -> None:
    """In 256 colours, the rare ones too: a third of the bytes."""
    quantized = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE)
    quantized.save(DOCS / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
