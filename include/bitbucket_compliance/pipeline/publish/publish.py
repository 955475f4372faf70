"""Publish: one transaction from ``judged`` to ``compliance``; a reader sees the state before or after, never a mix."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bitbucket_compliance.core.database import Connection, as_json, refresh_statistics, run_sql
from bitbucket_compliance.core.locks import lock_results
from bitbucket_compliance.pipeline.judge.judge import judged_subjects
from bitbucket_compliance.pipeline.run.lease import renew_lease
from bitbucket_compliance.pipeline.run.run import RUNS_KEPT, Run
from bitbucket_compliance.security_tests import CATALOGUE

log = logging.getLogger(__name__)


def publish(connection: Connection, run: Run) -> None:
    """Write current results, history, inventory, access review and the run's figures; commits once, at the end.

    All of it bears one instant, which is later than any other of the workspace. A run that judged only what events
    touched leaves everything else as it is. The events that the run answers are answered from here on.
    """
    subjects = judged_subjects(connection, run)
    keys = {**run.keys, **_catalogue(run), **_thresholds(run), "subjects": subjects}
    keys["published_at"] = lock_results(connection, run.workspace)
    run_sql(connection, "pipeline/publish/tests.sql", keys)
    run_sql(connection, "pipeline/publish/test_controls.sql", _controls())
    run_sql(connection, "pipeline/publish/reason_codes.sql", _reason_codes())
    run_sql(connection, "pipeline/publish/expire_exceptions.sql", keys)
    run_sql(connection, "pipeline/publish/results.sql", keys)
    run_sql(connection, "pipeline/publish/forget_results.sql", keys)
    refresh_statistics(connection, "compliance", "results")
    run_sql(connection, "pipeline/publish/close_absences.sql", keys)
    ended, opened = sync_history(connection, keys)
    gone = run_sql(connection, "pipeline/publish/open_absences.sql", keys).rowcount
    run_sql(connection, "pipeline/publish/forget_repositories.sql", keys)
    run_sql(connection, "pipeline/publish/repositories.sql", keys)
    if subjects is None:
        _publish_members(connection, run, keys)
    if not run.incremental:
        run_sql(connection, "pipeline/run/events/note_gaps.sql", keys)
    run_sql(connection, "pipeline/run/events/answer.sql", keys)
    run_sql(connection, "pipeline/publish/run.sql", keys)
    run_sql(connection, "pipeline/publish/forget_old_runs.sql", {**keys, "runs_kept": RUNS_KEPT})
    # The last word before the commit: a run that was taken over must not publish.
    renew_lease(connection, run.workspace, run.run_id)
    connection.commit()
    log.info("progress: published; history: %d intervals ended, %d opened, %d subjects left", ended, opened, gone)


def reopen(connection: Connection, workspace: str) -> int:
    """Let published results show the exceptions that hold now, without a run; commits. Returns how many changed."""
    keys = {"workspace": workspace, "run_id": None, "published_at": lock_results(connection, workspace)}
    expired = run_sql(connection, "pipeline/publish/expire_exceptions.sql", keys).rowcount
    _, opened = sync_history(connection, keys)
    connection.commit()
    return expired + opened


def sync_history(connection: Connection, keys: Mapping[str, Any]) -> tuple[int, int]:
    """Bring exceptions and history in line with current results; returns how many intervals ended and began.

    Args:
        keys: workspace, published_at, and run_id, which is None where no run published.
    """
    run_sql(connection, "pipeline/publish/end_exceptions.sql", keys)
    run_sql(connection, "pipeline/publish/show_exceptions.sql", keys)
    ended = run_sql(connection, "pipeline/publish/close_history.sql", keys).rowcount
    opened = run_sql(connection, "pipeline/publish/open_history.sql", keys).rowcount
    return ended, opened


def _publish_members(connection: Connection, run: Run, keys: Mapping[str, Any]) -> None:
    with_matches = {**keys, **_matches(connection, run)}
    for table in ("members", "member_employment"):
        connection.execute(_FORGET[table], {"workspace": run.workspace})
        run_sql(connection, f"pipeline/publish/{table}.sql", with_matches)


_FORGET: Mapping[str, Any] = {
    "members": "DELETE FROM compliance.members WHERE workspace = %(workspace)s",
    "member_employment": "DELETE FROM compliance.member_employment WHERE workspace = %(workspace)s",
}


def _catalogue(run: Run) -> dict[str, Any]:
    policies = run.policy.tests
    asked = [test for test in CATALOGUE if run.policy.enabled(test.test_id)]
    reasons = [(test.test_id, code, reason.remediation) for test in asked for code, reason in test.reasons.items()]
    severities = [policies[test.test_id].severity for test in asked]
    return {
        "test_ids": [test.test_id for test in asked],
        "titles": [test.title for test in asked],
        "severities": severities,
        "days_to_fix": [run.policy.time_to_fix(severity).days for severity in severities],
        "reason_test_ids": [test_id for test_id, _, _ in reasons],
        "reason_codes": [code for _, code, _ in reasons],
        "remediations": [remediation for _, _, remediation in reasons],
        "all_test_ids": [test.test_id for test in CATALOGUE],
        "all_titles": [test.title for test in CATALOGUE],
        "all_severities": [policies[test.test_id].severity for test in CATALOGUE],
        "all_subject_types": [test.subject_type for test in CATALOGUE],
        "all_manual": [test.manual for test in CATALOGUE],
        "all_enabled": [policies[test.test_id].enabled for test in CATALOGUE],
        "all_orders": [test.order for test in CATALOGUE],
        "all_descriptions": [test.description for test in CATALOGUE],
    }


def _controls() -> dict[str, Any]:
    mapped = [(test.test_id, control) for test in CATALOGUE for control in test.controls]
    return {
        "control_test_ids": [test_id for test_id, _ in mapped],
        "frameworks": [control.framework.name for _, control in mapped],
        "controls": [control.control for _, control in mapped],
        "strengths": [control.strength for _, control in mapped],
        "sources": [control.framework.source for _, control in mapped],
        "notes": [control.note for _, control in mapped],
    }


def _reason_codes() -> dict[str, Any]:
    codes = [(test.test_id, code, reason) for test in CATALOGUE for code, reason in test.reasons.items()]
    return {
        "code_test_ids": [test_id for test_id, _, _ in codes],
        "code_names": [code for _, code, _ in codes],
        "code_statuses": [reason.status for _, _, reason in codes],
        "code_meanings": [reason.meaning for _, _, reason in codes],
        "code_remediations": [reason.remediation for _, _, reason in codes],
        "code_api_calls": [as_json([asdict(call) for call in reason.api_calls]) for _, _, reason in codes],
    }


def _thresholds(run: Run) -> dict[str, Any]:
    thresholds = run.policy.thresholds
    return {
        "max_data_age_hours": thresholds.max_data_age_hours,
        "evidence_validity_days": thresholds.evidence_validity_days,
        "time_zone": thresholds.time_zone,
        "policy_version": run.policy_version,
    }


def _matches(connection: Connection, run: Run) -> dict[str, Any]:
    """How the roster names each member, by the same rules as the test of left-over access."""
    from bitbucket_compliance.security_tests.matching import how_matched
    from bitbucket_compliance.security_tests.tables import Tables

    tables = Tables(connection, run.workspace, run.started_at, run.policy.thresholds)
    found = how_matched(
        tables.read("roster"),
        tables.read("members"),
        tables.read("member_emails"),
    )
    return {"matched_members": list(found), "matched_by": list(found.values())}
