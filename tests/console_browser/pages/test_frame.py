"""The frame around every page: what is wrong with the data, the bar, tables that stay readable, keyboard, errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from playwright.sync_api import Page, expect

from compliance_console_app.web.navigation import GROUPS
from tests.console.world import Published
from tests.console_browser.pages.looking import Guest, box, top_of, words

Enter = Callable[..., Guest]
Database = psycopg.Connection[dict[str, Any]]
PAGES = ("", *(entry.path for group in GROUPS for entry in group.entries if not entry.of_several))
RUN = (
    "INSERT INTO integration.runs (run_id, workspace, status, policy_version, started_at, finished_at, error)"
    " VALUES ('failed', 'demo-workspace', '{}', 'p', now() - interval '{}', now() - interval '{}', {})"
)
#: each state: what makes it, its words, since when, its button, and the page that it leads to
STATES: dict[str, tuple[tuple[str, ...], str, str, str, str]] = {
    "disconnected": (
        (
            "INSERT INTO integration.connection_events (conn_id, event, at)"
            " VALUES ('bitbucket_default', 'disconnected', now() - interval '5 hours')",
        ),
        "bitbucket_default is disconnected: nothing new is read",
        "5 hours ago",
        "Connect",
        "Integrations",
    ),
    "needs_reconnect": (
        (
            "SET ROLE compliance_vault",
            "INSERT INTO integration.token_vault (conn_id, consumer, access_token, refresh_token, expires_at, status,"
            " status_reason, status_since, connected_by, connected_at) VALUES ('bitbucket_default', 'k', 'a', 'r',"
            " now(), 'needs_reconnect', 'Bitbucket took the grant back.', now() - interval '4 hours', 'airflow:ada',"
            " now() - interval '9 days')",
            "RESET ROLE",
        ),
        "needs a new consent: Bitbucket took the grant back.",
        "4 hours ago",
        "Reconnect",
        "Integrations",
    ),
    "run_failed": (
        (
            "UPDATE integration.runs SET started_at = started_at - interval '6 hours', finished_at = finished_at"
            " - interval '6 hours'",
            RUN.format("failed", "3 hours", "3 hours", "'Bitbucket did not answer'"),
        ),
        "The last run failed, so results are those of the run before: Bitbucket did not answer.",
        "3 hours ago",
        "Look at the run",
        "Run of",
    ),
    "held_back": (
        (
            "UPDATE integration.runs SET started_at = started_at - interval '6 hours', finished_at = finished_at"
            " - interval '6 hours'",
            RUN.format("gate_failed", "2 hours", "2 hours", "'the listing shrank'"),
        ),
        "The last run was held back by a quality gate, so results are those of the run before: the listing shrank.",
        "2 hours ago",
        "Look at the run",
        "Run of",
    ),
    "old": (
        (
            "UPDATE integration.runs SET started_at = started_at - interval '3 days',"
            " finished_at = finished_at - interval '3 days'",
        ),
        "Results are older than a day",
        "3 days ago",
        "Sync now",
        "Integrations",
    ),
    "events": (
        (
            "INSERT INTO integration.webhook_events (conn_id, workspace, hook_id, event_key, request_id, body_hash,"
            " received_at) SELECT 'bitbucket_default', 'demo-workspace', '{h}', 'repo:updated', number, number,"
            " now() - interval '20 minutes' FROM generate_series(1, 1200) AS number",
        ),
        "1,200 events of Bitbucket wait to be answered",
        "20 minutes ago",
        "See the webhooks",
        "Integrations",
    ),
}


@pytest.mark.parametrize("state", STATES)
def test_what_is_wrong_with_the_data_is_told_with_reason_since_when_and_button(
    demo: Database, visit: Enter, state: str
) -> None:
    statements, text, ago, button, leads_to = STATES[state]
    for statement in statements:
        demo.execute(statement)  # type: ignore[arg-type]
    ada = visit("op", "ada")
    page = ada.open("")
    banner = page.get_by_role("region", name="State of the data").locator(".banner")
    expect(banner).to_have_count(1)
    expect(banner).to_contain_text(text)
    expect(banner).to_contain_text(re.compile(rf"Since \d{{4}}-\d\d-\d\d \d\d:\d\d UTC \({ago}\)"))
    # It stands in the work queue, too.
    expect(page.get_by_role("region", name="What needs somebody")).to_contain_text(text[:40])
    assert box(banner)["y"] < top_of(page, "h1")
    assert ada.faults() == []
    ada.go(banner.get_by_role("link", name=button))
    expect(page.get_by_role("heading", level=1)).to_contain_text(leads_to)


def test_it_is_told_on_every_page(demo: Database, visit: Enter) -> None:
    for statement in STATES["run_failed"][0]:
        demo.execute(statement)  # type: ignore[arg-type]
    vic = visit()
    for path in PAGES:
        expect(vic.open(path).locator(".banner[data-kind=run_failed]")).to_be_visible()


def test_the_bar_names_workspace_person_and_pages_by_group(demo: Database, visit: Enter) -> None:
    vic = visit()
    page = vic.open("tests")
    bar = page.locator("header.top")
    groups = bar.get_by_role("navigation").locator("summary")
    labels = groups.evaluate_all("all => all.map(one => one.firstChild.data.trim())")
    assert labels == ["Results", "Inventory", "Decisions", "Operations"]
    expect(bar).to_contain_text("demo-workspace")
    expect(bar.get_by_role("searchbox", name="Search everything")).to_be_visible()
    # On one line of a usual window.
    assert box(bar)["height"] < 70
    for group in GROUPS:
        bar.locator("summary", has_text=group.label).click()
        shown = bar.locator("details[open]").get_by_role("link")
        told = [words(one) for one in shown.all_inner_texts()]
        assert [one.split(" ")[0] for one in told] == [entry.label for entry in group.entries if not entry.of_several]
    page.keyboard.press("Escape")
    expect(bar.locator("details[open]")).to_have_count(0)
    bar.locator("summary", has_text="vic").click()
    menu = bar.locator(".person .panel")
    expect(menu).to_contain_text("Signed in as vic")
    expect(menu.get_by_role("link", name="Sign out")).to_have_attribute("href", re.compile("api/v2/auth/logout$"))
    expect(menu).to_contain_text("UTC")
    assert vic.faults() == []
    # A click elsewhere closes it.
    page.locator("h1").click()
    expect(menu).to_be_hidden()


def test_within_airflow_there_is_no_way_to_a_second_airflow(demo: Database, visit: Enter) -> None:
    """Airflow shows the console in a frame: what leads to Airflow stays out of it."""
    vic = visit()
    around = vic.airflow.url + "/around"
    vic.page.route(around, lambda route: route.fulfill(
        content_type="text/html", body='<title>Airflow</title><iframe src="/compliance/runs" width="1200" height="800">'
    ))  # fmt: skip
    vic.page.goto(around)
    inside = vic.page.frame_locator("iframe")
    inside.locator(".person summary").click()
    expect(inside.locator(".person .panel")).to_contain_text("Signed in as vic")
    expect(inside.get_by_role("link", name="Airflow")).to_have_count(0)
    expect(inside.get_by_role("link", name="Sign out")).to_have_count(0)
    inside.locator("main tbody th a").first.click()
    expect(inside.get_by_role("heading", level=1)).to_contain_text("Run of")
    expect(inside.get_by_role("link", name="open in Airflow")).to_have_count(0)


def scrolled(page: Page, *, down: int = 0, right: int = 0) -> None:
    page.evaluate("([x, y]) => window.scrollTo(x, y)", [right, down])
    page.wait_for_timeout(50)


@pytest.fixture
def large(empty: Database, visit: Enter) -> Published:
    """A workspace with 1,234 repositories."""
    world = Published(empty)
    world.many(1234)
    empty.execute("UPDATE integration.runs SET finished_at = now()")
    return world


def test_header_and_first_column_stay_in_sight(large: Published, visit: Enter) -> None:
    vic = visit("viewer", "vic", width=1440)
    page = vic.open("repositories")
    header = page.locator("main thead th").first
    assert box(header)["y"] > 100
    scrolled(page, down=900)
    assert box(header)["y"] == pytest.approx(0, abs=2)
    # Not transparent: rows go below it.
    assert header.evaluate("one => getComputedStyle(one).backgroundColor") != "rgba(0, 0, 0, 0)"
    hit = page.evaluate("document.elementFromPoint(40, 8).closest('thead') !== null")
    assert hit
    # The table takes the width that there is.
    assert box(page.locator("main table").first)["width"] > 1440 * 0.9


def test_on_a_narrow_window_the_name_stays_while_columns_go_by(demo: Database, visit: Enter) -> None:
    """A table with more columns than a tablet holds is scrolled beside its first column."""
    vic = visit("viewer", "vic", width=700)
    page = vic.open("members")
    region = page.get_by_role("region", name="Members", exact=True)
    name = region.locator("tbody th").first
    assert name.evaluate("one => getComputedStyle(one).position") == "sticky"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    before = box(name)["x"]
    region.evaluate("one => { one.querySelector('table').style.width = '1500px'; one.scrollLeft = 300; }")
    assert region.evaluate("one => one.scrollLeft") == 300
    assert box(name)["x"] == pytest.approx(before, abs=2)


def test_a_table_says_what_it_hides(demo: Database, visit: Enter) -> None:
    vic = visit("viewer", "vic", width=800)
    for path in ("members", "repositories", "findings", "runs", "exceptions", "evidence"):
        page = vic.open(path)
        for region in page.locator("main .scroll").all():
            hidden = region.locator("thead th").evaluate_all(
                "all => all.filter(one => getComputedStyle(one).display === 'none').map(one => one.textContent.trim())"
            )
            note = region.evaluate(
                "one => one.previousElementSibling?.checkVisibility() ? one.previousElementSibling.innerText : ''"
            )
            told = note.removeprefix("Not shown at this width: ").rstrip(".").split(", ") if hidden else []
            assert [one.strip(" ▲▼") for one in hidden] == told, path


def test_figures_have_thousands_separators_and_a_pager_jumps(large: Published, visit: Enter) -> None:
    vic = visit("op", "ada")
    page = vic.open("repositories")
    pager = page.get_by_role("navigation", name="Pages of repositories", exact=True)
    expect(pager).to_contain_text("1–50 of 1,234")
    expect(page.get_by_text("All 1,234 that the filter finds")).to_be_visible()
    assert [words(one) for one in pager.locator("[aria-current], a[aria-label]").all_inner_texts()] == [
        "1",
        "2",
        "3",
        "25",
    ]
    vic.go(pager.get_by_role("link", name="Page 25"))
    expect(pager).to_contain_text("1,201–1,234 of 1,234")
    expect(pager.locator("[aria-current=page]")).to_have_text("25")
    assert len(vic.rows("Repositories")) == 34
    vic.go(pager.get_by_role("link", name="Previous page"))
    expect(pager.locator("[aria-current=page]")).to_have_text("24")
    vic.go(pager.get_by_role("link", name="Page 1", exact=True))
    vic.go(pager.get_by_role("link", name="Next page"))
    expect(pager.locator("[aria-current=page]")).to_have_text("2")
    assert vic.faults() == []


def test_times_have_seconds_where_their_order_matters(demo: Database, visit: Enter) -> None:
    vic = visit()
    page = vic.open("tests/repo_classified")
    vic.go(page.locator("main tbody td a").first)
    facts = vic.facts()
    stamp = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC")
    read, judged = stamp.match(facts["Data read"]), stamp.match(facts["Judged"])
    assert read and judged and judged[1] >= read[1]
    assert all(stamp.match(row["From"]) for row in vic.rows("History"))
    assert vic.faults() == []


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("nothing/here", 404, "No such page"),
        ("tests/none", 404, "No such page"),
        ("repositories/none", 404, "No such page"),
        ("runs?page=x", 422, "This can't be read"),
        ("evidence/new", 403, "Not allowed"),
        ("findings?workspace=elsewhere", 404, "No such page"),
    ],
)
def test_errors_keep_the_frame(demo: Database, visit: Enter, path: str, status: int, told: str) -> None:
    vic = visit()
    assert vic.refused(path)[0] == status
    page = vic.page
    expect(page.get_by_role("heading", level=1)).to_have_text(told)
    expect(page.locator(".person summary")).to_contain_text("vic")
    assert vic.faults() == []
    page.locator(".groups summary", has_text="Results").click()
    vic.go(page.get_by_role("link", name="Findings"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Findings")
    vic.complaints.clear()


def test_an_unknown_workspace_shows_nobodys_numbers(demo: Database, visit: Enter) -> None:
    vic = visit()
    for path in PAGES:
        status, text = vic.refused(f"{path}?workspace=elsewhere")
        assert status == 404 and "there is no workspace 'elsewhere' here" in text, path
        assert vic.page.locator("main table, main .tile").count() == 0
    # It is not remembered either.
    expect(vic.open("tests").locator("header.top .workspace")).to_contain_text("demo-workspace")


def test_everything_is_reached_by_the_keyboard_and_what_has_the_focus_is_seen(demo: Database, visit: Enter) -> None:
    page = visit("op", "ada").open("findings?test_id=repo_classified")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    assert box(skip)["x"] >= 0 and box(skip)["y"] >= 0
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null"), "what comes next lies in the content"
    # The bar, in the order in which it is read; a menu opens by Enter and closes by Escape, where one was.
    page.reload()
    seen = []
    for _ in range(7):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate("(document.activeElement.innerText || document.activeElement.name).trim().split(/\\s/)[0]")
        )
    assert seen == ["Skip", "Compliance", "Results", "Inventory", "Decisions", "Operations", "q"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Imports")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Integrations")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".groups summary", has_text="Operations")).to_be_focused()
    # Whatever has the focus has a ring.
    without = []
    for _ in range(60):
        page.keyboard.press("Tab")
        without += page.evaluate(
            """() => {
                const one = document.activeElement, style = getComputedStyle(one);
                const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
                return ring || one === document.body ? [] : [one.outerHTML.slice(0, 80)];
            }"""
        )
        if page.evaluate("document.activeElement === document.body"):
            break
    assert without == []


def test_the_last_day_is_shown_as_it_was_typed_where_days_end_elsewhere(demo: Database, visit: Enter) -> None:
    """In Auckland the day ends half a day before it does in UTC."""
    demo.execute(
        "INSERT INTO registry.policy_overrides (workspace, body, set_by, reason) VALUES ('demo-workspace',"
        " '{\"thresholds\": {\"time_zone\": \"Pacific/Auckland\"}}', 'os:ada', 'r')"
    )
    ada = visit("op", "ada")
    page = ada.open("exceptions/new?test_id=branch_protection_enforced")
    typed = date.fromordinal(datetime.now(UTC).date().toordinal() + 40).isoformat()
    page.get_by_label("What is to be covered").select_option("pattern")
    page.get_by_label("Its name").fill("*")
    page.get_by_label("Owner of the risk").select_option("airflow:ada")
    page.get_by_label("Why it is to be accepted").fill("why")
    page.get_by_label("Last day").fill(typed)
    ada.go(page.get_by_role("button", name="Ask for the exception"))
    expect(page.locator("main dl.facts").first).to_contain_text(f"Last day{typed}")
    ada.open("exceptions")
    assert ada.rows("Exceptions to review")[0]["Until"].startswith(typed)
    bo = visit("op", "bo")
    bo.go(bo.open("exceptions").get_by_role("link", name="*", exact=True).first)
    bo.go(bo.page.get_by_role("button", name="Accept the risk"))
    bo.go(bo.page.get_by_role("region", name="What it covers").get_by_role("link").first)
    assert [row["Until"] for row in bo.rows("Exceptions")] == [typed]


def test_a_list_that_is_cut_off_says_so(demo: Database, visit: Enter) -> None:
    """Exceptions to review, what covers a repository, the past of a verdict, and what a control rests on."""
    demo.execute(
        "INSERT INTO registry.exceptions (workspace, test_id, scope, target, owner, reason, expires_at, requested_by)"
        " SELECT 'demo-workspace', 'branch_protection_enforced', 'pattern', '*', 'airflow:bo', number::text,"
        " now() + interval '9 days', 'airflow:bo' FROM generate_series(1, 120) AS number"
    )
    demo.execute("UPDATE compliance.results SET bypassed = 1 WHERE subject_type = 'repository'")
    [one] = demo.execute(
        "SELECT subject_id FROM compliance.results WHERE test_id = 'repo_classified' LIMIT 1"
    ).fetchall()
    demo.execute(
        "INSERT INTO compliance.result_history SELECT (jsonb_populate_record(null::compliance.result_history,"
        " to_jsonb(history) || jsonb_build_object('valid_from', '2026-01-01'::timestamptz + make_interval(days =>"
        " number), 'valid_to', '2026-01-01'::timestamptz + make_interval(days => number + 1)))).*"
        " FROM compliance.result_history AS history, generate_series(1, 60) AS number"
        " WHERE test_id = 'repo_classified' AND subject_id = %s AND valid_to IS null",
        (one["subject_id"],),
    )
    vic = visit()
    page = vic.open("exceptions")
    assert len(vic.rows("Exceptions to review")) == 100
    expect(page.get_by_text("The first 100 of 120.")).to_be_visible()
    page = vic.open(f"tests/repo_classified/{quote(one['subject_id'], safe='')}")
    assert len(vic.rows("History")) == 50
    expect(page.get_by_text("Only the first 50 are shown.")).to_be_visible()
    page = vic.open("controls/one?framework=SOC+2&control=CC8.1")
    assert len(vic.rows("Rules that merges went around")) == 50
    expect(page.get_by_text("Only the first 50 are shown.")).to_be_visible()


def test_times_are_read_in_the_zone_that_a_person_chose(demo: Database, visit: Enter) -> None:
    """The clock's own zone is offered; what is shown changes by as much, and stays so on every page."""
    # As browsers call it still.
    vic = visit(zone="Asia/Calcutta")
    page = vic.open("runs?page=1")
    utc = [row["Started"] for row in vic.rows("Runs")]
    assert all(one.endswith(" UTC") for one in utc)
    page.locator(".person summary").click()
    page.get_by_label("Times are in").select_option("Asia/Calcutta")
    page.wait_for_url("**/runs?page=1&time_zone=Asia%2FCalcutta")
    there = [row["Started"] for row in vic.rows("Runs")]
    assert all(one.endswith(" IST") for one in there) and len(there) == len(utc) == 2
    for before, after in zip(utc, there, strict=True):
        begins, ends = (datetime.strptime(one[:16], "%Y-%m-%d %H:%M") for one in (before, after))
        assert ends - begins == timedelta(hours=5, minutes=30)
    vic.go(vic.open("tests/repo_classified").locator("main tbody td a").first)
    assert "IST" in vic.facts()["Data read"] and "UTC" not in vic.facts()["Data read"]
    page.locator(".person summary").click()
    expect(page.get_by_label("Times are in")).to_have_value("Asia/Calcutta")
    assert vic.faults() == []
    page.get_by_label("Times are in").select_option("UTC")
    expect(page.locator("dl.facts").first).to_contain_text(" UTC")
