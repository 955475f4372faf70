"""The dashboard in a browser: what it shows is what SQL says, and nothing leaves the machine."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Page
from psycopg.rows import dict_row

from local.superset import FOLDER
from tests.dashboards.browser.looking import Dashboard
from tests.dashboards.world import Served

pytestmark = pytest.mark.slow

CHARTS = [
    "Score",
    "Undecided",
    "Failing",
    "Overdue",
    "Out of date",
    "Bypassed",
    "Shown as of",
    "Score over time",
    "Failing by severity over time",
    "Not known over time",
    "Ends within 30 days",
    "Pass rate of each test",
    "Open findings by age",
    "Worst repositories",
    "Members to review",
    "Not decided, and why",
    "Open findings",
    "Controls",
    "Runs",
]


@pytest.fixture
def ask(demo: str) -> Callable[..., list[dict[str, Any]]]:
    def rows(statement: str, *values: object) -> list[dict[str, Any]]:
        with psycopg.connect(demo, row_factory=dict_row) as connection:
            return connection.execute(statement, values).fetchall()  # type: ignore[arg-type]

    return rows


Ask = Callable[..., list[dict[str, Any]]]


def test_every_chart_is_there_and_none_failed(opened: Dashboard) -> None:
    assert opened.names() == CHARTS
    assert opened.refused == []
    assert opened.page.locator(".ant-alert-error, [data-test=chart-error]").count() == 0
    assert opened.page.get_by_text("No results were returned").count() == 0
    drawn = ("Score over time", "Failing by severity over time", "Not known over time", "Open findings by age")
    assert all(opened.chart(name).locator("canvas").count() for name in drawn)


def test_failing_by_severity_is_drawn_as_lines_that_do_not_lie_on_each_other(opened: Dashboard) -> None:
    """A severity's line stands at its own number: none begins where another one ends."""
    drawn = opened.page.evaluate(
        """async () => {
            const all = (await (await fetch('/api/v1/chart/?q=(page_size:100)')).json()).result;
            return all.map(one => [one.slice_name, one.viz_type, JSON.parse(one.params).stack ?? null]);
        }"""
    )
    over_time = {name: (kind, stack) for name, kind, stack in drawn if name.endswith("over time")}
    assert len(over_time) == 3
    assert over_time["Failing by severity over time"] == ("echarts_timeseries_line", None)


def test_score_failing_overdue_and_undecided_are_those_of_workspace_score(opened: Dashboard, ask: Ask) -> None:
    (row,) = ask("SELECT * FROM compliance.workspace_score")
    assert opened.number("Score") == f"{row['score']}%"
    assert opened.number("Failing") == str(row["failing"])
    assert opened.number("Overdue") == str(row["overdue"])
    assert opened.number("Undecided") == str(row["pending"] + row["error"])
    assert opened.number("Out of date") == str(row["stale"])
    assert opened.number("Bypassed") == str(row["bypassed"])
    assert row["failing"] > row["overdue"] > 0


def test_pass_rates_are_those_of_test_summary_the_lowest_first(opened: Dashboard, ask: Ask) -> None:
    expected = ask("SELECT * FROM compliance.test_summary WHERE enabled ORDER BY score")
    shown = opened.table("Pass rate of each test")
    rates = [row[2] for row in shown]
    assert rates == [f"{row['score']}%" if row["score"] is not None else "N/A" for row in expected]
    assert sorted((row[0], row[3], row[4], row[5]) for row in shown) == sorted(
        (row["test_title"], str(row["passing"]), str(row["failing"]), str(row["pending"] + row["error"]))
        for row in expected
    )


def test_the_worst_repositories_are_those_with_the_heaviest_open_findings(opened: Dashboard, ask: Ask) -> None:
    expected = ask(
        "SELECT subject_name, count(*) AS found, sum(weights.weight) AS weight"
        " FROM compliance.open_findings JOIN compliance.severity_weights AS weights USING (severity)"
        " WHERE subject_type = 'repository' GROUP BY subject_name"
    )
    weights = {row["subject_name"]: (row["weight"], str(row["found"])) for row in expected}
    shown = [(row[0], row[2]) for row in opened.table("Worst repositories")]
    assert [weights[name][0] for name, _ in shown] == sorted((w for w, _ in weights.values()), reverse=True)[:10]
    assert all(weights[name][1] == found for name, found in shown)


def test_members_to_review_are_those_the_roster_does_not_vouch_for(opened: Dashboard, ask: Ask) -> None:
    expected = ask(
        "SELECT display_name FROM compliance.members WHERE needs_review UNION"
        " SELECT subject_name FROM compliance.current_results"
        " WHERE test_id = 'offboarded_access_removed' AND status = 'failing'"
    )
    shown = [row[0] for row in opened.table("Members to review")]
    assert expected and sorted(shown) == sorted(row["display_name"] for row in expected)


def test_what_was_not_decided_is_shown_with_its_reason_and_the_way_out(opened: Dashboard, ask: Ask) -> None:
    expected = ask("SELECT meaning, remediation, sum(subjects) AS subjects FROM compliance.undecided GROUP BY 1, 2")
    shown: dict[tuple[str, str], int] = {}
    for row in opened.table("Not decided, and why"):
        shown[(row[2], row[3])] = shown.get((row[2], row[3]), 0) + int(row[4])
    assert shown == {(row["meaning"], row["remediation"]): row["subjects"] for row in expected}


