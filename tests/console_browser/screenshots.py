"""`python -m tests.console_browser.screenshots`: take the pictures of docs/console.md anew (needs a Chromium).

The demo workspace, connected in the console, with declared data, two months of a past, evidence and an exception.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from sandbox import demo
from tests.console_browser import steps
from tests.console_browser.looking import PAGES, Visitor
from tests.console_browser.world import Airflow, airflow_in, open_browser
from tests.dashboards.world import PAST

DOCS = Path(__file__).resolve().parents[2] / "docs" / "console"
WIDTH, HEIGHT, TALLEST = 1280, 800, 1500
OTHERS = {
    "test": f"tests/{steps.MFA_TEST}",
    "test-failing": "tests/branch_protection_enforced?status=failing",
    "evidence-new": f"evidence/new?test_id={steps.MFA_TEST}",
    "imports-new": "imports/new",
    "disconnect": "integrations/disconnect",
}


def main() -> None:
    """Write docs/console/<page>-light.png and -dark.png."""
    DOCS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = open_browser(playwright)
        with airflow_in(Path(folder)) as airflow:
            _before_connecting(browser, airflow)
            _fill(browser, airflow)
            for dark in (False, True):
                _take_all(browser, airflow, dark)
        browser.close()


def _before_connecting(browser: Browser, airflow: Airflow) -> None:
    for dark in (False, True):
        owner = _enter(browser, airflow, "owner", dark)
        owner.open("integrations")
        _take(owner, "connect")
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
    _take_progress(browser, airflow, owner.page.url)
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


def _take_progress(browser: Browser, airflow: Airflow, address: str) -> None:
    for dark in (False, True):
        owner = _enter(browser, airflow, "owner", dark)
        owner.page.goto(address)
        _take(owner, "progress")
        owner.close()


def _take_all(browser: Browser, airflow: Airflow, dark: bool) -> None:
    owner = _enter(browser, airflow, "owner", dark)
    for name, path in {**PAGES, **OTHERS}.items():
        owner.open(path)
        _take(owner, name)
    _open_first(owner, "findings?test_id=branch_protection_enforced", "subject", "tbody td a")
    _open_first(owner, "tests/branch_protection_enforced?status=failing", "repository")
    _open_first(owner, "members", "member")
    _open_first(owner, "controls", "control")
    _open_first(owner, "runs", "run")
    _preview(owner, "imports-preview")
    reviewer = _enter(browser, airflow, "reviewer", dark)
    _open_first(reviewer, "evidence", "evidence-review")
    _open_first(reviewer, "exceptions", "exception-review")
    reviewer.page.goto(f"{airflow.url}/plugin/compliance")
    reviewer.page.frame_locator("iframe").get_by_role("heading", level=1).wait_for()
    reviewer.page.wait_for_timeout(1500)
    _take(reviewer, "inside-airflow", full=False)
    phone = _enter(browser, airflow, "owner", dark, width=390, height=844)
    phone.open("")
    _take(phone, "phone", full=False)
    phone.open("imports")
    _take(phone, "phone-imports", full=False)
    _preview(phone, "phone-imports-preview", full=False)
    for one in (owner, reviewer, phone):
        one.close()


def _enter(browser: Browser, airflow: Airflow, user: str, dark: bool = False, **size: int) -> Visitor:
    visitor = Visitor(browser, airflow, user, dark=dark, **({"width": WIDTH, "height": HEIGHT} | size))
    visitor.sign_in()
    return visitor


def _preview(visitor: Visitor, name: str, *, full: bool = True) -> None:
    """What the demo's roster would bring, with a row that can't be used."""
    content = demo.ROSTER.read_bytes().rstrip() + b"\nlea@example.com,Lea,gone fishing,,\n"
    steps.show_upload(visitor, "Roster", "people.csv", content)
    _take(visitor, name, full=full)


def _open_first(visitor: Visitor, path: str, name: str, link: str = "tbody th a") -> None:
    """The page behind the first row of a table."""
    visitor.open(path).locator(link).first.click()
    visitor.page.wait_for_load_state()
    _take(visitor, name)


def _take(visitor: Visitor, name: str, *, full: bool = True) -> None:
    """A picture in 256 colours, the rare ones too, a third of the bytes; of long pages the top."""
    page = visitor.page
    tall = int(page.evaluate("document.documentElement.scrollHeight")) if full else visitor.height
    clip = {"x": 0, "y": 0, "width": visitor.width, "height": min(max(tall, 300), TALLEST)}
    picture = Image.open(io.BytesIO(page.screenshot(full_page=full, clip=clip)))  # type: ignore[arg-type]
    target = DOCS / f"{name}-{'dark' if visitor.dark else 'light'}.png"
    picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(target, optimize=True)


if __name__ == "__main__":
    main()
