"""Webhooks through everything that may happen to them: from delivery to verdict, nothing lost, nothing wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
import requests
from cryptography.fernet import Fernet

from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from bitbucket_compliance.tasks import bitbucket_events
from local.postgres import EmbeddedPostgres
from sandbox import actions
from sandbox.build import person
from sandbox.model import Member
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from sandbox.webhooks import Delivery
from tests.harness import Pipeline
from tests.pipeline.announced import answer, waiting
from tests.pipeline.small import ACME, FAST, small_state, whole_run
from tests.receiving import Running, environment_of, free_port

Serve = Callable[[SandboxState], SandboxServer]
REPOSITORIES = 12


@pytest.fixture
def receiver(
    dsn: str, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Running]:
    key, port = Fernet.generate_key().decode(), free_port()
    monkeypatch.setenv("COMPLIANCE_WEBHOOK_KEY", key)
    with psycopg.connect(postgres.uri("postgres", "postgres"), autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'faulty_receiver'").fetchone():
            connection.execute("CREATE ROLE faulty_receiver LOGIN PASSWORD 'faulty'")
            connection.execute("GRANT compliance_receiver TO faulty_receiver")
    running = Running(environment_of(dsn, "faulty_receiver", "faulty", key, port), port, tmp_path / "receiver.log")
    monkeypatch.setenv("COMPLIANCE_WEBHOOK_URL", running.url)
    yield running.start()
    running.stop()


@pytest.fixture
def acme(pipeline: Pipeline, serve: Serve, receiver: Running) -> SandboxServer:
    """A workspace that was judged once, whose webhook delivers to the receiver."""
    from bitbucket_compliance.tasks import bitbucket_webhooks as webhooks

    state = small_state(REPOSITORIES)
    # The identity behind the connection owns the workspace, as an administrator's would.
    state.workspaces[0].members.append(Member(person("owner", "Owner", "owner@example.com"), "owner"))
    server = serve(state)
    pipeline.connect_to(server, **FAST, workspaces=[ACME])
    whole_run(pipeline, server)
    for line in webhooks.look_after("ensure", ACME, reactivate=False):
        print(line)
    assert len(server.state.workspaces[0].webhooks) == 1
    return server


def published(pipeline: Pipeline) -> dict[tuple[str, str], tuple[Any, ...]]:
    rows = pipeline.query("SELECT * FROM compliance.current_results WHERE workspace = %s", (ACME,))
    return {
        (row["test_id"], row["subject_id"]): (row["status"], row["basis"], row["reason_code"], row["facts_hash"])
        for row in rows
    }


def accepted(server: SandboxServer) -> set[str]:
    """Requests that were answered with 2xx, without pushes: of those to other branches nothing is kept."""
    return {
        one.request_uuid
        for one in server.state.deliveries.attempts
        if 200 <= one.status < 300 and one.event_key != "repo:push"
    }


def in_the_table(pipeline: Pipeline) -> list[str]:
    rows = pipeline.query(
        "SELECT request_id FROM integration.webhook_events WHERE event_key <> 'repo:push' ORDER BY event_id"
    )
    return [row["request_id"] for row in rows]


def something_happens(server: SandboxServer, random: Random) -> str:
    """One change that Bitbucket announces; the repository's uuid."""
    one = random.choice(server.state.workspaces[0].repositories)
    opened = actions.create_pull_request(server.state, one.slug).pull_request
    assert opened is not None
    number = opened.id
    if random.random() < 0.5:
        actions.approve(server.state, one.slug, number)
    actions.merge(server.state, one.slug, number)
    if one.mainbranch == "main" and random.random() < 0.2:
        # Once a repository: a second time would be told in the same words, and that is one event within an hour.
        actions.change_main_branch(server.state, one.slug, "trunk")
    return one.uuid


def settle(pipeline: Pipeline, server: SandboxServer) -> None:
    """Answer what waits."""
    while waiting(pipeline):
        answer(pipeline, server)


def assert_as_after_a_whole_run(pipeline: Pipeline, server: SandboxServer) -> None:
    by_events = published(pipeline)
    whole_run(pipeline, server, full_refresh=True)
    assert published(pipeline) == by_events


# --------------------------------------------------------------------------------------------------- the tests


