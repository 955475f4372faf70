"""Which run may write a workspace, and whether that run is still at work.

A lease row names the run that the workspace's tasks belong to, and ends with it. Whether a run of Airflow's has ended
is asked of Airflow: between two of its tasks it may be silent for long, for they wait in the queue. A run that no
scheduler stands behind shows it by its tasks: each holds an advisory lock while it works, which a process that dies
lets go of at once, and the next one begins within ``SILENCE`` seconds. A run that waits for requests keeps its lease
until it comes back.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from bitbucket_compliance.core.database import Connection, run_sql
from bitbucket_compliance.core.errors import RunNotNeeded, RunSuperseded, WaitForOtherRun
from bitbucket_compliance.pipeline.run import LOST, QUEUED, SILENCE

log = logging.getLogger(__name__)

# Seconds that a run which waits for requests may come back late, before it counts as silent.
LATE = 600.0


class Airflow(Protocol):
    """What a lease asks of Airflow.

    Attributes:
        dag_id: the DAG of the run that asks; None: no scheduler stands behind it, so that Airflow would never learn
            that it was killed.
    """

    dag_id: str | None

    def has_ended(self, dag_id: str, run_id: str) -> bool | None:
        """Whether a run has ended; None: Airflow knows no such run."""


def take_lease(
    connection: Connection,
    workspace: str,
    run_id: str,
    asked_at: datetime,
    *,
    airflow: Airflow | None = None,
    dag_id: str | None = None,
) -> None:
    """Give the workspace to the run; joins the caller's transaction.

    Args:
        asked_at: when this run first asked for the workspace.
        airflow: knows whether another run has ended; None: it can't be asked.
        dag_id: the run's DAG, where ``airflow`` does not say it.

    Raises:
        RunNotNeeded: another run is at work.
        WaitForOtherRun: another run, which no scheduler stands behind, was at work a moment ago; whether it still is
            shows in some seconds.
    """
    holder = _take(connection, workspace, run_id, asked_at, airflow, dag_id)
    if holder is None:
        return
    at_work = _at_work(holder)
    if holder["waits_until"] is not None:
        raise RunNotNeeded(
            f"{at_work} waits for requests until {holder['waits_until']:%H:%M} UTC and then goes on: "
            "this run is skipped"
        )
    if holder["is_at_work"] or holder["dag_id"] is not None:
        raise RunNotNeeded(f"{at_work} is not finished: this run is skipped")
    raise WaitForOtherRun(
        f"{at_work} may have been interrupted: it gave no sign of life since {holder['renewed_at']:%H:%M:%S} UTC",
        holder["renewed_at"] + timedelta(seconds=SILENCE),
    )


def take_lease_at_once(connection: Connection, workspace: str, run_id: str, airflow: Airflow | None) -> None:
    """Give the workspace to the run; joins the caller's transaction.

    Raises:
        RunNotNeeded: another run has it.
    """
    if _take(connection, workspace, run_id, datetime.now(UTC), airflow, None) is not None:
        raise RunNotNeeded(f"another run of workspace {workspace} is at work: the events wait until it ends")


def _take(
    connection: Connection,
    workspace: str,
    run_id: str,
    asked_at: datetime,
    airflow: Airflow | None,
    dag_id: str | None,
) -> dict[str, Any] | None:
    """Take the lease; the row of the run that has it, where that one is not known to have ended."""
    keys = {
        "workspace": workspace,
        "run_id": run_id,
        "dag_id": dag_id or (airflow.dag_id if airflow else None),
        "asked_at": asked_at,
        "silence": SILENCE,
        "lost": LOST,
        "late": LATE,
        "ended": None,
    }
    if _is_taken(connection, keys):
        return None
    holder = run_sql(connection, "pipeline/run/lease_holder.sql", keys).fetchone()
    if holder is None:
        raise WaitForOtherRun(f"another run of workspace {workspace} has just ended", datetime.now(UTC))
    if not _has_ended(holder, airflow):
        return holder
    if not _is_taken(connection, {**keys, "ended": holder["run_id"]}):
        raise RunNotNeeded(f"another run of workspace {workspace} has just begun: this run is skipped")
    log.warning("%s has ended without giving the workspace back", _at_work(holder))
    return None


def _is_taken(connection: Connection, keys: dict[str, Any]) -> bool:
    return run_sql(connection, "pipeline/run/take_lease.sql", keys).fetchone() is not None


def _has_ended(holder: dict[str, Any], airflow: Airflow | None) -> bool:
    """Whether the run of Airflow's that holds a lease has ended; one of another kind is known by its tasks."""
    if holder["dag_id"] is None:
        return False
    ended = airflow.has_ended(holder["dag_id"], holder["run_id"]) if airflow else None
    if ended is None:
        # Its run was deleted, or belongs to another Airflow.
        is_silent = holder["renewed_at"] <= datetime.now(UTC) - timedelta(seconds=QUEUED)
        return is_silent and not holder["is_at_work"]
    return ended


