"""A run of one workspace: who may write, under which policy, and what each step cost.

Two runs of one workspace are kept apart by a lease row (who may write) and an advisory lock (who is writing right
now). A task holds the lock shared while it works, so a dead process lets go of it at once; the lease says which run
the tasks belong to. A new run waits while the other one works and takes over once it has been silent for
``SILENCE`` seconds; what is left of the old run stops at its next task.
"""

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg
from psycopg.types.json import Jsonb

from bitbucket_compliance.core.database import Connection, connect, one_row
from bitbucket_compliance.core.errors import (
    NothingToAdd,
    PipelineError,
    RunSuperseded,
    WaitForTurn,
    Waiting,
    WorkspaceBusy,
    WorkspaceUnknown,
    postgres_errors,
)
from bitbucket_compliance.pipeline.run import events
from bitbucket_compliance.pipeline.run.limits import SILENCE
from bitbucket_compliance.policy.model import Policy, contradictions
from bitbucket_compliance.security_tests.policies import policy_of, recorded

log = logging.getLogger(__name__)

# A run that waits for requests comes back on its own; how late it may be before it counts as silent.
LATE = 600.0
# The next in line says so again each time it looks; silent for so long it isn't in line any more.
LOST_INTEREST = 7200.0
WAIT_FOR_OTHER_RUN = 1800.0

# How many runs of a workspace keep their verdicts, work lists, calls and pages; published history is never cut by it.
RUNS_KEPT = 30

# Slugs: what Bitbucket lets a workspace be called.
_SLUG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True)
class Run:
    """What every step of a run needs to know."""

    workspace: str
    run_id: str
    started_at: datetime
    full_refresh: bool
    policy: Policy
    policy_version: str
    scopes_granted: frozenset[str] | None
    identity_role: str | None = None
    wanted_by: str | None = None
    only_events: bool = False
    judges_all: bool = True

    def reason_not_to_wait(self, now: datetime) -> str | None:
        """Why the run should publish what it has rather than wait for requests once more; None: it may wait."""
        if self.only_events:
            return "what webhooks announced can wait for the next run"
        if self.wanted_by:
            return f"run {self.wanted_by} is next in line"
        hours = self.policy.thresholds.reading_hours
        if now - self.started_at >= timedelta(hours=hours):
            return f"the run has been reading for more than {hours:g} hours"
        return None

    @property
    def oldest_reading(self) -> datetime:
        """The instant before which whatever was read is too old to judge by."""
        return self.started_at - timedelta(hours=self.policy.thresholds.max_data_age_hours)

    @property
    def window_start(self) -> datetime:
        """The instant from which merged pull requests and pipeline runs count as behaviour."""
        return self.started_at - timedelta(days=self.policy.thresholds.behaviour_window_days)

    @property
    def today(self) -> date:
        """The day the run started on, in the policy's time zone."""
        return self.started_at.astimezone(ZoneInfo(self.policy.thresholds.time_zone)).date()

    @property
    def keys(self) -> dict[str, object]:
        """Parameters every SQL file of the run may use."""
        return {"workspace": self.workspace, "run_id": self.run_id, "as_of": self.started_at}