def test_changes_are_announced_answered_and_judged_as_a_whole_run_would(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    random = Random(1)  # noqa: S311 - a choice and no secret
    before = published(pipeline)
    for _ in range(10):
        something_happens(acme, random)
    acme.state.deliveries.drain()
    assert sorted(in_the_table(pipeline)) == sorted(accepted(acme))
    settle(pipeline, acme)
    assert published(pipeline) != before
    assert_as_after_a_whole_run(pipeline, acme)


def test_duplicated_reordered_and_replayed_deliveries_change_nothing(
    pipeline: Pipeline, acme: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(2)  # noqa: S311
    held: list[Delivery] = []
    monkeypatch.setattr(acme.state.deliveries, "send", held.append)
    for _ in range(10):
        something_happens(acme, random)
    monkeypatch.undo()
    # COMPLIANCE_WEBHOOK_URL and the like went with it; the receiver is a process of its own and stays.
    shuffled = [*held, *held, *held]
    random.shuffle(shuffled)
    for delivery in shuffled:
        acme.state.deliveries.send(delivery)
    acme.state.deliveries.drain()
    assert {one.status for one in acme.state.deliveries.attempts} == {202}
    assert sorted(in_the_table(pipeline)) == sorted(one.request_uuid for one in held if one.event_key != "repo:push")


def test_old_deliveries_that_come_late_are_harmless(pipeline: Pipeline, acme: SandboxServer) -> None:
    random = Random(3)  # noqa: S311
    late: list[Delivery] = []
    send = acme.state.deliveries.send
    acme.state.deliveries.send = late.append  # type: ignore[method-assign]
    something_happens(acme, random)
    acme.state.deliveries.send = send  # type: ignore[method-assign]
    for _ in range(5):
        something_happens(acme, random)
    acme.state.deliveries.drain()
    settle(pipeline, acme)
    for delivery in late:
        acme.state.deliveries.send(delivery)
    acme.state.deliveries.drain()
    settle(pipeline, acme)
    assert_as_after_a_whole_run(pipeline, acme)


def test_forged_and_truncated_deliveries_do_nothing(pipeline: Pipeline, acme: SandboxServer, receiver: Running) -> None:
    from sandbox.webhooks import request_for

    hook = acme.state.workspaces[0].webhooks[0]
    target = acme.state.workspaces[0].repositories[0].uuid
    body = json.dumps({"repository": {"uuid": target}, "workspace": {"slug": "another"}}).encode()
    headers, sent = request_for(hook, "repo:deleted", body)
    unsigned = {name: value for name, value in headers.items() if name != "X-Hub-Signature"}
    strange = {**headers, "X-Hook-UUID": "99999999-2222-4333-8444-555555555555"}
    other = {**headers, "X-Hub-Signature": "sha256=" + "0" * 64}
    for made, content in (
        (unsigned, sent),
        (strange, sent),
        (other, sent),
        (headers, sent[:-3]),
        (headers, sent + b" "),
    ):
        assert requests.post(receiver.url, data=content, headers=made, timeout=15).status_code == 401
    assert in_the_table(pipeline) == []
    before = published(pipeline)
    # Signed, it is taken for what it is: a reason to look, and nothing was deleted.
    assert requests.post(receiver.url, data=sent, headers=headers, timeout=15).status_code == 202
    rows = pipeline.query("SELECT workspace, repository_id FROM integration.webhook_events")
    assert rows == [{"workspace": ACME, "repository_id": target}]
    settle(pipeline, acme)
    assert published(pipeline) == before


@pytest.mark.parametrize("what", ["receiver", "postgres"])
def test_what_was_accepted_in_a_burst_is_there_and_judged_though_something_was_restarted(
    pipeline: Pipeline, acme: SandboxServer, receiver: Running, postgres: EmbeddedPostgres, what: str
) -> None:
    random = Random(4)  # noqa: S311
    for step in range(60):
        something_happens(acme, random)
        if step == 20 and what == "receiver":
            receiver.stop()
            receiver.start()
        if step == 20 and what == "postgres":
            postgres.stop()
            postgres.start()
    acme.state.deliveries.drain()
    got, there = accepted(acme), in_the_table(pipeline)
    assert len(got) > 60
    assert got <= set(there)
    assert len(there) == len(set(there))
    settle(pipeline, acme)
    # What nobody took in, if anything, polling finds.
    whole_run(pipeline, acme)
    assert_as_after_a_whole_run(pipeline, acme)


def test_a_run_that_died_with_events_in_its_hands_leaves_them_to_the_next(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    random = Random(5)  # noqa: S311
    for _ in range(4):
        something_happens(acme, random)
    acme.state.deliveries.drain()
    tasks.start_run(ACME, "dies", full_refresh=False, incremental=True)
    tasks.preflight(ACME, "dies")
    tasks.list_workspace(ACME, "dies")
    # kill -9: no teardown. Its lease is silent after a minute.
    pipeline.query("UPDATE integration.workspace_leases SET renewed_at = now() - interval '2 minutes' RETURNING 1")
    rows = pipeline.query("SELECT * FROM integration.announce_events(0, 0, 60)")
    assert [(row["waiting_workspace"], row["announced"]) for row in rows] == [(ACME, True)]
    assert bitbucket_events.workspaces_with_events() == [{"workspace": ACME, "incremental": True}]
    settle(pipeline, acme)
    assert_as_after_a_whole_run(pipeline, acme)
