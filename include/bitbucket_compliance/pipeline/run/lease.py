"""Which run may write a workspace, and whether that run is still at work.

A lease row names the run that the workspace's tasks belong to. A task holds an advisory lock while it works, which a
process that dies lets go of at once. Between two tasks a run has no lock, so its lease counts for ``SILENCE`` seconds
more. A run that waits for requests keeps its lease until it comes back.
"""

from datetime import UTC, datetime, timedelta

from bitbucket_compliance.core.database import Connection, run_sql
from bitbucket_compliance.core.errors import RunNotNeeded, RunSuperseded, WaitForOtherRun
from bitbucket_compliance.pipeline.run import SILENCE

# Seconds that a run which waits for requests may come back late, before it counts as silent.
LATE = 600.0


def take_lease(connection: Connection, workspace: str, run_id: str, asked_at: datetime) -> None:
    """Give the workspace to the run; joins the caller's transaction.

    Args:
        asked_at: when this run first asked for the workspace.

    Raises:
        RunNotNeeded: another run is at work.
        WaitForOtherRun: another run was at work a moment ago; whether it still is shows in some seconds.
    """
    if _try_lease(connection, workspace, run_id):
        return
    keys = {"workspace": workspace, "asked_at": asked_at}
    holder = run_sql(connection, "pipeline/run/lease_holder.sql", keys).fetchone()
    if holder is None:
        raise WaitForOtherRun(f"another run of workspace {workspace} has just ended", datetime.now(UTC))
    at_work = f"run {holder['run_id']} of workspace {workspace}, at work since {holder['since']:%Y-%m-%d %H:%M} UTC,"
    if holder["waits_until"] is not None:
        raise RunNotNeeded(
            f"{at_work} waits for requests until {holder['waits_until']:%H:%M} UTC and then goes on: "
            "this run is skipped"
        )
    if holder["is_at_work"]:
        raise RunNotNeeded(f"{at_work} is not finished: this run is skipped")
    raise WaitForOtherRun(
        f"{at_work} may have been interrupted: it gave no sign of life since {holder['renewed_at']:%H:%M:%S} UTC",
        holder["renewed_at"] + timedelta(seconds=SILENCE),
    )


def take_lease_at_once(connection: Connection, workspace: str, run_id: str) -> None:
    """Give the workspace to the run; joins the caller's transaction.

    Raises:
        RunNotNeeded: another run has it.
    """
    if not _try_lease(connection, workspace, run_id):
        raise RunNotNeeded(f"another run of workspace {workspace} is at work: the events wait until it ends")


def _try_lease(connection: Connection, workspace: str, run_id: str) -> bool:
    keys = {"workspace": workspace, "run_id": run_id, "silence": SILENCE, "late": LATE}
    return run_sql(connection, "pipeline/run/take_lease.sql", keys).fetchone() is not None


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
