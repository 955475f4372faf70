"""What time alone changes: exceptions expire, and what was landed long ago goes. Published history is never cut."""

import logging
from datetime import datetime, timedelta

from bitbucket_compliance.core.database import Connection, one_row, run_sql
from bitbucket_compliance.core.errors import PipelineError
from bitbucket_compliance.pipeline.publish.publish import reopen
from bitbucket_compliance.policy.model import Thresholds
from bitbucket_compliance.security_tests.policies import policy_of

log = logging.getLogger(__name__)

# Bodies that are deleted in one transaction.
BATCH = 10_000


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
    """Delete what policy keeps no longer (``bodies_kept_days``); returns how many landed bodies went.

    Of each object the newest body stays, and every body that a run has seen within the period. A verdict may rest on a
    body that was read up to ``reread_hours`` before it, so bodies stay for so much longer.

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
    before = _now(connection) - timedelta(days=policy_of(connection, None).thresholds.bodies_kept_days)
    run_sql(connection, "pipeline/housekeeping/forget_requests.sql", {"before": before})
    connection.commit()
    if failed:
        raise failed
    return forgotten


def _forget_workspace(connection: Connection, workspace: str) -> int:
    thresholds = policy_of(connection, workspace).thresholds
    now = _now(connection)
    events = thresholds.events_kept_days
    # A run may look back from yesterday.
    window = max(events, thresholds.behaviour_window_days + 7)
    answered = {"before": now - timedelta(days=events), "before_window": now - timedelta(days=window)}
    run_sql(connection, "pipeline/housekeeping/forget_events.sql", {"workspace": workspace, **answered})
    keys = {"workspace": workspace, "before": _kept_from(now, thresholds)}
    for name in ("forget_quality", "forget_steps"):
        run_sql(connection, f"pipeline/housekeeping/{name}.sql", keys)
    connection.commit()
    forgotten, last = 0, BATCH
    while last == BATCH:
        found = run_sql(connection, "pipeline/housekeeping/forget_bodies.sql", {**keys, "batch": BATCH})
        last = one_row(found)["forgotten"]
        connection.commit()
        forgotten += last
    log.info("%s: %d landed bodies deleted, not seen since %s", workspace, forgotten, keys["before"])
    return forgotten


def _kept_from(now: datetime, thresholds: Thresholds) -> datetime:
    """What was seen last before this instant may go."""
    return now - timedelta(days=thresholds.bodies_kept_days, hours=thresholds.reread_hours)


def _now(connection: Connection) -> datetime:
    """The server's clock: the times that are compared with it are its own, or close to it."""
    now: datetime = one_row(connection.execute("SELECT clock_timestamp() AS now"))["now"]
    return now