def test_a_name_with_markup_is_shown_and_not_obeyed(opened: Dashboard) -> None:
    names = [row[2] for row in opened.table("Open findings")]
    assert "<b>Oskar</b> Pell" in names


def test_a_row_leads_to_its_page_in_the_console(opened: Dashboard) -> None:
    links = opened.chart("Open findings").locator("tbody a")
    address = links.first.get_attribute("href") or ""
    assert re.fullmatch(r"http://localhost:8080/compliance/tests/[a-z_]+/%7B[0-9a-f-]+%7D\?workspace=[a-z-]+", address)


def test_it_says_as_of_which_run(opened: Dashboard, ask: Ask) -> None:
    expected = ask("SELECT workspace, run_id FROM compliance.runs WHERE status = 'published' ORDER BY finished_at DESC")
    (shown,) = opened.table("Shown as of")
    assert (shown[0], shown[3]) == (expected[0]["workspace"], expected[0]["run_id"])


def test_controls_are_those_of_control_status(opened: Dashboard, ask: Ask) -> None:
    expected = ask("SELECT framework, control, state FROM compliance.control_status ORDER BY 1, 2 LIMIT 10")
    shown = opened.table("Controls")
    assert [(row[0], row[1], row[4]) for row in shown] == [tuple(row.values()) for row in expected]


def test_what_ends_soon_is_shown_the_next_first(opened: Dashboard, ask: Ask) -> None:
    expected = ask("SELECT kind, results FROM compliance.expiring ORDER BY ends_at")
    shown = opened.table("Ends within 30 days")
    assert expected and [(row[0], row[5]) for row in shown] == [(row["kind"], str(row["results"])) for row in expected]


def test_a_phone_is_sent_to_the_console(server: Served, new_page: Callable[[], Page]) -> None:
    page = new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    shown = Dashboard(page, server)
    shown.sign_in("viewer", "viewer-password")
    page.locator(".dashboard-content").wait_for()
    note = page.evaluate("getComputedStyle(document.querySelector('.dashboard-content'), '::before').content")
    assert "console" in note


def test_nothing_is_fetched_from_outside_this_machine(opened: Dashboard) -> None:
    assert opened.left_the_machine == []


def test_a_filter_changes_what_it_is_about(server: Served, new_page: Callable[[], Page], ask: Ask) -> None:
    shown = Dashboard(new_page(), server)
    shown.sign_in("viewer", "viewer-password")
    shown.open()
    before = shown.table("Members to review")
    shown.filter_by("project", "CORE")
    (row,) = ask(
        "SELECT count(*) FILTER (WHERE status = 'failing') AS failing,"
        " round(100.0 * sum(weight) FILTER (WHERE status = 'passing')"
        "   / sum(weight) FILTER (WHERE status IN ('passing', 'failing')), 1) AS score"
        " FROM compliance.current_results AS results"
        " JOIN compliance.severity_weights USING (severity)"
        " JOIN compliance.repositories AS repositories ON repositories.repository_id = results.subject_id"
        " WHERE repositories.project_key = 'CORE'"
    )
    assert shown.number("Failing") == str(row["failing"])
    assert shown.number("Score") == f"{row['score']}%"
    assert {cells[1] for cells in shown.table("Worst repositories")} == {"CORE"}
    assert shown.table("Members to review") == before


def test_a_viewer_sees_the_dashboard_and_can_neither_query_nor_change(
    server: Served, new_page: Callable[[], Page]
) -> None:
    shown = Dashboard(new_page(), server)
    shown.sign_in("viewer", "viewer-password")
    shown.open()
    assert shown.names() == CHARTS
    assert shown.page.get_by_role("button", name="Edit dashboard").count() == 0
    answer = shown.page.goto(f"{server.url}/sqllab/")
    assert answer is not None and answer.status == 403
    tried = shown.page.evaluate(
        """async () => {
            const token = (await (await fetch('/api/v1/security/csrf_token/')).json()).result;
            const headers = {'X-CSRFToken': token, 'Content-Type': 'application/json'};
            const body = JSON.stringify({dashboard_title: 'mine'});
            return (await fetch('/api/v1/dashboard/', {method: 'POST', headers, body})).status;
        }"""
    )
    assert tried == 403


def test_nobody_sees_anything_without_a_login(server: Served, new_page: Callable[[], Page]) -> None:
    page = new_page()
    page.goto(server.page)
    assert "/login" in page.url
    asked = page.evaluate("async () => (await fetch('/api/v1/chart/')).status")
    assert asked == 401


def test_exporting_writes_the_files_that_were_imported(server: Served, tmp_path: Path) -> None:
    folder = tmp_path / "assets"
    server.superset.export(folder)
    written, kept = (
        {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in root.rglob("*.yaml")}
        for root in (folder, FOLDER / "assets")
    )
    assert written == kept


def test_preparing_again_keeps_what_somebody_changed_in_the_browser(server: Served, tmp_path: Path) -> None:
    import sqlite3

    tables = sqlite3.connect(server.superset.home / "superset.db")
    with tables:
        tables.execute("UPDATE dashboards SET dashboard_title = 'Ours' WHERE slug = 'compliance'")
    server.superset.prepare()
    titles = tables.execute("SELECT dashboard_title FROM dashboards WHERE slug = 'compliance'").fetchall()
    with tables:
        tables.execute("UPDATE dashboards SET dashboard_title = 'Bitbucket compliance' WHERE slug = 'compliance'")
    tables.close()
    assert titles == [("Ours",)]
