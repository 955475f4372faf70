"""The trigger that waits for events of webhooks, against a real Postgres."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from airflow.serialization.serialized_objects import BaseSerialization

from bitbucket_cloud.triggers.webhook_events import WebhookEventTrigger
from tests.conftest import Database

Fired = list[Any]


def insert(database: Database, workspace: str = "acme", count: int = 1) -> None:
    """So many events of a workspace that has a webhook."""
    database.execute(
        "INSERT INTO integration.webhooks (conn_id, workspace, hook_id, url, state)"
        " VALUES ('bitbucket_default', %s, %s, 'https://hooks.example.com', 'active') ON CONFLICT DO NOTHING",
        (workspace, f"{{hook of {workspace}}}"),
    )
    for _ in range(count):
        database.execute(
            "INSERT INTO integration.webhook_events"
            " (conn_id, workspace, hook_id, event_key, request_id, body_hash)"
            " VALUES ('bitbucket_default', %s, '{hook}', 'repo:updated', gen_random_uuid()::text,"
            " gen_random_uuid()::text)",
            (workspace,),
        )


def trigger(quiet: float = 0.3, longest: float = 2.0) -> WebhookEventTrigger:
    return WebhookEventTrigger("compliance_postgres", quiet_seconds=quiet, longest_seconds=longest, silent_seconds=60)


def listen(during: Callable[[Fired], Awaitable[None]], *triggers: WebhookEventTrigger, patience: float = 15) -> Fired:
    """What the triggers fire while ``during`` runs."""
    fired: Fired = []

    async def collect(one: WebhookEventTrigger) -> None:
        async for event in one.run():
            fired.append(event.payload)

    async def all_of_it() -> None:
        tasks = [asyncio.create_task(collect(one)) for one in triggers]
        try:
            await asyncio.wait_for(during(fired), patience)
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    asyncio.run(all_of_it())
    return fired


async def until(fired: Fired, count: int) -> None:
    while len(fired) < count:
        await asyncio.sleep(0.05)


def test_an_event_that_comes_while_it_listens_is_announced_once(dsn: str, database: Database) -> None:
    async def during(fired: Fired) -> None:
        await asyncio.sleep(0.5)
        insert(database)
        await until(fired, 1)
        await asyncio.sleep(2.5)

    assert listen(during, trigger()) == [{"workspace": "acme", "events": 1}]
    row = database.execute("SELECT announced_at, run_id FROM integration.webhook_events").fetchone()
    assert row is not None
    assert row["announced_at"] is not None


def test_events_that_came_before_it_listened_are_found(dsn: str, database: Database) -> None:
    insert(database, "acme", 3)
    insert(database, "beta")

    async def during(fired: Fired) -> None:
        await until(fired, 2)

    found = listen(during, trigger())
    assert sorted(found, key=str) == [{"workspace": "acme", "events": 3}, {"workspace": "beta", "events": 1}]


def test_the_first_of_a_burst_is_announced_at_once_and_all_others_together_when_it_is_over(
    dsn: str, database: Database
) -> None:
    async def during(fired: Fired) -> None:
        await asyncio.sleep(0.3)
        insert(database)
        await asyncio.wait_for(until(fired, 1), 1.0)
        # A run answers it while others come.
        database.execute("UPDATE integration.webhook_events SET run_id = 'run', handled_at = now()")
        for _ in range(10):
            insert(database, count=20)
            await asyncio.sleep(0.1)
        assert len(fired) == 1
        await until(fired, 2)
        await asyncio.sleep(1.5)

    assert listen(during, trigger(quiet=1.0, longest=30)) == [
        {"workspace": "acme", "events": 1},
        {"workspace": "acme", "events": 200},
    ]


def test_after_a_minute_of_rest_the_next_event_is_announced_at_once_again(dsn: str, database: Database) -> None:
    insert(database)
    database.execute(
        "UPDATE integration.webhook_events SET handled_at = now(), received_at = now() - interval '2 minutes',"
        " announced_at = now() - interval '61 seconds'"
    )

    async def during(fired: Fired) -> None:
        await asyncio.sleep(0.3)
        insert(database)
        await asyncio.wait_for(until(fired, 1), 1.0)

    assert listen(during, trigger(quiet=30, longest=60)) == [{"workspace": "acme", "events": 1}]


def test_a_burst_without_end_is_announced_after_the_longest_wait(dsn: str, database: Database) -> None:
    async def during(fired: Fired) -> None:
        while not fired:
            insert(database)
            await asyncio.sleep(0.1)

    assert len(listen(during, trigger(quiet=1.0, longest=2.0))) == 1


def test_two_triggerers_announce_each_event_once(dsn: str, database: Database) -> None:
    async def during(fired: Fired) -> None:
        await asyncio.sleep(0.3)
        insert(database, count=5)
        await until(fired, 1)
        await asyncio.sleep(2)

    assert len(listen(during, trigger(), trigger())) == 1


@pytest.mark.parametrize(
    ("lease", "fires"),
    [("now()", False), ("now() - interval '5 minutes'", True)],
    ids=["at work", "dead"],
)
def test_nothing_is_announced_while_a_run_is_at_work(dsn: str, database: Database, lease: str, fires: bool) -> None:
    database.execute(
        f"INSERT INTO integration.workspace_leases (workspace, run_id, renewed_at) VALUES ('acme', 'run', {lease})"  # noqa: S608
    )
    insert(database)
    # A run that died had taken it up.
    database.execute("UPDATE integration.webhook_events SET run_id = 'run'")

    async def during(fired: Fired) -> None:
        await asyncio.sleep(3)

    assert bool(listen(during, trigger())) is fires


def test_events_that_wait_for_requests_are_not_announced(dsn: str, database: Database) -> None:
    insert(database)
    database.execute("UPDATE integration.webhook_events SET waits_until = now() + interval '1 minute'")

    async def during(fired: Fired) -> None:
        await asyncio.sleep(2)

    assert listen(during, trigger()) == []


def test_events_of_a_workspace_that_was_disconnected_are_not_announced(dsn: str, database: Database) -> None:
    insert(database)
    database.execute("DELETE FROM integration.webhooks")

    async def during(fired: Fired) -> None:
        await asyncio.sleep(2)

    assert listen(during, trigger()) == []


def test_a_connection_that_comes_later_is_found(dsn: str, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    insert(database)
    given = os.environ["AIRFLOW_CONN_COMPLIANCE_POSTGRES"]
    monkeypatch.delenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES")

    async def during(fired: Fired) -> None:
        await asyncio.sleep(1.5)
        monkeypatch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", given)
        await until(fired, 1)

    assert listen(during, trigger()) == [{"workspace": "acme", "events": 1}]


def test_it_goes_on_when_the_database_cut_its_connection(dsn: str, database: Database) -> None:
    async def during(fired: Fired) -> None:
        await asyncio.sleep(0.5)
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        insert(database)
        await until(fired, 1)

    assert listen(during, trigger()) == [{"workspace": "acme", "events": 1}]


def test_it_outlives_a_restart_of_the_triggerer(dsn: str) -> None:
    path, arguments = trigger().serialize()
    assert path == "bitbucket_cloud.triggers.webhook_events.WebhookEventTrigger"
    again = WebhookEventTrigger(**BaseSerialization.deserialize(BaseSerialization.serialize(arguments)))
    assert again.serialize() == (path, arguments)
