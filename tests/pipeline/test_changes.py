"""The population of changes: every merge and every push past pull requests, recorded once and never taken back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox import actions
from sandbox.build import midnight
from sandbox.model import Participant, Webhook
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.small import small_state, whole_run, write_csv
from tests.pipeline.test_direct_pushes import delivered

Serve = Callable[[SandboxState], SandboxServer]


@pytest.fixture
def acme(serve: Serve) -> SandboxServer:
    state = small_state(1)
    hook = Webhook("{00000000-0000-4000-8000-0000000000aa}", "http://127.0.0.1:9/", "ours", ["repo:push"], 1)
    state.workspaces[0].webhooks.append(hook)
    return serve(state)


def changes(pipeline: Pipeline, kind: str = "pull_request") -> list[dict[str, Any]]:
    return pipeline.query(
        "SELECT * FROM compliance.changes WHERE kind = %s ORDER BY merged_on, length(change_key), change_key", (kind,)
    )


def act(server: SandboxServer, name: str, **what: Any) -> Any:
    return actions.ACTIONS[name](server.state, "repo-0", **what)


def test_every_merge_in_the_window_is_recorded_with_who_did_what(pipeline: Pipeline, acme: SandboxServer) -> None:
    [repository] = acme.state.workspaces[0].repositories
    run_id = whole_run(pipeline, acme)
    window = midnight() - timedelta(days=90)
    merged = {one.id: one for one in repository.pull_requests if one.state == "MERGED" and one.updated_on >= window}
    recorded = changes(pipeline)
    assert {row["pull_request_id"] for row in recorded} == set(merged)
    for row in recorded:
        one = merged[row["pull_request_id"]]
        assert (row["author_id"], row["merged_by"]) == (one.author.uuid, one.closed_by.uuid)
        assert (row["created_on"], row["merged_on"]) == (one.created_on, one.updated_on)
        assert set(row["approved_by"]) == {who.user.uuid for who in one.participants if who.approved}
        assert row["link"] == f"https://bitbucket.org/acme/repo-0/pull-requests/{one.id}"
        assert (row["first_run_id"], row["in_scope"]) == (run_id, True)
    whole_run(pipeline, acme)
    assert changes(pipeline) == recorded, "another reading tells nothing new"


def test_builds_that_nobody_asked_for_are_not_known_and_no_failure(pipeline: Pipeline, acme: SandboxServer) -> None:
    whole_run(pipeline, acme)
    unasked = [row for row in changes(pipeline) if row["builds"] is None]
    assert unasked, "the rules decide here, so builds are not asked for"
    assert {row["status_checks_passed"] for row in unasked} == {None}


def test_an_approval_that_is_given_after_the_merge_makes_no_review(pipeline: Pipeline, acme: SandboxServer) -> None:
    [repository] = acme.state.workspaces[0].repositories
    act(acme, "create_pull_request", author="person-0")
    merged = act(acme, "merge").pull_request
    whole_run(pipeline, acme)

    def recorded() -> dict[str, Any]:
        [row] = [row for row in changes(pipeline) if row["pull_request_id"] == merged.id]
        return row

    first = recorded()
    assert (first["peer_reviewed"], first["peer_approvals"], first["approved_by"]) == (False, 0, [])
    reviewer = next(one.user for one in repository.pull_requests[0].participants if one.approved)
    merged.participants.append(Participant(reviewer, approved=True))
    merged.updated_on += timedelta(minutes=5)
    whole_run(pipeline, acme)
    assert recorded() == first


def test_a_push_past_pull_requests_is_a_change_without_review(pipeline: Pipeline, acme: SandboxServer) -> None:
    act(acme, "create_pull_request", author="person-0")
    act(acme, "approve")
    delivered(pipeline, act(acme, "merge"))
    delivered(pipeline, act(acme, "push", commits=3))
    delivered(pipeline, act(acme, "push", branch="feature/x"))
    whole_run(pipeline, acme)
    [push] = changes(pipeline, "direct_push")
    assert (push["peer_reviewed"], push["status_checks_passed"], push["forced"]) == (False, None, False)
    assert push["link"] == f"https://bitbucket.org/acme/repo-0/commits/{push['commit_hash']}"
    assert push["author_id"] is not None


def test_what_happens_to_a_repository_later_takes_no_change_out_of_the_population(
    pipeline: Pipeline, acme: SandboxServer, tmp_path: Path
) -> None:
    whole_run(pipeline, acme)
    before = changes(pipeline)
    declared = [("repository", "repo-0", "non_production", "", "")]
    columns = "target_type,target,classification,sensitivity,owner"
    pipeline.take("classification", write_csv(tmp_path / "c.csv", columns, declared))
    act(acme, "create_pull_request", author="person-0")
    later = act(acme, "merge").pull_request
    whole_run(pipeline, acme)
    [new] = [row for row in changes(pipeline) if row["pull_request_id"] == later.id]
    assert (new["in_scope"], new["classification"]) == (False, "non_production")
    assert [row for row in changes(pipeline) if row != new] == before
    acme.state.workspaces[0].repositories.clear()
    acme.state.workspaces[0].repositories.extend(small_state(2).workspaces[0].repositories[1:])
    whole_run(pipeline, acme)
    assert [row for row in changes(pipeline) if row["repository"] == "repo-0" and row != new] == before