def start_run(workspace: str, run_id: str, *, full_refresh: bool = False, only_events: bool = False) -> None:
    """Take the workspace's lease, validate the policy and open the run's row.

    Args:
        only_events: the run reads what webhooks announced, and judges the repositories it read. All others are judged
            too where the policy is another than that of the last published run.

    Raises:
        WorkspaceUnknown: the parameter is no workspace slug.
        PolicyInvalid: the overriding file, or what was set for the workspace, holds something unknown.
        WorkspaceBusy: another run of the workspace is still at work after half an hour.
        WaitForTurn: another run of the workspace waits for requests; come back later.
        NothingToAdd: and a third one is next in line already; or no event waits, or none can be answered now.
    """
    if not _SLUG.fullmatch(workspace):
        raise WorkspaceUnknown(
            f"workspace {workspace!r} is no workspace slug; give the part behind bitbucket.org/ in its address"
        )
    connection = connect()
    with postgres_errors(), connection:
        policy = policy_of(connection, workspace)
        for told in contradictions(policy):
            log.warning("policy of workspace %s: %s", workspace, told)
        connection.commit()
        if only_events:
            _take_lease_for_events(connection, workspace, run_id)
        else:
            _take_lease(connection, workspace, run_id)
        connection.execute(
            "INSERT INTO registry.policy_versions (policy_version, body) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (policy.version, Jsonb(policy.model_dump(mode="json"))),
        )
        connection.execute(
            """
            UPDATE integration.runs SET status = 'failed', finished_at = now(), error = 'the run was interrupted'
            WHERE workspace = %s AND status = 'running' AND run_id <> %s
            """,
            (workspace, run_id),
        )
        connection.execute(
            """
            INSERT INTO integration.runs (
                run_id, workspace, started_at, full_refresh, policy_version, kind, judges_all
            )
            SELECT
                %(run_id)s,
                %(workspace)s,
                %(started_at)s,
                %(full_refresh)s,
                %(policy_version)s,
                CASE WHEN %(only_events)s THEN 'events' ELSE 'polling' END,
                NOT %(only_events)s OR %(policy_version)s IS DISTINCT FROM (
                    SELECT previous.policy_version
                    FROM integration.runs AS previous
                    WHERE previous.workspace = %(workspace)s AND previous.status = 'published'
                    ORDER BY previous.started_at DESC
                    LIMIT 1
                )
            ON CONFLICT (run_id) DO NOTHING
            """,
            {
                "run_id": run_id,
                "workspace": workspace,
                "started_at": datetime.now(UTC),
                "full_refresh": full_refresh,
                "policy_version": policy.version,
                "only_events": only_events,
            },
        )
    log.info("run %s of workspace %s under policy %s", run_id, workspace, policy.version)


def finish_run(workspace: str, run_id: str) -> None:
    """Give the lease back; a run that did not publish by now has failed. Events it did not answer wait again."""
    connection = connect()
    with postgres_errors(), connection:
        connection.execute(
            "DELETE FROM integration.workspace_leases WHERE workspace = %s AND run_id = %s",
            (workspace, run_id),
        )
        connection.execute(
            """
            UPDATE integration.runs AS runs
            SET
                status = CASE WHEN runs.status = 'running' THEN 'failed' ELSE runs.status END,
                finished_at = coalesce(runs.finished_at, now()),
                requests_spent = coalesce(
                    runs.requests_spent,
                    (SELECT sum(calls.requests) FROM landing.calls AS calls WHERE calls.run_id = runs.run_id)
                )
            WHERE runs.run_id = %s
            """,
            (run_id,),
        )
        events.release(connection, workspace, run_id)


@contextmanager
def run_step(step: str, workspace: str, run_id: str) -> Iterator[tuple[Connection, Run]]:
    """The frame of every task body: connection, run, lease, timing, and the run's error where it fails.

    The body may commit as it goes; what is open when it ends is committed, when it fails rolled back.

    Raises:
        RunSuperseded: another run of the workspace took over.
        PostgresUnavailable, PostgresFull: see ``postgres_errors``.
    """
    started = time.monotonic()
    connection = connect()
    try:
        with postgres_errors():
            run = _enter(connection, workspace, run_id)
            yield connection, run
            _leave(connection, run, step, time.monotonic() - started)
    except Waiting as waiting:
        _note_waiting(connection, workspace, run_id, waiting)
        raise
    except PipelineError as error:
        # Our own transaction may hold the very row that the note is for.
        with suppress(psycopg.Error):
            connection.rollback()
        _note_error(run_id, step, error)
        raise
    finally:
        connection.close()


