"""The console's whole story in a browser, against real Airflow, Postgres and the sandbox, then every page by axe.

An owner connects a workspace step by step, declares what only people know, and reviews access; a second person accepts
evidence and a risk; the control shows what came of it, and the audit package is downloaded; the owner disconnects. The
tests below look at what it left.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from bitbucket_compliance.security_tests import CATALOGUE
from tests.console_browser import steps
from tests.console_browser.looking import Visitor
from tests.console_browser.world import Airflow

Enter = Callable[[str], Visitor]
LEARNED = "[aria-label='What was learned of each workspace'] tbody tr"


@dataclass
class Story:
    """What was seen on the way."""

    states: list[str] = field(default_factory=list)
    seconds_to_results: float = 0.0
    learned: list[list[str]] = field(default_factory=list)
    tests: list[list[str]] = field(default_factory=list)
    previews: list[str] = field(default_factory=list)
    mfa_before: str = ""
    own_decision: str = ""
    mfa_after: str = ""
    project: str = ""
    would_cover: str = ""
    exception: str = ""
    signed: str = ""
    controls: list[list[str]] = field(default_factory=list)
    taken: dict[str, bytes] = field(default_factory=dict)
    webhooks: str = ""
    serious: list[str] = field(default_factory=list)


def _steps(visitor: Visitor) -> str:
    """The state of each step of Integrations."""
    visitor.open("integrations")
    return " ".join(visitor.page.locator(".stage .status:not(.stage-body *)").all_inner_texts())


@pytest.fixture(scope="module")
def story(visitor: Enter, airflow: Airflow) -> Story:
    """All of it, once."""
    seen = Story()
    owner, reviewer = visitor("owner"), visitor("reviewer")

    owner.open("")
    expect(owner.page.locator("main")).to_contain_text("Connect a Bitbucket workspace")
    owner.page.get_by_role("link", name="Go on: Grant access").click()
    expect(owner.page.locator("main")).to_contain_text("not connected")
    seen.states.append(_steps(owner))
    seen.serious += owner.serious()
    seen.seconds_to_results = steps.connect(owner)
    seen.states.append(_steps(owner))
    seen.serious += owner.serious()
    owner.page.locator("#learned > summary").click()
    seen.learned = [[c.inner_text() for c in r.locator("th, td").all()] for r in owner.page.locator(LEARNED).all()]
    seen.serious += owner.serious()
    seen.webhooks = steps.wait_for_webhook(owner)

    owner.open("")
    seen.tests = owner.cells("tests")
    seen.mfa_before = owner.status_of(steps.MFA_TEST)
    seen.previews = steps.declare(owner)
    steps.upload_evidence(owner)
    seen.serious += owner.serious()
    expect(owner.page.get_by_role("button", name="Accept")).to_have_count(0)
    seen.own_decision = owner.page.locator("main").inner_text()
    for file in ("policy.png", "mfa_export.csv"):
        steps.open_waiting(reviewer, "evidence", file)
        steps.accept(reviewer)
        expect(reviewer.page.locator("main")).to_contain_text("Evidence accepted")
    steps.sync(owner)
    seen.states.append(_steps(owner))
    seen.mfa_after = owner.status_of(steps.MFA_TEST)

    seen.project = steps.ask_for_exception(owner, "branch_protection_enforced", of_project=True)
    steps.open_waiting(reviewer, "exceptions", seen.project)
    seen.would_cover = reviewer.page.locator("main").inner_text()
    steps.accept(reviewer)
    seen.exception = reviewer.page.locator("main").inner_text()
    seen.serious += reviewer.serious()

    seen.signed = steps.review_access(owner)
    seen.serious += owner.serious()
    owner.open("controls")
    seen.controls = owner.cells("controls")
    seen.taken = steps.take_along(owner)
    seen.serious += owner.serious()

    owner.open("integrations/disconnect")
    seen.serious += owner.serious()
    steps.disconnect(owner)
    expect(owner.page.locator("main")).to_contain_text("1 webhook deleted at Bitbucket")
    expect(owner.page.locator("main")).to_contain_text("Disconnected: the tokens are deleted here")
    expect(owner.page.locator("main")).to_contain_text("not connected")
    seen.states.append(_steps(owner))
    return seen


def test_the_first_results_are_there_two_minutes_after_the_grant(story: Story) -> None:
    # Whoever shares the cores makes it longer.
    shared = max(1.0, *(load / (os.cpu_count() or 1) for load in os.getloadavg()))
    assert 0 < story.seconds_to_results <= steps.RUN_SECONDS * shared


def test_whoever_comes_back_finds_the_step_they_are_on(story: Story) -> None:
    assert story.states == [
        "done now later later later",
        "done done done done now",
        "done done done done done",
        "done now later done done",
    ]


def test_the_steps_tell_what_the_grant_allows(story: Story) -> None:
    [[workspace, role, repositories, requests, budget, _]] = story.learned
    assert (workspace, role, repositories, budget) == (steps.WORKSPACE, "owner", "40", "no hourly limit is set")
    assert requests.startswith("about ")


def test_the_overview_shows_every_test(story: Story) -> None:
    assert len(story.tests) == len(CATALOGUE)
    assert story.tests[0][0] == "Code repo should be classified"
    assert {row[2] for row in story.tests} == {"failing", "pending", "not run"}


def test_connecting_registers_a_webhook(story: Story) -> None:
    assert "active" in story.webhooks
    assert "Rotate secret" in story.webhooks


def test_nothing_is_declared_before_its_preview_was_confirmed(story: Story) -> None:
    assert len(story.previews) == 3
    assert all("would be taken" in told for told in story.previews)
    assert "members are named" in story.previews[0]


def test_a_screenshot_that_somebody_else_accepted_turns_the_test(story: Story) -> None:
    assert story.mfa_before == "pending"
    assert "policy.png" in story.own_decision and "Not for you to accept" in story.own_decision
    assert story.mfa_after == "passing"


def test_a_risk_is_accepted_for_a_project_by_somebody_who_saw_what_it_covers(story: Story) -> None:
    covers = re.search(r"It would cover (\d+) of \d+ failing", story.would_cover)
    assert covers and f"it covers {covers[1]} failing subjects" in story.exception


def test_the_review_of_access_is_signed_off(story: Story) -> None:
    assert re.search(
        r"Signed off by owner, .*: 25 members, \d+ kept, [1-9]\d* to be revoked; Third quarter", story.signed
    )


def test_the_controls_say_what_came_of_it(story: Story) -> None:
    assert "operated with exceptions" in {row[1] for row in story.controls}
    assert b"operated with exceptions" in story.taken["controls"]


def test_the_audit_package_that_was_downloaded_is_checked_offline(story: Story, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(story.taken["package"])) as package:
        package.extractall(tmp_path)
    [program] = tmp_path.rglob("verify.py")
    checked = subprocess.run([sys.executable, "-I", str(program)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.splitlines()[-1] == "all fits"
    [page] = tmp_path.rglob("index.html")
    assert steps.WORKSPACE in page.read_text()


def test_disconnecting_leaves_no_token_and_keeps_what_was_published(
    story: Story, airflow: Airflow, visitor: Enter
) -> None:
    kept = airflow.query("SET ROLE compliance_vault", "SELECT count(*) AS tokens FROM integration.token_vault")
    assert kept == [{"tokens": 0}]
    visitor("owner").open("")
    assert len(visitor("owner").cells("tests")) == len(CATALOGUE)


def test_the_audit_trail_names_who_did_what(story: Story, visitor: Enter) -> None:
    page = visitor("viewer").open("audit")
    trail = page.locator("main").inner_text()
    for action in ("connection.connected", "evidence.submitted", "evidence.accepted", "exception.accepted"):
        assert action in trail
    assert "connection.disconnected" in trail and "reviewer" in trail
    assert "webhook.asked_for" in trail and "webhook.removed" in trail


@pytest.fixture(scope="module")
def kinds(story: Story, visitor: Enter) -> list[str]:
    """Each page of the navigation, and one of each kind that a link leads to."""
    return visitor("owner").kinds_of_pages()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_page_and_none_a_link_leads_to_has_a_serious_violation_or_shows_the_secret(
    story: Story, kinds: list[str], browser: Browser, airflow: Airflow, dark: bool
) -> None:
    person = Visitor(browser, airflow, "owner", dark=dark)
    person.sign_in()
    found = list(story.serious) if not dark else []
    for path in kinds:
        person.open(path)
        found += person.serious()
        assert "demo-admin-secret" not in person.page.content(), path
    person.close()
    assert found == []


def test_the_page_stands_in_airflows_own_navigation(story: Story, visitor: Enter, airflow: Airflow) -> None:
    page = visitor("viewer").page
    page.goto(airflow.url)
    page.get_by_role("link", name="Compliance", exact=True).click()
    inside = page.frame_locator("iframe")
    expect(inside.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    inside.locator(".groups summary", has_text="Results").click()
    inside.get_by_role("link", name="Tests", exact=True).click()
    expect(inside.get_by_role("heading", name="Tests", level=1)).to_be_visible()


def test_a_viewer_sees_no_button_that_decides(story: Story, visitor: Enter) -> None:
    viewer = visitor("viewer")
    for path in ("evidence", "exceptions", "members", "repositories", "integrations"):
        viewer.open(path)
        words = " ".join(viewer.page.locator("main button, main a.button").all_inner_texts())
        assert not {"Accept", "Classify", "Keep", "Connect", "Disconnect", "Upload"}.intersection(words.split()), path
    refused = viewer.page.goto(f"{viewer.airflow.console}evidence/new")
    assert refused is not None and refused.status == 403


def test_nothing_is_asked_of_another_machine_and_the_browser_complains_of_nothing(story: Story, visitor: Enter) -> None:
    for user in ("owner", "reviewer"):
        assert visitor(user).left_the_machine == []
        assert visitor(user).complaints == []


def test_axe_would_notice_a_mistake(story: Story, visitor: Enter) -> None:
    owner = visitor("owner")
    owner.open("").evaluate("document.querySelector('main').append(document.createElement('input'))")
    assert any(": label: " in line for line in owner.serious())
