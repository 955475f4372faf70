"""Rules that hold on every page of the console: room on a phone, words for people, names in place of ids, columns."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Page, expect

from bitbucket_compliance.registry import persons
from compliance_console_app.web.navigation import GROUPS
from tests.console.world import Published
from tests.console_browser.pages.looking import Guest
from tests.console_browser.test_wide_words import lost

Enter = Callable[..., Guest]
Database = psycopg.Connection[dict[str, Any]]
PAGES = ("", *(entry.path for group in GROUPS for entry in group.entries if not entry.of_several))
FORMS = (
    "evidence/new",
    "exceptions/new",
    "imports/new",
    "imports/new?kind=mfa",
    "policies/change",
    "controls/packages",
)
PROTECTION = "branch_protection_enforced"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# What people type into a shell.
COMMAND = re.compile(
    r"\b(make [a-z]+ [A-Z_]+=|make (up|run|demo|import|policy|connect|webhooks|upgrade)\b|python -m|airflow [a-z]+ )"
)


@pytest.fixture
def busy(demo: Database) -> list[str]:
    """The demo workspace with decisions of every kind, each about a subject; the pages that show one of them."""
    persons.note(demo, "airflow:olga")
    [one] = demo.execute(
        "SELECT subject_id FROM compliance.current_results WHERE test_id = %s AND status = 'failing'"
        " ORDER BY subject_name LIMIT 1",
        (PROTECTION,),
    ).fetchall()
    [exception] = demo.execute(
        "INSERT INTO registry.exceptions (workspace, test_id, scope, target, owner, reason, expires_at, requested_by)"
        " VALUES ('demo-workspace', %s, 'subject', %s, 'airflow:olga', 'r', now() + interval '9 days', 'airflow:olga')"
        " RETURNING exception_id::text AS id",
        (PROTECTION, one["subject_id"]),
    ).fetchall()
    demo.execute(
        "UPDATE compliance.results SET exception_id = %s, exception_expires_at = now() + interval '9 days'"
        " WHERE test_id = %s AND subject_id = %s",
        (exception["id"], PROTECTION, one["subject_id"]),
    )
    demo.execute(
        "INSERT INTO integration.console_audit (actor, action, subject, after) VALUES ('airflow:ada',"
        " 'exception.requested', %s, jsonb_build_object('target', %s::text))",
        (f"{one['subject_id']} of a test", one["subject_id"]),
    )
    [member] = demo.execute("SELECT member_id FROM compliance.members ORDER BY display_name LIMIT 1").fetchall()
    [evidence] = demo.execute("SELECT evidence_id::text AS id FROM compliance.evidence LIMIT 1").fetchall()
    return [
        f"exceptions/{exception['id']}", f"evidence/{evidence['id']}", f"repositories/{one['subject_id']}",
        f"members/{member['member_id']}", f"tests/{PROTECTION}", f"tests/{PROTECTION}/{one['subject_id']}",
        "controls/one?framework=SOC+2&control=CC8.1", "search?q=bill", "members/print",
    ]  # fmt: skip


def test_no_page_hangs_out_of_a_phone_reads_like_a_terminal_or_names_things_by_ids(
    busy: list[str], demo: Database, visit: Enter
) -> None:
    phone = visit("op", "ada", width=320)
    expect(phone.open(busy[5]).locator("dl.facts").first).to_contain_text("owned by olga, until 20")
    found = []
    for path in (*PAGES, *FORMS, *busy):
        text = phone.open(path).locator("body").inner_text()
        found += phone.hanging()
        found += [f"{path}: {one[0]}" for one in COMMAND.finditer(text)]
        found += [f"{path}: {text[max(0, one.start() - 40) : one.end()]!r}" for one in UUID.finditer(text)]
    assert found == []


def columns_that_are_lost(page: Page, path: str) -> list[str]:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    return lost(page)


def test_ordinary_addresses_and_long_words_take_no_column_away(busy: list[str], demo: Database, visit: Enter) -> None:
    """At the width of a usual window: owners, submitters and reasons as they are in a large company."""
    person = "airflow:maximiliane.von-und-zu-oberbergheim@subsidiary.example.com"
    demo.execute(
        "INSERT INTO registry.exceptions (workspace, test_id, scope, target, owner, reason, expires_at, requested_by)"
        " SELECT 'demo-workspace', %s, 'pattern', '*', %s, repeat('w', 300), now() + interval '9 days', %s"
        " FROM generate_series(1, 3)",
        (PROTECTION, person, person),
    )
    demo.execute("UPDATE compliance.results SET reason = repeat('long words ', 90) WHERE test_id = %s", (PROTECTION,))
    ada = visit("op", "ada", width=1440)
    for path in ("exceptions", "evidence", f"tests/{PROTECTION}", "members", "imports", "audit"):
        assert columns_that_are_lost(ada.open(path), path) == [], path
    # Long text is cut off after some lines, and whole when somebody looks at it.
    page = ada.open(f"tests/{PROTECTION}")
    cell = page.locator("main .clamp", has_text="long words").first
    short = cell.evaluate("one => one.clientHeight")
    assert cell.evaluate("one => one.scrollHeight > one.clientHeight") and short < 130
    cell.hover()
    assert cell.evaluate("one => one.clientHeight") > short


def test_a_state_is_told_by_word_shape_and_colour(demo: Database, visit: Enter) -> None:
    looks = set()
    for dark in (False, True):
        vic = visit("viewer", "vic", dark=dark)
        page = vic.open("tests/branch_protection_enforced?sort=status")
        for word in ("failing", "pending", "passing"):
            state = page.locator("main .status", has_text=re.compile(f"^{word}$")).first
            if not state.count():
                page = vic.open(f"tests/branch_protection_enforced?status={word}")
            shape = state.evaluate("one => getComputedStyle(one, '::before').borderRadius")
            looks.add((dark, word, shape == "0px", state.evaluate("one => getComputedStyle(one).color")))
        assert vic.serious() == []
    assert len({look[3] for look in looks}) == 6
    assert {(word, square) for _, word, square, _ in looks} == {
        ("failing", True), ("pending", False), ("passing", False),
    }  # fmt: skip


def test_what_is_copied_lies_in_the_clipboard(empty: Database, visit: Enter) -> None:
    """Callback and scopes of the OAuth consumer, on the page of the steps."""
    Published(empty)
    ada = visit("admin", "ada")
    page = ada.open("integrations")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=ada.airflow.url)
    if not page.locator("#consumer").evaluate("one => one.open"):
        page.locator("#consumer > summary").click()
    for name, place in (("Copy the callback URL", "callback"), ("Copy the list of scopes", "five-scopes")):
        page.get_by_role("button", name=name).click()
        expect(page.get_by_role("button", name="Copied").first).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == page.locator(f"#{place}").inner_text()
    assert page.locator("#callback").inner_text().endswith("/compliance/integrations/callback")
    assert ada.faults() == []
