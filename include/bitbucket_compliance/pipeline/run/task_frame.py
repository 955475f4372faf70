"""The frame of every task of a run: connection, run, lease, timing, and the run's error where it fails."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from bitbucket_compliance.core.database import Connection, call_session, connect, run_sql
from bitbucket_compliance.core.errors import PipelineError, RunNotNeeded, RunSuperseded, Waiting, postgres_errors
from bitbucket_compliance.core.lock_waits import naming_blockers
from bitbucket_compliance.pipeline.run.identity import plain_workspace, workspace_of
from bitbucket_compliance.pipeline.run.lease import keep_lease_until, renew_lease, require_newest, work_on
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.security_tests.policies import recorded

log = logging.getLogger(__name__)


@contextmanager
def task_frame(step: str, workspace: str, run_id: str) -> Iterator[tuple[Connection, Run]]:
    """Give a task's body its connection and its run; the lock says that it is at work until it ends.

    The body may commit as it goes; what is open when it ends is committed, when it fails rolled back.

    Raises:
        RunSuperseded: another run of the workspace took over.
        RunNotNeeded: a later run went on already.
        PostgresBusy: another session held a lock for too long; it is named.
        PostgresUnavailable, PostgresFull: see ``postgres_errors``.
    """
    started = time.monotonic()
    connection = connect()
    try:
        with postgres_errors(), naming_blockers(connection):
            call_session(connection, f"compliance: {step} of {workspace}")
            run = _enter(connection, workspace, run_id)
            yield connection, run
            # The task itself may have learnt what the workspace is called.
            kept_now = workspace_of(connection, run_id, workspace)
            _leave(connection, kept_now, run_id, step, time.monotonic() - started)
    except Waiting as waiting:
        keep_lease_until(connection, workspace_of(connection, run_id, workspace), run_id, waiting.resume_at)
        connection.commit()
        raise
    except RunNotNeeded as reason:
        connection.rollback()
        _note_superseded(connection, run_id, step, reason)
        raise
    except PipelineError as error:
        # Our own transaction may hold the very row that the note is for.
        with suppress(psycopg.Error):
            connection.rollback()
        _note_error(run_id, step, error)
        raise
    finally:
        connection.close()


def _enter(connection: Connection, named: str, run_id: str) -> Run:
    workspace = workspace_of(connection, run_id, named)
    work_on(connection, workspace)
    row = run_sql(connection, "pipeline/run/load_run.sql", {"workspace": workspace, "run_id": run_id}).fetchone()
    if row is None:
        raise RunSuperseded(f"run {run_id} of workspace {workspace} was never started; trigger the DAG anew")
    scopes = row.pop("scopes_granted")
    run = Run(
        **{**row, "policy": recorded(row["policy"])},
        scopes_granted=None if scopes is None else frozenset(scopes),
        asked_as=plain_workspace(named),
    )
    require_newest(connection, run_id)
    renew_lease(connection, workspace, run_id)
    connection.commit()
    return run


def _leave(connection: Connection, workspace: str, run_id: str, step: str, seconds: float) -> None:
    renew_lease(connection, workspace, run_id)
    connection.execute(
        """
        INSERT INTO integration.run_steps (run_id, workspace, step, started_at, finished_at)
        VALUES (%s, %s, %s, clock_timestamp() - make_interval(secs => %s), clock_timestamp())
        """,
        (run_id, workspace, step, seconds),
    )
    connection.commit()
    # The next run may ask before the server has noticed that this session is over.
    connection.execute("SELECT pg_advisory_unlock_all()")
    connection.commit()


def _note_superseded(connection: Connection, run_id: str, step: str, reason: RunNotNeeded) -> None:
    """Another run took the place of one that had begun, which is no failure of it; what has ended stays as it ended."""
    connection.execute(
        "UPDATE integration.runs SET error = %s, status = 'superseded' WHERE run_id = %s AND status = 'running'",
        (f"{step}: {reason}", run_id),
    )
    connection.commit()


def _note_error(run_id: str, step: str, error: PipelineError) -> None:
    """Show the reason in ``compliance.runs``; where Postgres itself is the reason, the task log has to do.

    A run that was published stays so: a worker that was frozen may come back when another one has done its step.
    """
    status = "superseded" if isinstance(error, RunSuperseded) else None
    try:
        with connect() as connection:
            connection.execute(
                "UPDATE integration.runs SET error = %s, status = coalesce(%s, status)"
                " WHERE run_id = %s AND status <> 'published'",
                (f"{step}: {error}", status, run_id),
            )
    except (PipelineError, psycopg.Error) as unreachable:
        log.warning("the reason could not be noted in integration.runs: %s", unreachable)
