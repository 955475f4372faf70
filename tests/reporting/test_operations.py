"""What operators see of each workspace, and what they are alerted to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.conftest import ROOT, Database
from tests.harness import Pipeline
from tests.pipeline.small import ACME


@pytest.fixture
def judged_database(news: Pipeline) -> Iterator[Database]:
    """An open connection to it; every statement commits by itself."""
    with psycopg.connect(news.dsn, autocommit=True, row_factory=dict_row) as connection:
        yield connection


def alerts(database: Database) -> dict[str, dict[str, Any]]:
    return {row["alert"]: row for row in database.execute("SELECT * FROM compliance.alerts")}


def test_the_row_of_a_workspace_agrees_with_what_it_sums_up(judged_database: Database) -> None:
    database = judged_database
    [row] = database.execute("SELECT * FROM compliance.operations").fetchall()
    runs = database.execute("SELECT * FROM compliance.runs ORDER BY started_at").fetchall()
    results = database.execute("SELECT * FROM compliance.current_results").fetchall()
    assert (row["workspace"], row["last_run_id"], row["published_run_id"]) == (
        ACME,
        runs[-1]["run_id"],
        runs[-1]["run_id"],
    )
    assert row["published_at"] == row["whole_run_published_at"] == runs[-1]["finished_at"]
    assert row["requests_in_a_day"] == sum(run["requests_spent"] for run in runs) > 0
    assert (row["requests_left"], row["coverage"], row["events_waiting"]) == (0, 100, 0)
    assert row["verdicts"] == len(results)
    assert row["undecided"] == sum(one["status"] in ("pending", "error") for one in results) > 0
    assert row["oldest_reading_at"] == min(one["data_as_of"] for one in results if one["data_as_of"])
    assert 0 < row["changed_in_last_run"] < row["verdicts"]
    links = database.execute(
        "SELECT digest FROM compliance.record_links WHERE workspace = %s ORDER BY link DESC", (ACME,)
    ).fetchall()
    assert row["newest_digest"] == links[0]["digest"]
    steps = database.execute(
        "SELECT * FROM compliance.run_steps WHERE run_id = %s", (row["published_run_id"],)
    ).fetchall()
    assert row["step_seconds"] == {step["step"]: float(step["seconds"]) for step in steps}
    assert {"publish", "stage"} <= set(row["step_seconds"])


def test_a_workspace_that_is_fine_has_no_alert(judged_database: Database) -> None:
    assert alerts(judged_database) == {}


@pytest.mark.parametrize(
    ("changes", "alert", "words"),
    [
        (
            "UPDATE integration.runs SET started_at = started_at - interval '30 hours',"
            " finished_at = finished_at - interval '30 hours'",
            "not_published",
            "No whole run of the workspace has published since",
        ),
        ("UPDATE compliance.results SET fresh_until = now() - interval '1 minute'", "late", "older than the policy"),
        (
            "UPDATE staging.coverage SET outcome = 'failed' WHERE repository_id = (SELECT min(repository_id)"
            " FROM staging.coverage WHERE repository_id <> '')",
            "not_covered",
            "Of 2 repositories 50.0 per cent could be read whole",
        ),
        ("DELETE FROM staging.coverage", "not_covered", "Of 2 repositories 0.0 per cent"),
        (
            "UPDATE integration.runs SET plan = plan || '{\"times_too_large\": 2.6}'; UPDATE integration.runs SET"
            " finished_at = finished_at - interval '1 day' WHERE started_at = (SELECT min(started_at)"
            " FROM integration.runs)",
            "too_large",
            "take 2.6 times the requests of a day",
        ),
        (
            "INSERT INTO integration.runs (run_id, workspace, started_at, finished_at, status, policy_version, error)"
            " SELECT 'new', workspace, now(), now(), 'gate_failed', policy_version, 'gate_staging: the listing shrank'"
            " FROM integration.runs LIMIT 1",
            "gate_refused",
            "the listing shrank",
        ),
        (
            "INSERT INTO integration.runs (run_id, workspace, started_at, finished_at, status, policy_version, error)"
            " SELECT 'new', workspace, now(), now(), 'failed', policy_version, 'preflight: the secret is wrong'"
            " FROM integration.runs LIMIT 1",
            "run_failed",
            "the secret is wrong",
        ),
        (
            "INSERT INTO integration.runs (run_id, workspace, started_at, status, policy_version)"
            " SELECT 'new', workspace, now() - interval '25 hours', 'running', policy_version"
            " FROM integration.runs LIMIT 1",
            "run_stuck",
            "The run new has been at work for more than a day",
        ),
        (
            "SET ROLE compliance_vault; INSERT INTO integration.token_vault (conn_id, consumer, access_token,"
            " refresh_token, expires_at, status, status_reason, status_since, connected_by, connected_at) VALUES"
            " ('bitbucket_default', 'k', 'a', 'r', now(), 'needs_reconnect', 'the grant was revoked.', now(), 'os:a',"
            " now()); RESET ROLE",
            "needs_reconnect",
            "Connection bitbucket_default: the grant was revoked",
        ),
        (
            "INSERT INTO integration.webhook_events (received_at, conn_id, workspace, hook_id, event_key, request_id,"
            " body_hash) VALUES (now() - interval '2 hours', 'bitbucket_default', 'acme', 'h', 'repo:push', 'r', 'b')",
            "events_stuck",
            "1 events of webhooks wait",
        ),
        (
            "INSERT INTO integration.webhooks (conn_id, workspace, url, state)"
            " VALUES ('bitbucket_default', 'acme', 'https://example.com/hook', 'disabled')",
            "webhooks_broken",
            "1 are switched off",
        ),
    ],
)
def test_what_is_wrong_is_one_alert_with_a_reason_and_a_section_of_the_runbook(
    judged_database: Database, changes: str, alert: str, words: str
) -> None:
    for statement in changes.split("; "):
        judged_database.execute(statement)  # type: ignore[call-overload]
    found = alerts(judged_database)
    assert set(found) == {alert}
    assert words in found[alert]["reason"] and found[alert]["since"] is not None
    page, _, anchor = found[alert]["runbook"].partition("#")
    headings = [line for line in (ROOT / page).read_text().splitlines() if line.startswith("### ")]
    assert f"### {anchor}" in headings
