"""Merges of every strategy are told apart from pushes past pull requests; deliveries as Bitbucket makes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from bitbucket_cloud.webhooks.events import read_event
from sandbox import actions
from sandbox.model import Webhook
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.conftest import ROOT
from tests.harness import Pipeline
from tests.pipeline.small import ACME, small_state, whole_run

Serve = Callable[[SandboxState], SandboxServer]
INSERT = (ROOT / "plugins/bitbucket_webhooks/insert_event.sql").read_bytes()


@pytest.fixture
def acme(serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SandboxServer:
    policy = tmp_path / "policy.yaml"
    policy.write_text("thresholds: {direct_pushes: fail}\n")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    state = small_state(1)
    hook = Webhook("{00000000-0000-4000-8000-0000000000aa}", "http://127.0.0.1:9/", "ours", ["repo:push"], 1)
    state.workspaces[0].webhooks.append(hook)
    return serve(state)


def delivered(pipeline: Pipeline, done: Any) -> None:
    """What the receiver would keep of an action's deliveries."""
    for delivery in done.deliveries:
        event = read_event({name.lower(): value for name, value in delivery.headers.items()}, delivery.body)
        if event.push is None or event.repository_id is None:
            continue
        event = replace(event, push=event.push.to_branch("main"))
        values = {**vars(event), "conn_id": "bitbucket_default", "workspace": ACME, "hook_id": delivery.hook_uuid}
        changes = Jsonb(event.push.rows() if event.push else [])
        with psycopg.connect(pipeline.dsn, autocommit=True) as connection:
            connection.execute(INSERT, {**values, "changes": changes})


def told(pipeline: Pipeline, server: SandboxServer) -> tuple[str, int]:
    """The reason code of the review test after a run, and how many direct pushes its detail tells of."""
    whole_run(pipeline, server)
    (row,) = pipeline.query(
        "SELECT reason_code, detail FROM compliance.current_results WHERE test_id = 'peer_review_required'"
    )
    return row["reason_code"], len(row["detail"]["direct_pushes_told"])


@pytest.mark.parametrize("strategy", ["merge_commit", "squash", "fast_forward", "rebase"])
def test_a_merge_of_any_strategy_is_no_direct_push(pipeline: Pipeline, acme: SandboxServer, strategy: Any) -> None:
    actions.ACTIONS["create_pull_request"](acme.state, "repo-0", author="person-0")
    actions.ACTIONS["approve"](acme.state, "repo-0")
    done = actions.ACTIONS["merge"](acme.state, "repo-0", strategy=strategy)
    delivered(pipeline, done)
    assert json.loads(done.deliveries[-1].body)["push"]["changes"][0]["new"]["target"]["hash"]
    assert len(pipeline.query("SELECT 1 FROM integration.pushes")) == 1
    assert told(pipeline, acme) == ("rule_enforced", 0)
    delivered(pipeline, actions.ACTIONS["push"](acme.state, "repo-0", commits=3))
    delivered(pipeline, actions.ACTIONS["push"](acme.state, "repo-0", branch="feature/x"))
    assert told(pipeline, acme) == ("pushed_past_pull_requests", 1)


@pytest.mark.parametrize("status", [500, 403])
def test_a_push_past_pull_requests_is_not_forgiven_by_pull_requests_that_can_not_be_listed(
    pipeline: Pipeline, acme: SandboxServer, status: int
) -> None:
    delivered(pipeline, actions.ACTIONS["push"](acme.state, "repo-0"))
    assert told(pipeline, acme) == ("pushed_past_pull_requests", 1)
    acme.state.add_fault("pull_requests", status=status)
    for _ in range(2):
        assert told(pipeline, acme) == ("pushed_past_pull_requests", 1)
    delivered(pipeline, actions.ACTIONS["push"](acme.state, "repo-0"))
    assert told(pipeline, acme) == ("pushed_past_pull_requests", 1), "that may be a merge"


def test_a_forced_push_and_the_removal_of_the_main_branch_rewrite_history(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    delivered(pipeline, actions.ACTIONS["push"](acme.state, "repo-0", forced=True))
    delivered(pipeline, actions.ACTIONS["remove_branch"](acme.state, "repo-0"))
    whole_run(pipeline, acme)
    assert pipeline.verdicts(ACME)["branch_protection_enforced", "repo-0"] == (
        "failing", "behaviour", "history_rewritten",
    )  # fmt: skip
