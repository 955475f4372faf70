"""What time alone changes: exceptions expire, and what policy keeps no longer goes."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bitbucket_compliance.core.database import Connection, one_row, run_sql
from bitbucket_compliance.core.errors import PipelineError
from bitbucket_compliance.pipeline.publish.publish import reopen, seal_record
from bitbucket_compliance.policy.model import Thresholds
from bitbucket_compliance.security_tests.policies import policy_of

log = logging.getLogger(__name__)

# Rows that are deleted in one transaction. Each batch looks for its rows anew: large ones look less often where years
# are over, and nobody waits for such rows.
BATCH = 50_000


def reopen_expired(connection: Connection) -> int:
    """Let the results of every workspace show the exceptions that hold now, with history, without a run.

    Ends what expired or was withdrawn, and begins what was accepted since. A publication that is under way is waited
    for. Commits once a workspace; returns how many results changed.
    """
    rows = connection.execute(
        "SELECT DISTINCT workspace FROM registry.exception_subjects ORDER BY workspace"
    ).fetchall()
    connection.commit()
    changed = 0
    for row in rows:
        here = reopen(connection, row["workspace"])
        log.info("%s: %d results show another exception than before", row["workspace"], here)
        changed += here
    return changed


def forget_old(connection: Connection) -> int:
    """Delete what policy keeps no longer; returns how many landed bodies went (``bodies_kept_days``).

    Of each object the newest body stays, and every body that a run has seen within the period. A verdict may rest on a
    body that was read up to ``reread_hours`` before it, so bodies stay for so much longer. Of history
    (``history_kept_days``) goes what ended before the period; the record notes it.

    Raises:
        PipelineError: the policy of a workspace can't be read; the other workspaces were tidied up.
    """
    rows = connection.execute("SELECT DISTINCT workspace FROM integration.runs ORDER BY workspace").fetchall()
    forgotten, failed = 0, None
    for row in rows:
        try:
            forgotten += _forget_workspace(connection, row["workspace"])
        except PipelineError as error:
            connection.rollback()
            log.error("%s: %s", row["workspace"], error)
            failed = failed or error
    _forget_shared(connection)
    if failed:
        raise failed
    return forgotten


def _forget_workspace(connection: Connection, workspace: str) -> int:
    thresholds = policy_of(connection, workspace).thresholds
    now = _now(connection)
    events = thresholds.events_kept_days
    # A run may look back from yesterday.
    windows = max(thresholds.behaviour_window_days, thresholds.population_days) + 7
    answered = {
        "before": now - timedelta(days=events),
        "before_window": now - timedelta(days=max(events, thresholds.behaviour_window_days + 7)),
    }
    run_sql(connection, "pipeline/housekeeping/forget_events.sql", {"workspace": workspace, **answered})
    before = _kept_from(now, thresholds)
    keys = {
        "workspace": workspace,
        "before": before,
        "merged_before": min(before, now - timedelta(days=windows)),
        # What a run would record again stays.
        "ended_before": now - timedelta(days=max(thresholds.history_kept_days, windows)),
        "batch": BATCH,
    }
    for name in ("forget_quality", "forget_steps", "forget_told"):
        run_sql(connection, f"pipeline/housekeeping/{name}.sql", keys)
    connection.commit()
    forgotten = _in_batches(connection, "forget_bodies", keys)
    history = _in_batches(connection, "forget_history", keys, workspace)
    log.info("%s: %d landed bodies deleted, not seen since %s", workspace, forgotten, before)
    log.info("%s: %d rows of history deleted, which ended before %s", workspace, history, keys["ended_before"])
    return forgotten


def _forget_shared(connection: Connection) -> None:
    """What belongs to no workspace: requests, refreshes of tokens, lines of rosters that were replaced."""
    thresholds = policy_of(connection, None).thresholds
    now = _now(connection)
    before = now - timedelta(days=thresholds.bodies_kept_days)
    for name in ("forget_requests", "forget_refreshes"):
        run_sql(connection, f"pipeline/housekeeping/{name}.sql", {"before": before})
    connection.commit()
    rosters = {"before": now - timedelta(days=max(thresholds.bodies_kept_days, 400)), "batch": BATCH}
    lines = _in_batches(connection, "forget_rosters", rosters, "")
    log.info("%d lines of rosters deleted, replaced before %s", lines, rosters["before"])


def _in_batches(connection: Connection, name: str, keys: Mapping[str, Any], recorded_of: str | None = None) -> int:
    """Delete until a batch is not full; commits each, its part of the record sealed where the rows are recorded."""
    forgotten, last = 0, BATCH
    while last == BATCH:
        last = one_row(run_sql(connection, f"pipeline/housekeeping/{name}.sql", keys))["forgotten"]
        if recorded_of is not None:
            seal_record(connection, recorded_of, None)
        connection.commit()
        forgotten += last
    return forgotten


def _kept_from(now: datetime, thresholds: Thresholds) -> datetime:
    """What was seen last before this instant may go."""
    return now - timedelta(days=thresholds.bodies_kept_days, hours=thresholds.reread_hours)


def _now(connection: Connection) -> datetime:
    """The server's clock: the times that are compared with it are its own, or close to it."""
    now: datetime = one_row(connection.execute("SELECT clock_timestamp() AS now"))["now"]
    return now
