"""Nobody decides blind: files are shown, and what an exception would cover; who may not decide finds no button."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Locator, expect

from bitbucket_compliance.registry import persons
from tests.console_browser.pages.looking import Guest, words
from tests.registry.files import document, export, picture

Enter = Callable[..., Guest]
Database = psycopg.Connection[dict[str, Any]]
WORKSPACE = "demo-workspace"
PROTECTION = "branch_protection_enforced"
TODAY = datetime.now(UTC).date()


def hand_in(guest: Guest, name: str, content: bytes, test_id: str = "workspace_mfa_enforced") -> None:
    page = guest.open(f"evidence/new?test_id={test_id}")
    page.get_by_label("File", exact=True).set_input_files(  # type: ignore[arg-type]
        [{"name": name, "mimeType": "application/octet-stream", "buffer": content}]
    )
    page.get_by_label("Workspace", exact=True).fill(WORKSPACE)
    page.get_by_label("Day of capture").fill(TODAY.isoformat())
    guest.go(page.get_by_role("button", name="Upload evidence"))
    expect(page.get_by_role("heading", level=1)).to_have_text(name, timeout=60_000)


def is_drawn(image: Locator) -> bool:
    """Whether a picture was loaded and can be seen."""
    expect(image).to_be_visible()
    return bool(image.evaluate("one => one.decode().then(() => one.naturalWidth > 0)"))


@pytest.fixture
def ada(demo: Database, visit: Enter) -> Guest:
    persons.note(demo, "airflow:olga")
    return visit("op", "ada")


@pytest.fixture
def bo(ada: Guest, visit: Enter) -> Guest:
    return visit("op", "bo")


def test_a_reviewer_sees_the_picture_and_what_it_would_cover(ada: Guest, bo: Guest) -> None:
    hand_in(ada, "policy.png", picture())
    expect(ada.page.get_by_role("button", name="Accept")).to_have_count(0)
    expect(ada.page.locator("#not-for-you")).to_contain_text("Not for you to accept")
    bo.go(bo.open("evidence").get_by_role("link", name="policy.png").first)
    assert is_drawn(bo.page.get_by_alt_text("The picture that was handed in: policy.png"))
    expect(bo.main).to_contain_text("It would cover 1 subject, among them 0 of 0 failing")
    assert [row["Status now"] for row in bo.rows("What it would cover now")] == ["pending"]
    assert bo.faults() == []
    bo.go(bo.page.get_by_role("button", name="Accept"))
    assert "Evidence accepted; it covers 1 subject" in bo.message()


def test_a_reviewer_leafs_through_a_document(ada: Guest, bo: Guest) -> None:
    hand_in(ada, "rules.pdf", document(2))
    bo.page.goto(ada.page.url)
    assert is_drawn(bo.page.get_by_alt_text("The first page of rules.pdf"))
    bo.go(bo.page.get_by_role("link", name="All its pages"))
    bo.go(bo.page.get_by_role("link", name="Next page"))
    expect(bo.page.get_by_role("heading", level=1)).to_have_text("Page 2 of 2")
    assert is_drawn(bo.page.get_by_alt_text("Page 2 of rules.pdf"))
    assert bo.faults() == []


def test_a_reviewer_reads_the_rows_of_an_export(ada: Guest, bo: Guest, demo: Database) -> None:
    [one] = demo.execute(
        "SELECT account_id, display_name FROM compliance.members WHERE display_name = 'Ada Lindqvist'"
    ).fetchall()
    hand_in(ada, "users.csv", export(f"ada@example.com,{one['account_id']},no"), "user_mfa_enabled")
    bo.page.goto(ada.page.url)
    [row] = bo.rows("What its rows say")
    assert (row["Two-step verification"], row["Member"]) == ("off", "Ada Lindqvist")
    expect(bo.main).to_contain_text("1 row: 1 without two-step verification; 1 name a member")
    assert bo.faults() == []


def ask(guest: Guest, scope: str, target: str) -> None:
    page = guest.open(f"exceptions/new?test_id={PROTECTION}")
    page.get_by_label("What is to be covered").select_option(scope)
    page.get_by_label("Its name").fill(target)
    page.get_by_label("Owner of the risk").select_option("airflow:olga")
    page.get_by_label("Why it is to be accepted").fill("The platform moves.")
    page.get_by_label("Last day").fill((TODAY + timedelta(days=30)).isoformat())
    guest.go(page.get_by_role("button", name="Ask for the exception"))
    expect(page.get_by_role("status")).to_contain_text("Asked for")


def test_who_owns_a_risk_is_chosen_from_people_who_are_known(ada: Guest) -> None:
    page = ada.open("exceptions/new")
    owner = page.get_by_label("Owner of the risk")
    assert owner.evaluate("one => one.tagName") == "SELECT"
    assert {"ada", "olga"} <= set(owner.locator("option").all_inner_texts())
    assert "nobody" not in owner.inner_text()
    assert ada.faults() == []


def test_what_an_exception_would_cover_is_told_by_name_status_and_severity(
    ada: Guest, bo: Guest, demo: Database
) -> None:
    ask(ada, "pattern", "*")
    bo.go(bo.open("exceptions").get_by_role("link", name="*", exact=True).first)
    failing = demo.execute(
        "SELECT subject_name FROM compliance.current_results WHERE test_id = %s AND status = 'failing'", (PROTECTION,)
    ).fetchall()
    expect(bo.main).to_contain_text(f"It would cover {len(failing)} of {len(failing)} failing")
    shown = bo.rows("What it would cover now")
    assert {row["Subject"] for row in shown} == {row["subject_name"] for row in failing}
    assert {(row["Status now"], row["Severity"]) for row in shown} == {("failing", "high")}
    # Its last day as it was typed.
    expect(bo.main).to_contain_text(f"Last day{TODAY + timedelta(days=30)}")
    assert bo.faults() == []
    bo.go(bo.page.get_by_role("button", name="Accept the risk"))
    assert f"it covers {len(failing)} failing subjects" in bo.message()


def test_a_part_of_what_fails_is_told_beside_the_whole(ada: Guest, bo: Guest, demo: Database) -> None:
    ask(ada, "project", "CORE")
    told = words(ada.main.inner_text())
    covered = re.search(r"It would cover (\d+) of (\d+) failing", told)
    assert covered and 0 < int(covered[1]) < int(covered[2])
    assert len(ada.rows("What it would cover now")) == int(covered[1])


def test_asking_for_what_passes_says_so(ada: Guest, demo: Database) -> None:
    [one] = demo.execute(
        "SELECT subject_name FROM compliance.current_results WHERE test_id = %s AND status = 'passing' LIMIT 1",
        (PROTECTION,),
    ).fetchall()
    ask(ada, "subject", one["subject_name"])
    expect(ada.main).to_contain_text("is in its scope, so there is nothing to accept now")
    assert ada.faults() == []


#: What only narrows what is shown may be pressed by everybody.
HARMLESS = {"Filter", "Show", "Show that day"}
COPIES = re.compile("^Copy ")
DECIDES = re.compile(
    "/(evidence|exceptions|imports)/new|/policies/change|/disconnect|/purge|/members/(print|review)|/classify"
)


def test_whoever_may_only_read_finds_nothing_that_decides_on_any_page(ada: Guest, bo: Guest, visit: Enter) -> None:
    hand_in(ada, "policy.png", picture())
    evidence = ada.page.url
    ask(ada, "pattern", "*")
    exception = ada.page.url
    vic = visit("viewer", "vic")
    root = vic.airflow.console
    paths = ["findings", "members", "repositories", "imports", "policies", "integrations", "controls", "evidence"]
    paths += ["exceptions", "tests/user_mfa_enabled", f"tests/{PROTECTION}", "controls/packages", "", "audit"]
    paths += [url.removeprefix(root) for url in (evidence, exception)]
    for path, first in (("findings?words=missing", 2), (f"tests/{PROTECTION}?status=failing", 2), ("imports", 1)):
        for link in vic.open(path).locator("main tbody tr").first.get_by_role("link").all()[:first]:
            paths.append(str(link.evaluate("one => one.href")).removeprefix(root))
    paths.append(str(vic.open("members").locator("main tbody a").first.evaluate("a => a.href")).removeprefix(root))
    found = []
    for path in paths:
        page = vic.open(path)
        buttons = {words(one) for one in page.locator("main button").all_inner_texts()} - HARMLESS
        buttons = {one for one in buttons if not COPIES.match(one)}
        links = [
            one for one in page.locator("main a").evaluate_all("all => all.map(a => a.href)") if DECIDES.search(one)
        ]
        boxes = page.locator("main :is(input[type=checkbox], textarea, button[name=decision])").count()
        found += [(path, buttons, links, boxes)] if buttons or links or boxes else []
    assert found == [], "\n".join(map(str, found))