def renew_lease(connection: Connection, run: Run) -> None:
    """Say that the run is alive, and stop it where another one took over. Joins the caller's transaction."""
    renewed = connection.execute(
        "UPDATE integration.workspace_leases SET renewed_at = now(), waits_until = null"
        " WHERE workspace = %s AND run_id = %s",
        (run.workspace, run.run_id),
    )
    if renewed.rowcount == 0:
        holder = connection.execute(
            "SELECT run_id FROM integration.workspace_leases WHERE workspace = %s", (run.workspace,)
        ).fetchone()
        other = holder["run_id"] if holder else "none"
        raise RunSuperseded(
            f"run {run.run_id} no longer holds workspace {run.workspace} (held by: {other}); "
            "look at that run, or start a new one"
        )


def _take_lease_for_events(connection: Connection, workspace: str, run_id: str) -> None:
    """Take the lease at once or not at all: a run at work asks for the next one when it ends.

    Raises:
        NothingToAdd: no event waits, another run is at work, or none was published before.
    """
    row = one_row(
        connection.execute(
            """
            SELECT
                EXISTS (
                    SELECT 1 FROM integration.webhook_events AS events
                    WHERE events.workspace = %(workspace)s AND events.handled_at IS NULL
                ) AS waits,
                EXISTS (
                    SELECT 1 FROM integration.runs AS runs
                    WHERE runs.workspace = %(workspace)s AND runs.status = 'published' AND runs.kind = 'polling'
                ) AS was_judged
            """,
            {"workspace": workspace},
        )
    )
    if not row["waits"]:
        raise NothingToAdd(f"no event of workspace {workspace} waits: another run has answered them")
    if not row["was_judged"]:
        events.postpone(connection, workspace, run_id)
        connection.commit()
        raise NothingToAdd(f"workspace {workspace} was never judged yet: its first whole run takes the events in")
    if not _try_lease(connection, workspace, run_id):
        raise NothingToAdd(f"another run of workspace {workspace} is at work: the events wait until it ends")


def _take_lease(connection: Connection, workspace: str, run_id: str) -> None:
    deadline = time.monotonic() + WAIT_FOR_OTHER_RUN
    told = False
    while not _try_lease(connection, workspace, run_id):
        _wait_in_line(connection, workspace, run_id)
        if time.monotonic() > deadline:
            raise WorkspaceBusy(
                f"workspace {workspace} is held by another run for more than {WAIT_FOR_OTHER_RUN / 60:.0f} minutes; "
                "look at it in Airflow, then start this one again"
            )
        if not told:
            log.info("progress: waiting for another run of workspace %s to finish", workspace)
            told = True
        time.sleep(1.0)


def _try_lease(connection: Connection, workspace: str, run_id: str) -> bool:
    taken = connection.execute(
        """
        WITH idle AS (
            SELECT pg_try_advisory_xact_lock(hashtextextended('compliance ' || %(workspace)s, 0)) AS nobody_works
        )

        INSERT INTO integration.workspace_leases AS leases (workspace, run_id, renewed_at)
        SELECT %(workspace)s, %(run_id)s, clock_timestamp()
        FROM idle
        WHERE idle.nobody_works
        ON CONFLICT (workspace) DO UPDATE
        SET
            run_id = excluded.run_id,
            renewed_at = excluded.renewed_at,
            waits_until = null,
            wanted_by = null,
            wanted_at = null
        WHERE
            leases.run_id = excluded.run_id
            OR greatest(leases.renewed_at, leases.waits_until + make_interval(secs => %(late)s))
            < clock_timestamp() - make_interval(secs => %(silence)s)
        RETURNING leases.run_id
        """,
        {"workspace": workspace, "run_id": run_id, "silence": SILENCE, "late": LATE},
    ).fetchone()
    connection.commit()
    return taken is not None


