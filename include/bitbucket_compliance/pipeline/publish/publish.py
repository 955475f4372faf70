"""Publish: one transaction from ``judged`` to ``compliance``; a reader sees the state before or after, never a mix."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, LiteralString

from bitbucket_compliance.core.database import Connection, as_json, refresh_statistics, run_sql
from bitbucket_compliance.core.locks import lock_results
from bitbucket_compliance.pipeline.fill import fill, forget_left
from bitbucket_compliance.pipeline.judge.judge import judged_subjects
from bitbucket_compliance.pipeline.publish.readiness import require_answers
from bitbucket_compliance.pipeline.run.lease import renew_lease
from bitbucket_compliance.pipeline.run.run import RUNS_KEPT, Run
from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.security_tests.model import SecurityTest

log = logging.getLogger(__name__)


def publish(connection: Connection, run: Run) -> None:
    """Write current results, history, inventory, access review and the run's figures; commits once, at the end.

    All of it bears one instant, which is later than any other of the workspace. A run that judged only what events
    touched leaves everything else as it is. The events that the run answers are answered from here on.

    Raises:
        NotReadyToPublish: see ``require_answers``; nothing is written.
    """
    require_answers(connection, run)
    subjects = judged_subjects(connection, run)
    keys = {**run.keys, **_catalogue(run), **_thresholds(run), "subjects": subjects}
    keys["published_at"] = lock_results(connection, run.workspace)
    keys["workspace_id"] = workspace_id(connection, run.workspace)
    _fill(connection, "tests", keys)
    _fill(connection, "test_controls", keys, may_go="true")
    _fill(connection, "reason_codes", keys, may_go="true")
    run_sql(connection, "pipeline/publish/expire_exceptions.sql", keys)
    run_sql(connection, "pipeline/publish/findings.sql", keys)
    refresh_statistics(connection, "compliance", "finding_records")
    run_sql(connection, "pipeline/publish/note_stale.sql", {**keys, "is_written": False})
    _fill(connection, "results", keys)
    run_sql(connection, "pipeline/publish/forget_results.sql", keys)
    run_sql(connection, "pipeline/publish/end_stale.sql", keys)
    run_sql(connection, "pipeline/publish/note_stale.sql", {**keys, "is_written": True})
    refresh_statistics(connection, "compliance", "results")
    run_sql(connection, "pipeline/publish/close_absences.sql", keys)
    ended, opened = sync_history(connection, keys)
    gone = fill(connection, "compliance.result_history", "pipeline/publish/open_absences.sql", keys, only_adds=True)
    _fill(connection, "repositories", keys)
    forget_left(connection, "compliance.repositories", run.workspace)
    run_sql(connection, "pipeline/publish/close_repository_history.sql", keys)
    opening = "pipeline/publish/open_repository_history.sql"
    fill(connection, "compliance.repository_history", opening, keys, only_adds=True)
    _fill(connection, "daily_observations", keys)
    if subjects is None:
        keys_of_members = {**keys, **_matches(connection, run)}
        for table in ("members", "member_employment"):
            _fill(connection, table, keys_of_members, may_go="kept.workspace = %(workspace)s")
    if not run.incremental:
        run_sql(connection, "pipeline/run/events/note_gaps.sql", keys)
    run_sql(connection, "pipeline/run/events/answer.sql", keys)
    run_sql(connection, "pipeline/publish/run.sql", keys)
    run_sql(connection, "pipeline/publish/forget_old_runs.sql", {**keys, "runs_kept": RUNS_KEPT})
    run_sql(connection, "pipeline/publish/note_publication.sql", keys)
    # The last word before the commit: a run that was taken over must not publish.
    renew_lease(connection, run.workspace, run.run_id)
    told = run_sql(connection, "pipeline/publish/decided_by.sql", keys).fetchall()
    connection.commit()
    log.info("progress: published; history: %d intervals ended, %d opened, %d subjects left", ended, opened, gone)
    for row in told:
        log.info("%s: %s", row["test_id"], row["told"])


def reopen(connection: Connection, workspace: str) -> int:
    """Let published results show the exceptions that hold now, without a run; commits. Returns how many changed."""
    keys = {"workspace": workspace, "run_id": None, "published_at": lock_results(connection, workspace)}
    expired = run_sql(connection, "pipeline/publish/expire_exceptions.sql", keys).rowcount
    _, opened = sync_history(connection, keys)
    run_sql(connection, "pipeline/publish/note_publication.sql", keys)
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
    opened = fill(connection, "compliance.result_history", "pipeline/publish/open_history.sql", keys, only_adds=True)
    return ended, opened


def workspace_id(connection: Connection, workspace: str) -> str | None:
    """The uuid of a workspace that was read, with braces."""
    query = "SELECT workspace_id FROM staging.workspaces WHERE workspace = %s"
    row = connection.execute(query, (workspace,)).fetchone()
    return row["workspace_id"] if row else None


def _fill(connection: Connection, table: str, keys: Mapping[str, Any], may_go: LiteralString | None = None) -> None:
    fill(connection, f"compliance.{table}", f"pipeline/publish/{table}.sql", keys, may_go)


def _catalogue(run: Run) -> dict[str, Any]:
    """The tests with what the policy says of them, their controls and reason codes, as JSON with a row each."""
    policies = run.policy.tests
    tests = [
        {
            "test_id": test.test_id,
            "test_title": test.title,
            "severity": test.severity,
            "subject_type": test.subject_type,
            "manual": test.manual,
            "enabled": test.enabled,
            "bases": _bases(test),
            "cannot_see": test.cannot_see,
            "display_order": test.order,
            "description": test.description,
        }
        for test in CATALOGUE
    ]
    controls = [
        {
            "test_id": test.test_id,
            "framework": control.framework.name,
            "control": control.control,
            "strength": control.strength,
            "source": control.framework.source,
            "note": control.note,
        }
        for test in CATALOGUE
        for control in test.controls
    ]
    codes = [
        {
            "test_id": test.test_id,
            "reason_code": code,
            "status": reason.status,
            "meaning": reason.meaning,
            "remediation": reason.remediation,
            "api_calls": [asdict(call) for call in reason.api_calls],
        }
        for test in CATALOGUE
        for code, reason in test.every_reason.items()
    ]
    severities = {test.severity for test in policies.values()}
    return {
        "tests": as_json(tests),
        "policies": as_json([{"test_id": test_id, **vars(policy)} for test_id, policy in policies.items()]),
        "test_controls": as_json(controls),
        "reason_codes": as_json(codes),
        "tests_of_merging": [test.test_id for test in CATALOGUE if test.merge_rule],
        "test_ids": [test.test_id for test in CATALOGUE if run.policy.enabled(test.test_id)],
        "days_to_fix": as_json({severity: run.policy.time_to_fix(severity).days for severity in severities}),
    }


def _bases(test: SecurityTest) -> list[str]:
    """What verdicts of the test may rest on."""
    by_evidence = ["evidence"] if any(reason.basis == "evidence" for reason in test.reasons.values()) else []
    return list(dict.fromkeys([*test.bases, *by_evidence]))


def _thresholds(run: Run) -> dict[str, Any]:
    thresholds = run.policy.thresholds
    return {
        "max_data_age_hours": thresholds.max_data_age_hours,
        "merge_checks_valid_days": thresholds.merge_checks_valid_days,
        "oldest_merge_checks": run.oldest_merge_checks,
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
