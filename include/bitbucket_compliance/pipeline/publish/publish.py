"""Publish: one transaction from ``judged`` to ``compliance``; a reader sees the state before or after, never a mix."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

from bitbucket_compliance.core.database import Connection, as_json, refresh_statistics, run_sql
from bitbucket_compliance.core.locks import lock_results
from bitbucket_compliance.pipeline.fill import fill, forget_left
from bitbucket_compliance.pipeline.judge.judge import judged_subjects
from bitbucket_compliance.pipeline.publish.leavers import note_leavers
from bitbucket_compliance.pipeline.publish.readiness import require_answers
from bitbucket_compliance.pipeline.run.lease import renew_lease
from bitbucket_compliance.pipeline.run.run import RUNS_KEPT, Run
from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.security_tests.published import require_catalogue

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Publication:
    """What was published: what the event of the asset carries, for whoever waits for it.

    Attributes:
        workspace_id: its uuid, with braces.
        kind: ``polling`` for everything that was due, ``events`` for what webhooks announced.
        published_at: the instant in ISO 8601 that all of it bears.
        results: current results of the workspace by status.
        changed: how many of them are not as they were.
        gone: how many subjects left.
    """

    workspace: str
    workspace_id: str | None
    run_id: str
    kind: str
    published_at: str
    results: dict[str, int]
    changed: int
    gone: int


def publish(connection: Connection, run: Run) -> Publication:
    """Write current results, history, inventory, access review and the run's figures; commits once, at the end.

    All of it bears one instant, which is later than any other of the workspace. A run that judged only what events
    touched leaves everything else as it is. The events that the run answers are answered from here on.

    Raises:
        NotReadyToPublish: see ``require_answers``; nothing is written.
        SchemaMissing: see ``require_catalogue``.
    """
    require_answers(connection, run)
    require_catalogue(connection)
    subjects = judged_subjects(connection, run)
    keys = {**run.keys, **_catalogue(run), **_thresholds(run), "subjects": subjects}
    keys["published_at"] = lock_results(connection, run.workspace)
    keys["workspace_id"] = workspace_id(connection, run.workspace)
    ended, opened, gone = _publish_results(connection, keys)
    _publish_repositories(connection, run, keys)
    if subjects is None:
        keys["leavers"] = _publish_members(connection, run, keys)
    if not run.incremental:
        run_sql(connection, "pipeline/run/events/note_gaps.sql", keys)
    if subjects is None:
        keys["population_start"] = run.population_start
        run_sql(connection, "pipeline/publish/population_counts.sql", keys)
    run_sql(connection, "pipeline/run/events/answer.sql", keys)
    run_sql(connection, "pipeline/publish/run.sql", keys)
    run_sql(connection, "pipeline/publish/forget_old_runs.sql", {**keys, "runs_kept": RUNS_KEPT})
    run_sql(connection, "pipeline/publish/note_publication.sql", keys)
    # The last word before the commit: a run that was taken over must not publish.
    renew_lease(connection, run.workspace, run.run_id)
    told = run_sql(connection, "pipeline/publish/decided_by.sql", keys).fetchall()
    by_status = run_sql(connection, "pipeline/publish/by_status.sql", keys).fetchall()
    seal_record(connection, run.workspace, run.run_id)
    connection.commit()
    log.info("progress: published; history: %d intervals ended, %d opened, %d subjects left", ended, opened, gone)
    for row in told:
        log.info("%s: %s", row["test_id"], row["summary"])
    return Publication(
        workspace=run.workspace,
        workspace_id=keys["workspace_id"],
        run_id=run.run_id,
        kind="events" if run.incremental else "polling",
        published_at=keys["published_at"].isoformat(),
        results={row["status"]: row["results"] for row in by_status},
        changed=opened,
        gone=gone,
    )


def _publish_results(connection: Connection, keys: Mapping[str, Any]) -> tuple[int, int, int]:
    """Findings, results, what is stale, history; how many intervals ended and opened, how many subjects left."""
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
    return ended, opened, gone


def _publish_repositories(connection: Connection, run: Run, keys: Mapping[str, Any]) -> None:
    """The inventory of repositories, their history, the changes of main branches, and what was read on the day."""
    _fill(connection, "repositories", keys)
    forget_left(connection, "compliance.repositories", run.workspace)
    run_sql(connection, "pipeline/publish/close_repository_history.sql", keys)
    opening = "pipeline/publish/open_repository_history.sql"
    fill(connection, "compliance.repository_history", opening, keys, only_adds=True)
    of_changes = {**run.policy.thresholds.model_dump(), **keys, "window_start": run.population_start}
    run_sql(connection, "pipeline/publish/changes.sql", of_changes)
    _fill(connection, "daily_observations", keys)


def _publish_members(connection: Connection, run: Run, keys: Mapping[str, Any]) -> int:
    """Members, their history and employment, and who left; gives the number of leavers."""
    keys_of_members = {**keys, **_matches(connection, run)}
    # by the members that were published before, who tell when somebody was seen last
    run_sql(connection, "pipeline/publish/close_member_history.sql", keys)
    opening = "pipeline/publish/open_member_history.sql"
    fill(connection, "compliance.member_history", opening, keys_of_members, only_adds=True)
    for table in ("members", "member_employment"):
        _fill(connection, table, keys_of_members, may_go="kept.workspace = %(workspace)s")
    return note_leavers(connection, run, keys)


def reopen(connection: Connection, workspace: str) -> int:
    """Let published results show the exceptions that hold now, without a run; commits. Returns how many changed."""
    keys = {"workspace": workspace, "run_id": None, "published_at": lock_results(connection, workspace)}
    expired = run_sql(connection, "pipeline/publish/expire_exceptions.sql", keys).rowcount
    _, opened = sync_history(connection, keys)
    run_sql(connection, "pipeline/publish/note_publication.sql", keys)
    seal_record(connection, workspace, None)
    connection.commit()
    return expired + opened


def seal_record(connection: Connection, workspace: str, run_id: str | None) -> None:
    """Add a link to the workspace's chain of digests over everything that was recorded since the last one."""
    connection.execute("SELECT integration.seal_record(%s, %s)", (workspace, run_id))


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
    """The policy of the tests, as JSON with a row each, and which of them are concerned by what."""
    policies = run.policy.tests
    severities = {test.severity for test in policies.values()}
    return {
        "policies": as_json([{"test_id": test_id, **vars(policy)} for test_id, policy in policies.items()]),
        "tests_of_settings": [test.test_id for test in CATALOGUE if "configuration" in test.bases],
        "test_ids": [test.test_id for test in CATALOGUE if run.policy.enabled(test.test_id)],
        "days_to_fix": as_json({severity: run.policy.time_to_fix(severity).days for severity in severities}),
    }


