"""The frame around every page: navigation with what waits, what is wrong with the data, workspace, person, errors."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from markupsafe import Markup

from compliance_console_app.web.listing import Listing
from compliance_console_app.web.navigation import GROUPS
from compliance_console_app.web.pages import last_day, moment
from compliance_console_app.web.tables import labelled
from tests.conftest import Database
from tests.console.conftest import OpenConsole
from tests.console.world import WORKSPACE, Published

PAGES = ("/", *(f"/{entry.path}" for group in GROUPS for entry in group.entries if not entry.of_several))


@pytest.fixture
def world(database: Database) -> Published:
    """A workspace with one failing repository and one member to review."""
    made = Published(database)
    database.execute(
        "INSERT INTO compliance.tests (test_id, test_title, severity, subject_type, display_order, enabled, manual)"
        " SELECT 'branch_protection_enforced', 'Protected', 'high', 'repository', 1, true, false"
        " WHERE NOT EXISTS (SELECT 1 FROM compliance.tests WHERE test_id = 'branch_protection_enforced')"
    )
    made.repository("payments")
    made.member("Ann")
    database.execute("UPDATE integration.runs SET finished_at = now(), status = 'published'")
    return made


def banners(text: str) -> dict[str, str]:
    """By kind, what the banners of a page say, with where their buttons lead."""
    found = re.findall(r'<p class="banner" data-kind="(\w+)">(.*?)</p>', text)
    return {kind: " ".join(re.sub(r"<(?!a )[^>]+>", "", said).split()) for kind, said in found}


def test_every_page_has_the_navigation_and_marks_where_it_is(open_console: OpenConsole, world: Published) -> None:
    console = open_console("admin")
    for path in PAGES:
        text = console.get(path).text
        for group in GROUPS:
            assert f">{group.label}" in text
        assert text.count('aria-current="page"') >= 1, path
        assert "Sign out" in text and "UTC" in text, path


def test_the_navigation_counts_what_waits(open_console: OpenConsole, world: Published, database: Database) -> None:
    console = open_console("viewer")
    text = console.get("/tests").text
    assert re.search(r'Members <span class="count">1<span class="hidden"> access to review', text)
    assert "to decide" not in text
    database.execute(
        "INSERT INTO registry.exceptions (workspace, test_id, scope, target, owner, reason, expires_at, requested_by)"
        " VALUES (%s, 'branch_protection_enforced', 'project', 'CORE', 'airflow:bo', 'r',"
        " now() + interval '9 days', 'airflow:bo')",
        (WORKSPACE,),
    )
    assert re.search(r'Exceptions <span class="count">1<span class="hidden"> to decide', console.get("/tests").text)


def test_a_healthy_workspace_has_no_banner(open_console: OpenConsole, world: Published) -> None:
    assert banners(open_console("viewer").get("/").text) == {}


def run(database: Database, status: str, *, ago: str, error: str | None = None) -> None:
    database.execute(
        "INSERT INTO integration.runs (run_id, workspace, status, policy_version, started_at, finished_at, error)"
        " VALUES (gen_random_uuid()::text, %s, %s, 'p', now() - %s::interval, now() - %s::interval, %s)",
        (WORKSPACE, status, ago, ago, error),
    )


def event(database: Database, ago: str) -> None:
    database.execute(
        "INSERT INTO integration.webhook_events"
        " (conn_id, workspace, hook_id, event_key, request_id, body_hash, received_at)"
        " VALUES ('bitbucket_default', %s, '{h}', 'repo:updated', 'r', 'b', now() - %s::interval)",
        (WORKSPACE, ago),
    )


def test_a_failed_run_is_told_with_its_reason_and_since_when(
    open_console: OpenConsole, world: Published, database: Database
) -> None:
    database.execute("UPDATE integration.runs SET started_at = now() - interval '9 hours'")
    database.execute("UPDATE integration.runs SET finished_at = started_at")
    run(database, "failed", ago="3 hours", error="Bitbucket did not answer")
    run(database, "failed", ago="1 hour", error="Bitbucket did not answer again")
    console = open_console("viewer")
    for path in PAGES:
        said = banners(console.get(path).text)
        assert list(said) == ["run_failed"], path
    assert "Bitbucket did not answer again" in said["run_failed"]
    assert "3 hours ago" in said["run_failed"]
    assert "runs/" in said["run_failed"]


def test_old_results_and_waiting_events_are_told(
    open_console: OpenConsole, world: Published, database: Database
) -> None:
    database.execute(
        "UPDATE integration.runs SET started_at = now() - interval '3 days', finished_at = now() - interval '3 days'"
    )
    event(database, "20 minutes")
    assert "Sync now" in banners(open_console("op").get("/audit").text)["old"]
    said = banners(open_console("viewer").get("/audit").text)
    assert set(said) == {"old", "events"}
    assert "3 days ago" in said["old"] and "Look at the connection" in said["old"]
    assert said["events"].startswith("1 event of Bitbucket waits") and "20 minutes ago" in said["events"]


def test_events_that_have_only_come_are_no_trouble(
    open_console: OpenConsole, world: Published, database: Database
) -> None:
    event(database, "1 minute")
    assert banners(open_console("viewer").get("/").text) == {}


def test_a_connection_that_was_ended_is_told(open_console: OpenConsole, world: Published, database: Database) -> None:
    database.execute(
        "INSERT INTO integration.connection_events (conn_id, event) VALUES ('bitbucket_default', 'disconnected')"
    )
    for role, button in (("op", "Connect"), ("viewer", "Look at the connection")):
        console = open_console(role)
        for path in PAGES:
            said = banners(console.get(path).text)
            assert "bitbucket_default is disconnected" in said["disconnected"], path
            assert "integrations" in said["disconnected"] and button in said["disconnected"]


def test_an_unknown_workspace_shows_nobody_elses_numbers(open_console: OpenConsole, world: Published) -> None:
    console = open_console("admin")
    for path in PAGES:
        answer = console.get(path, params={"workspace": "acme-old"})
        assert answer.status_code == 404, path
        assert "there is no workspace &#39;acme-old&#39; here" in answer.text
        assert "payments" not in answer.text
        assert '<nav aria-label="Compliance"' in answer.text
        assert f"<option>{WORKSPACE}</option>" in answer.text


@pytest.mark.parametrize(("path", "status"), [("/nothing/here", 404), ("/tests/none", 404), ("/runs?page=x", 422)])
def test_errors_keep_the_frame(open_console: OpenConsole, world: Published, path: str, status: int) -> None:
    answer = open_console("viewer").get(path)
    assert answer.status_code == status
    assert '<nav aria-label="Compliance"' in answer.text and "Sign out" in answer.text


def test_what_is_not_allowed_keeps_the_frame(open_console: OpenConsole, world: Published) -> None:
    answer = open_console("viewer").get("/evidence/new")
    assert answer.status_code == 403
    assert '<nav aria-label="Compliance"' in answer.text


def test_signing_in_leads_back_to_the_page_with_its_query(open_console: OpenConsole) -> None:
    answer = open_console(None).get("/tests/repo_classified?status=failing&words=a")
    assert answer.status_code == 401
    assert "api/v2/auth/login?next=%2Ftests%2Frepo_classified%3Fstatus%3Dfailing%26words%3Da" in answer.text


def test_within_airflow_nothing_leads_to_airflow(open_console: OpenConsole, world: Published) -> None:
    framed = {"Sec-Fetch-Dest": "iframe"}
    for path in ("/", "/runs/run"):
        text = open_console("viewer").get(path, headers=framed).text
        assert "Sign out" not in text and "open in Airflow" not in text and ">Airflow</a>" not in text
    assert "auth/login" not in open_console(None).get("/", headers=framed).text


def test_every_cell_of_a_table_knows_its_column() -> None:
    rows = Markup('<tr><td><input></td><th scope="row">a</th><td class="wide">long</td></tr>')
    told = str(labelled(rows, [("name", "Na&me"), "Why"], ["Why"], True))
    assert '<th scope="row">a</th>' in told
    assert '<td data-label="Why" class="less wide"><div class="clamp">long</div></td>' in told


@pytest.mark.parametrize(
    ("number", "total", "jumps"),
    [(1, 40, []), (1, 200, [1, 2, 3, 4]), (10, 1000, [1, None, 8, 9, 10, 11, 12, None, 20])],
)
def test_a_pager_jumps_to_the_ends_and_the_neighbours(number: int, total: int, jumps: list[Any]) -> None:
    assert Listing("x", number=number, total=total).jumps == jumps


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Los_Angeles"])
def test_a_last_day_is_shown_as_it_was_typed(zone: str) -> None:
    end = datetime(2027, 2, 1, tzinfo=ZoneInfo(zone))
    assert last_day(end.astimezone(UTC), zone) == "2027-01-31"


def test_times_are_in_the_zone_that_was_asked_for_until_another_is(open_console: OpenConsole, world: Published) -> None:
    console = open_console("viewer")
    assert "2026-01-01 00:00 UTC" in console.get("/changes?since=2026-01-01&time_zone=Nowhere/None").text
    asked = console.get("/changes?since=2026-01-01&search=%3Cb%3E&time_zone=Europe/Berlin&code=1").text
    assert "2026-01-01 01:00 CET" in asked
    assert '<input type="hidden" name="since" value="2026-01-01">' in asked
    assert 'name="search" value="&lt;b&gt;"' in asked and 'name="code"' not in asked
    assert "2026-01-01 01:00 CET" in console.get("/changes?since=2026-01-01").text
    assert "2026-01-01 00:00 UTC" in console.get("/changes?since=2026-01-01&time_zone=UTC").text


@pytest.mark.parametrize(
    ("zone", "told"),
    [("UTC", "2026-07-01 12:00 UTC"), ("America/Sao_Paulo", "2026-07-01 09:00 UTC-03:00")],
)
def test_a_zone_without_a_name_says_how_far_it_is(zone: str, told: str) -> None:
    assert moment(datetime(2026, 7, 1, 12, tzinfo=UTC), zone) == told
