"""What was published, answered, decided and audited is added to and never rewritten; forged history stops a run."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException

from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.conftest import Database
from tests.databases import unguarded
from tests.harness import Pipeline
from tests.pipeline.small import ACME, FAST, extract, small_state, whole_run
from tests.security.conftest import As

Serve = Callable[[SandboxState], SandboxServer]

_FORGED = """
INSERT INTO compliance.result_history
SELECT (jsonb_populate_record(history, jsonb_build_object(
    'status', 'passing', 'valid_from', '2026-01-01', 'valid_to', history.valid_from, 'subject_id', history.subject_id
))).*
FROM compliance.result_history AS history
WHERE history.workspace = 'acme' AND history.test_id = 'peer_review_required' AND history.subject_name = 'repo-0'
"""


@pytest.fixture
def published(running: str, pipeline: Pipeline, serve: Serve) -> SandboxServer:
    """A workspace that was published once, by the login that runs."""
    server = serve(small_state(3))
    whole_run(pipeline, server)
    return server


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE compliance.result_history SET status = 'passing'",
        "UPDATE compliance.result_history SET valid_from = '2026-01-01'",
        "UPDATE compliance.result_history SET valid_to = valid_from + interval '1 microsecond'",
        "UPDATE compliance.result_history SET valid_to = now() - interval '1 day' WHERE valid_from < now()",
        "DELETE FROM compliance.result_history",
        _FORGED,
        "UPDATE landing.objects SET body = '{}'",
        "DELETE FROM landing.objects",
        "SELECT landing.forget_bodies('acme', now(), now(), 1000)",
        "SELECT integration.forget_history('acme', now() - interval '399 days', 1000)",
        "SELECT integration.forget_told('acme', now() - interval '399 days')",
        "SELECT integration.forget_refreshes(now())",
        "SELECT registry.forget_rosters(now() - interval '399 days', 1000)",
        "DELETE FROM registry.people",
        "UPDATE quality.gate_outcomes SET passed = true",
        "DELETE FROM quality.gate_outcomes",
        "UPDATE quality.expectation_results SET success = true",
        "DELETE FROM quality.expectation_results",
        "SELECT quality.forget_outcomes('acme', now())",
        "INSERT INTO integration.publications (workspace, published_at, intervals_opened, intervals_ended)"
        " VALUES ('acme', '2026-01-01', 1, 0)",
        "SELECT integration.note_publication('acme', '2026-01-01', null)",
        "UPDATE registry.policy_versions SET body = '{}'",
        "INSERT INTO registry.policy_versions (policy_version, body, first_used_at) VALUES ('a', '{}', '2026-01-01')",
        "DELETE FROM compliance.exception_endings",
    ],
)
def test_the_pipelines_role_rewrites_nothing(published: SandboxServer, acting_as: As, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        acting_as("compliance_pipeline").execute(statement)  # type: ignore[arg-type]


def test_a_closed_interval_stays_as_it_is(published: SandboxServer, database: Database, acting_as: As) -> None:
    worker = acting_as("compliance_pipeline")
    assert worker.execute("UPDATE compliance.result_history SET valid_to = clock_timestamp()").rowcount > 0
    for change in (
        "UPDATE compliance.result_history SET valid_to = null",
        "UPDATE compliance.result_history SET valid_to = clock_timestamp()",
    ):
        # Nor by who owns it, unless the guard is switched off.
        for session in (worker, database):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(change)  # type: ignore[arg-type]


@pytest.mark.parametrize("role", ["compliance_pipeline", "compliance_console"])
@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("registry.evidence_decisions", "decided_at"),
        ("registry.exception_decisions", "decided_at"),
        ("registry.exceptions", "requested_at"),
        ("registry.evidence", "submitted_at"),
        ("registry.imports", "imported_at"),
        ("registry.import_withdrawals", "taken_back_at"),
        ("registry.classification", "declared_at"),
        ("registry.policy_overrides", "set_at"),
        ("registry.access_reviews", "reviewed_at"),
        ("registry.access_review_sign_offs", "signed_off_at"),
        ("registry.finding_assignments", "assigned_at"),
        ("integration.console_audit", "at"),
        ("integration.connection_events", "at"),
    ],
)
def test_nobody_says_when_something_was_decided_but_the_server(
    acting_as: As, role: str, table: str, columns: str
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        acting_as(role).execute(f"INSERT INTO {table} ({columns}) VALUES ('2026-01-01')")  # type: ignore[arg-type]  # noqa: S608


@pytest.mark.parametrize(
    "table",
    [
        "registry.evidence_decisions",
        "registry.exception_decisions",
        "registry.imports",
        "registry.import_withdrawals",
        "registry.refused_rows",
        "registry.evidence",
    ],
)
def test_what_people_declared_is_not_even_the_owners_to_change(database: Database, table: str) -> None:
    for statement in (f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):  # noqa: S608
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="takes new rows only"):
            database.execute(statement)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("forgery", "named"),
    [
        (_FORGED, "begins at no publication"),
        (
            "UPDATE compliance.result_history SET valid_from = '2026-01-01' WHERE subject_name = 'repo-1'"
            " AND test_id = 'peer_review_required'",
            "begins at no publication",
        ),
        (
            "DELETE FROM compliance.result_history WHERE subject_name = 'repo-1' AND test_id = 'peer_review_required'",
            "and there are",
        ),
        ("UPDATE compliance.result_history SET run_id = 'none' WHERE subject_name = 'repo-2'", "opened by no run"),
    ],
)
def test_history_that_no_run_of_ours_wrote_stops_the_next_publication(
    published: SandboxServer, pipeline: Pipeline, database: Database, forgery: str, named: str
) -> None:
    with unguarded(database):
        assert database.execute(forgery).rowcount > 0  # type: ignore[arg-type]
    pipeline.connect_to(published, "admin", **FAST)
    run_id = extract()
    pipeline.judge(run_id, ACME)
    with pytest.raises(AirflowFailException, match="history holds what publications of the pipeline wrote") as stopped:
        tasks.gate(ACME, run_id, "results")
    pipeline.release(ACME)
    assert named in str(stopped.value)