def _wait_in_line(connection: Connection, workspace: str, run_id: str) -> None:
    """Where the holder waits for requests itself: ask it to publish what it has, and come back when it wakes.

    Raises:
        WaitForTurn: this run is the next in line.
        NothingToAdd: another one is.
    """
    held = connection.execute(
        """
        UPDATE integration.workspace_leases AS leases
        SET
            wanted_by = CASE
                WHEN leases.wanted_at > clock_timestamp() - make_interval(secs => %(lost)s) THEN leases.wanted_by
                ELSE %(run_id)s
            END,
            wanted_at = CASE
                WHEN
                    leases.wanted_by <> %(run_id)s
                    AND leases.wanted_at > clock_timestamp() - make_interval(secs => %(lost)s)
                    THEN leases.wanted_at
                ELSE clock_timestamp()
            END
        WHERE leases.workspace = %(workspace)s AND leases.waits_until IS NOT null
        RETURNING leases.run_id, leases.wanted_by, leases.waits_until
        """,
        {"workspace": workspace, "run_id": run_id, "lost": LOST_INTEREST},
    ).fetchone()
    connection.commit()
    if held is None:
        return
    story = f"run {held['run_id']} of workspace {workspace} waits for requests until {held['waits_until']:%H:%M} UTC"
    if held["wanted_by"] != run_id:
        raise NothingToAdd(f"{story} and run {held['wanted_by']} is next in line: this one would add nothing")
    raise WaitForTurn(
        f"{story}; it will publish what it has read, then this run takes over",
        max(held["waits_until"], datetime.now(UTC)) + timedelta(seconds=SILENCE),
    )


def _note_waiting(connection: Connection, workspace: str, run_id: str, waiting: Waiting) -> None:
    """Keep the workspace for a run that gives its worker back; what the body left open is committed."""
    connection.execute(
        "UPDATE integration.workspace_leases SET renewed_at = now(), waits_until = %s"
        " WHERE workspace = %s AND run_id = %s",
        (waiting.resume_at, workspace, run_id),
    )
    connection.commit()


def _enter(connection: Connection, workspace: str, run_id: str) -> Run:
    connection.execute("SELECT pg_advisory_lock_shared(hashtextextended('compliance ' || %s, 0))", (workspace,))
    row = connection.execute(
        """
        SELECT
            runs.started_at,
            runs.full_refresh,
            runs.policy_version,
            runs.scopes_granted,
            runs.identity_role,
            runs.kind,
            runs.judges_all,
            policies.body,
            leases.wanted_by
        FROM integration.runs AS runs
        INNER JOIN registry.policy_versions AS policies ON runs.policy_version = policies.policy_version
        LEFT JOIN integration.workspace_leases AS leases
            ON runs.workspace = leases.workspace AND runs.run_id = leases.run_id
        WHERE runs.run_id = %s AND runs.workspace = %s
        """,
        (run_id, workspace),
    ).fetchone()
    if row is None:
        raise RunSuperseded(f"run {run_id} of workspace {workspace} was never started; trigger the DAG anew")
    scopes = row["scopes_granted"]
    run = Run(
        workspace=workspace,
        run_id=run_id,
        started_at=row["started_at"],
        full_refresh=row["full_refresh"],
        policy=recorded(row["body"]),
        policy_version=row["policy_version"],
        scopes_granted=None if scopes is None else frozenset(scopes),
        identity_role=row["identity_role"],
        wanted_by=row["wanted_by"],
        only_events=row["kind"] == "events",
        judges_all=row["judges_all"],
    )
    renew_lease(connection, run)
    connection.commit()
    return run


def _leave(connection: Connection, run: Run, step: str, seconds: float) -> None:
    renew_lease(connection, run)
    connection.execute(
        """
        INSERT INTO integration.run_steps (run_id, workspace, step, started_at, finished_at)
        VALUES (%s, %s, %s, clock_timestamp() - make_interval(secs => %s), clock_timestamp())
        """,
        (run.run_id, run.workspace, step, seconds),
    )
    connection.commit()


def _note_error(run_id: str, step: str, error: PipelineError) -> None:
    """Show the reason in ``compliance.runs``; where Postgres itself is the reason, the task log has to do."""
    status = "superseded" if isinstance(error, RunSuperseded) else None
    try:
        connection = connect()
        with connection:
            connection.execute(
                "UPDATE integration.runs SET error = %s, status = coalesce(%s, status) WHERE run_id = %s",
                (f"{step}: {error}", status, run_id),
            )
    except (PipelineError, psycopg.Error) as unreachable:
        log.warning("the reason could not be noted in integration.runs: %s", unreachable)
