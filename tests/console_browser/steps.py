"""What people do in the console, click by click; the story and the screenshots share it."""

from __future__ import annotations

import io
import re
import time
from datetime import UTC, datetime

from PIL import Image, ImageDraw
from playwright.sync_api import Locator, expect

from sandbox import demo
from tests.console_browser.looking import Visitor

WORKSPACE = "demo-workspace"
MFA_TEST = "workspace_mfa_enforced"
MFA_KIND = "Two-step verification export"
RUN_SECONDS = 120
#: ms that a run is waited for where much else is at work
PATIENCE = 400_000


def screenshot_of_a_policy() -> bytes:
    """A picture as a person takes it of Atlassian's page."""
    picture = Image.new("RGB", (640, 240), "white")
    ImageDraw.Draw(picture).text((20, 20), "Authentication policy: two-step verification required", "black")
    held = io.BytesIO()
    picture.save(held, "PNG")
    return held.getvalue()


def connect(visitor: Visitor) -> float:
    """Consent on Bitbucket's page (the sandbox asks nobody); seconds from the grant to the published results."""
    page = visitor.open("integrations")
    page.get_by_role("button", name="Connect to Bitbucket").click()
    page.wait_for_url(re.compile(r"/compliance/integrations$"))
    started = time.monotonic()
    # The page goes on to the next step by itself.
    expect(page.locator(".stage.done:has(#run)")).to_be_visible(timeout=PATIENCE)
    return time.monotonic() - started


def now(visitor: Visitor) -> Locator:
    """The step of Integrations that the person is on."""
    return visitor.page.locator(".stage.now")


def wait_for_webhook(visitor: Visitor) -> str:
    """Look at Integrations until the webhook delivers; what its section says."""
    section = visitor.page.locator("section[aria-labelledby=webhooks]")
    for _ in range(60):
        visitor.open("integrations")
        if section.locator(".status.passing").count():
            break
        visitor.page.wait_for_timeout(1000)
    return section.inner_text()


def sync(visitor: Visitor) -> None:
    """Sync now, see time and counts go on without the page being loaded again, and wait for the results."""
    visitor.open("integrations").get_by_role("button", name="Sync now").click()
    visitor.page.wait_for_url(re.compile(r"/compliance/integrations/progress"))
    elapsed, told = visitor.page.get_by_role("timer"), visitor.page.locator("#progress")
    expect(elapsed).to_be_visible(timeout=PATIENCE)
    expect(elapsed).not_to_have_text(elapsed.inner_text())
    wait_until_published(visitor)
    expect(told).to_contain_text(re.compile(r"8 of 8\s*tests judged"))


def wait_until_published(visitor: Visitor) -> None:
    """The page of progress tells by itself, without being loaded again."""
    over = visitor.page.locator("#progress[data-over=yes]")
    expect(over).to_be_visible(timeout=PATIENCE)
    expect(over).to_contain_text("The results are there")


def upload_evidence(visitor: Visitor) -> None:
    """Hand in a screenshot, beginning at the test it is for."""
    page = visitor.open(f"tests/{MFA_TEST}")
    page.get_by_role("link", name="Upload evidence").click()
    expect(page.get_by_label("Test", exact=True)).to_have_value(MFA_TEST)
    picture = {"name": "policy.png", "mimeType": "image/png", "buffer": screenshot_of_a_policy()}
    page.get_by_label("File", exact=True).set_input_files([picture])  # type: ignore[list-item]
    page.get_by_label("Workspace", exact=True).fill(WORKSPACE)
    page.get_by_label("Day of capture").fill(datetime.now(UTC).date().isoformat())
    page.get_by_label("Note").fill("The policy that requires two-step verification of everybody.")
    page.get_by_role("button", name="Upload evidence").click()
    page.wait_for_url(re.compile(r"/compliance/evidence/[0-9a-f-]{36}$"))


def show_upload(visitor: Visitor, kind: str, name: str, content: bytes) -> None:
    """Choose a declared file under Imports, of the kind that a link there is called, and look at its preview."""
    page = visitor.open("imports")
    page.get_by_role("link", name="Upload a file").click()
    page.get_by_role("link", name=kind, exact=True).click()
    show_chosen(visitor, name, content)


def show_chosen(visitor: Visitor, name: str, content: bytes) -> None:
    """Choose a file on the page that is open, and look at what it would bring."""
    page = visitor.page
    file = {"name": name, "mimeType": "text/csv", "buffer": content}
    page.get_by_label("File", exact=True).set_input_files([file])  # type: ignore[list-item]
    if page.get_by_label("Day of the export").count():
        page.get_by_label("Day of the export").fill(datetime.now(UTC).date().isoformat())
    page.get_by_role("button", name="Show what it would bring").click()
    # Files are opened by a process that gives way to everything else.
    page.wait_for_url(re.compile(r"/compliance/imports/preview$"), timeout=90_000)