def _at_work(holder: dict[str, Any]) -> str:
    since = f"{holder['since']:%Y-%m-%d %H:%M}"
    return f"run {holder['run_id']} of workspace {holder['workspace']}, at work since {since} UTC,"


def dag_of(connection: Connection, run_id: str) -> str | None:
    """The DAG that a run which holds a workspace is of in Airflow; None: no scheduler stands behind it."""
    row = connection.execute(
        "SELECT dag_id FROM integration.workspace_leases WHERE run_id = %s LIMIT 1", (run_id,)
    ).fetchone()
    return row["dag_id"] if row else None


def work_on(connection: Connection, workspace: str) -> None:
    """Hold the lock that says a task is at work, until the connection closes."""
    connection.execute("SELECT pg_advisory_lock_shared(hashtextextended('compliance ' || %s, 0))", (workspace,))


def renew_lease(connection: Connection, workspace: str, run_id: str) -> None:
    """Say that the run is alive, and stop it where another one took over. Joins the caller's transaction.

    Raises:
        RunSuperseded: another run of the workspace took over.
    """
    renewed = connection.execute(
        "UPDATE integration.workspace_leases SET renewed_at = now(), waits_until = null"
        " WHERE workspace = %s AND run_id = %s",
        (workspace, run_id),
    )
    if renewed.rowcount == 0:
        holder = connection.execute(
            "SELECT run_id FROM integration.workspace_leases WHERE workspace = %s", (workspace,)
        ).fetchone()
        raise RunSuperseded(
            f"run {run_id} no longer holds workspace {workspace} (held by: {holder['run_id'] if holder else 'none'}); "
            "look at that run, or start a new one"
        )


def require_newest(connection: Connection, run_id: str) -> None:
    """Stop a run whose tasks were cleared or are tried again after a later one went on: its data is older.

    Raises:
        RunNotNeeded: names the later run.
    """
    later = run_sql(connection, "pipeline/run/later_run.sql", {"run_id": run_id}).fetchone()
    if later is not None:
        done = "was published" if later["status"] == "published" else "has staged what it read"
        raise RunNotNeeded(
            f"run {later['run_id']} began later ({later['started_at']:%Y-%m-%d %H:%M} UTC) and {done}: "
            f"what run {run_id} read is older, so it is skipped; start a new run to read again"
        )


def keep_lease_until(connection: Connection, workspace: str, run_id: str, moment: datetime) -> None:
    """Keep the workspace for a run that gives its worker back until then. Joins the caller's transaction."""
    connection.execute(
        "UPDATE integration.workspace_leases SET renewed_at = now(), waits_until = %s"
        " WHERE workspace = %s AND run_id = %s",
        (moment, workspace, run_id),
    )


def give_lease_back(connection: Connection, workspace: str, run_id: str) -> None:
    """Let the next run have the workspace. Joins the caller's transaction."""
    connection.execute(
        "DELETE FROM integration.workspace_leases WHERE workspace = %s AND run_id = %s", (workspace, run_id)
    )