def _thresholds(run: Run) -> dict[str, Any]:
    thresholds = run.policy.thresholds
    return {
        "max_data_age_hours": thresholds.max_data_age_hours,
        "merge_checks_valid_days": thresholds.merge_checks_valid_days,
        "oldest_merge_checks": run.oldest_merge_checks,
        "window_start": run.window_start,
        "evidence_validity_days": thresholds.evidence_validity_days,
        "time_zone": thresholds.time_zone,
        "policy_version": run.policy_version,
    }


def _matches(connection: Connection, run: Run) -> dict[str, Any]:
    """How the rosters name each member, by the same rules as the test of left-over access, and by which lines."""
    from bitbucket_compliance.security_tests.matching import (
        as_one_mailbox,
        how_matched,
        rows_of_one_member,
        with_row_keys,
    )
    from bitbucket_compliance.security_tests.tables import Tables

    thresholds = run.policy.thresholds
    mailboxes = thresholds.domains_without_dots, thresholds.domains_without_tags
    tables = Tables(connection, run.workspace, run.started_at, thresholds)
    people = with_row_keys(as_one_mailbox(tables.read("roster"), *mailboxes))
    if people.empty:
        names = ("matched_members", "matched_by", "employed", "employed_rosters", "employed_lines")
        return {**{name: [] for name in names}, "roster_precedence": thresholds.roster_precedence}
    members, emails = tables.read("members"), as_one_mailbox(tables.read("member_emails"), *mailboxes)
    found = how_matched(people, members, emails)
    rows = rows_of_one_member(people, members[members["member_type"] != "app_user"], emails)
    return {
        "matched_members": list(found),
        "matched_by": list(found.values()),
        "employed": [member_id for _, member_id in rows],
        "employed_rosters": [name for (name, _), _ in rows],
        "employed_lines": [line for (_, line), _ in rows],
        "roster_precedence": thresholds.roster_precedence,
    }
