"""Events in the table, as the receiver writes them, and runs that answer them."""

from __future__ import annotations

import itertools
from typing import Any

import psycopg

from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from sandbox.process import SandboxServer
from tests.harness import Pipeline
from tests.pipeline.small import ACME, FAST

_events = itertools.count(1)


def announce(
    pipeline: Pipeline,
    repository_id: str | None,
    event_key: str = "pullrequest:fulfilled",
    workspace: str = ACME,
    *,
    age_minutes: float = 0,
) -> int:
    """One event that waits, received so long ago; its id."""
    number = next(_events)
    rows = pipeline.query(
        "INSERT INTO integration.webhook_events"
        " (received_at, conn_id, workspace, hook_id, event_key, request_id, body_hash, repository_id)"
        " VALUES (clock_timestamp() - make_interval(secs => 60 * %s), 'bitbucket_default', %s, '{hook}',"
        " %s, %s, %s, %s) RETURNING event_id",
        (age_minutes, workspace, event_key, f"request-{number}", f"hash-{number}", repository_id),
    )
    return int(rows[0]["event_id"])


def event(pipeline: Pipeline, event_id: int) -> dict[str, Any]:
    """The event's row."""
    return pipeline.query("SELECT * FROM integration.webhook_events WHERE event_id = %s", (event_id,))[0]


def waiting(pipeline: Pipeline) -> int:
    """Events that no published run has answered."""
    return int(pipeline.query("SELECT count(*) AS n FROM integration.webhook_events WHERE handled_at IS NULL")[0]["n"])


def begin(run_id: str, workspace: str = ACME) -> str:
    """Start a run for events."""
    tasks.start_run(workspace, run_id, full_refresh=False, incremental=True)
    return run_id


def answer(
    pipeline: Pipeline,
    server: SandboxServer,
    *,
    workspace: str = ACME,
    grant: str = "admin",
    gates: bool = False,
    **extra: object,
) -> str:
    """A whole run for what was announced; returns its id."""
    pipeline.connect_to(server, grant, **{**FAST, **extra})
    run_id = f"events-{next(_events)}"
    begin(run_id, workspace)
    try:
        tasks.preflight(workspace, run_id)
        tasks.list_workspace(workspace, run_id)
        for chunk in tasks.plan_reading(workspace, run_id):
            tasks.read_chunk(workspace, run_id, chunk)
        tasks.stage(workspace, run_id)
        if gates:
            tasks.gate(workspace, run_id, "staging")
        pipeline.judge(run_id, workspace)
        if gates:
            tasks.gate(workspace, run_id, "results")
        tasks.publish(workspace, run_id)
    finally:
        tasks.finish_run(workspace, run_id)
    return run_id


def register(pipeline: Pipeline, workspace: str = ACME, *, hours_ago: float = 24, events: tuple[str, ...] = ()) -> None:
    """A webhook of the workspace that has been delivering for so long."""
    with psycopg.connect(pipeline.dsn) as connection:
        connection.execute(
            "INSERT INTO integration.webhooks (conn_id, workspace, hook_id, url, events, state, registered_at)"
            " VALUES ('bitbucket_default', %s, '{hook}', 'https://hooks.example.com', %s, 'active',"
            " now() - make_interval(hours => %s))",
            (
                workspace,
                list(events or ("repo:created", "pullrequest:created", "pullrequest:fulfilled")),
                int(hours_ago),
            ),
        )