def declare(visitor: Visitor) -> list[str]:
    """Hand in roster, classification and export of two-step verification; what the preview of each says."""
    told = []
    visitor.open("integrations")
    now(visitor).locator("li", has_text="roster").get_by_role("link", name="Upload").click()
    for kind, path in (("Roster", demo.ROSTER), ("Classification", demo.CLASSIFICATION), (MFA_KIND, demo.MFA_EXPORT)):
        if kind == "Roster":
            show_chosen(visitor, path.name, path.read_bytes())
        else:
            show_upload(visitor, kind, path.name, path.read_bytes())
        expect(visitor.page.locator("#unwritten")).to_be_visible()
        told.append(visitor.page.locator("main").inner_text())
        visitor.page.get_by_role("button", name=re.compile("^(Import|Hand in for review)$")).click()
        visitor.page.wait_for_url(re.compile(r"/compliance/(imports/\d+|evidence/[0-9a-f-]{36})$"), timeout=90_000)
    return told


def open_waiting(visitor: Visitor, kind: str, name: str) -> None:
    """The page of what waits for a decision: ``evidence`` or ``exceptions``."""
    visitor.open(kind).get_by_role("link", name=name).first.click()
    visitor.page.wait_for_url(re.compile(rf"/compliance/{kind}/.+"))


def accept(visitor: Visitor) -> None:
    """Accept what is open."""
    visitor.page.get_by_role("button", name=re.compile("^Accept")).click()


def disconnect(visitor: Visitor) -> None:
    """Tick the box and disconnect."""
    page = visitor.open("integrations")
    page.get_by_role("link", name="Disconnect").click()
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Disconnect").click()
    page.wait_for_url(re.compile(r"/compliance/integrations$"))


def ask_for_exception(visitor: Visitor, test_id: str, *, of_project: bool = False) -> str:
    """Ask to accept the first failure of a test, or all of its project, beginning at its page; its name."""
    page = visitor.open(f"tests/{test_id}?status=failing")
    subject = page.locator("tbody th a").first
    name = subject.inner_text()
    subject.click()
    project = page.locator("dl.facts dt", has_text="Project").locator("+ dd").inner_text() if of_project else ""
    page.locator(f"#{test_id}").get_by_role("link", name="Ask to accept the risk").click()
    if of_project:
        page.get_by_label("What is to be covered").select_option("project")
        page.get_by_label("Its name").fill(project)
    page.get_by_label("Owner of the risk").select_option("airflow:owner")
    page.get_by_label("Why it is to be accepted").fill("Its rules come with the move to the new project.")
    page.get_by_role("button", name="Ask for the exception").click()
    page.wait_for_url(re.compile(r"/compliance/exceptions/[0-9a-f-]{36}$"))
    return project or name


def review_access(visitor: Visitor) -> str:
    """Revoke the access of those who left, keep all other, and sign the review off; what is said of it."""
    for path, decision in (("members?roster=left", "Revoke"), ("members?review=due", "Keep")):
        page = visitor.open(path)
        page.get_by_role("checkbox", name="All on this page").check()
        page.get_by_label("Reason").fill("Looked through with the team leads.")
        page.get_by_role("button", name=decision, exact=True).click()
        expect(page.get_by_role("status")).to_contain_text("members")
    page = visitor.open("members")
    page.get_by_label("Note").fill("Third quarter")
    page.get_by_role("button", name="Sign off").click()
    expect(page.get_by_role("status")).to_contain_text("Signed off")
    return page.locator("#signed").inner_text()


def take_along(visitor: Visitor) -> dict[str, bytes]:
    """What an auditor takes along from Controls: the controls as they stand now, and the audit package of today."""
    page = visitor.open("controls")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    controls = download.value.path().read_bytes()
    today = datetime.now(UTC).date().isoformat()
    page.get_by_label("First day").fill(today)
    page.get_by_label("Last day").fill(today)
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_role("link", name="Make an audit package").click()
    page.get_by_label("Name people").check()
    page.get_by_role("button", name="Make an audit package").click()
    expect(page.locator("#progress[data-over=yes]")).to_be_visible(timeout=PATIENCE)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download", exact=True).click()
    return {"controls": controls, "package": download.value.path().read_bytes()}
