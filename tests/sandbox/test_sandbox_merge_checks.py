"""What the stand-in says of the checks of an open pull request, of default reviewers, branches and activities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import actions
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.pipeline.small import ACME, small_state
from tests.sandbox.conftest import Client

ROOT = f"/repositories/{ACME}/repo-0"
ALWAYS = ["pullrequest_state_check", "current_user_permission_check", "git_mergeability_check"]


@pytest.fixture
def state() -> SandboxState:
    return small_state(1)


@pytest.fixture
def client(state: SandboxState) -> Iterator[Client]:
    with SandboxServer(state) as server:
        yield Client(server.url, "demo-token")


def opened(state: SandboxState, **more: Any) -> int:
    done = actions.create_pull_request(state, "repo-0", **more)
    return int(done.pull_request.id)


def path(number: int) -> str:
    return f"{ROOT}/pullrequests/{number}/mergeability/checks"


def standard(client: Client, number: int) -> dict[str, tuple[Any, bool, str]]:
    """Requirement, enforcement and status of the checks that a branch restriction stands behind, by kind."""
    body = client.json(path(number))
    return {
        check["check"]["kind"]: (check["requirement"], check["required"], check["status"])
        for check in body["values"]
        if check["type"] == "standard_merge_check"
    }


def test_every_answer_is_one_page_with_the_three_kinds_that_are_always_there(
    client: Client, state: SandboxState
) -> None:
    state.repository("repo-0").restrictions.clear()
    body = client.json(path(opened(state)))
    assert set(body) == {"size", "values"}
    assert [check["type"] for check in body["values"]] == ALWAYS
    assert body["size"] == 3


def test_a_check_tells_its_threshold_keyed_by_kind_and_whether_it_is_enforced(
    client: Client, state: SandboxState
) -> None:
    number = opened(state)
    found = standard(client, number)
    assert found["minimum_approvals"] == ({"minimum_approvals": 1}, True, "FAILED")
    assert found["failed_builds"][:2] == found["in_progress_builds"][:2] == (None, True)
    actions.approve(state, "repo-0", number)
    assert standard(client, number)["minimum_approvals"][2] == "PASSED"
    actions.remove_restriction(state, "repo-0", "enforce_merge_checks")
    assert standard(client, number)["minimum_approvals"][1] is False


def test_rules_of_its_project_apply_and_stand_in_no_listing(client: Client, state: SandboxState) -> None:
    repository = state.repository("repo-0")
    repository.restrictions.clear()
    state.workspaces[0].projects = [repository.project]
    actions.set_project_restriction(state, "ACM", "require_approvals_to_merge", value=3)
    actions.set_project_restriction(state, "ACM", "enforce_merge_checks")
    actions.set_project_restriction(state, "ACM", "require_passing_builds_to_merge", pattern="develop", value=1)
    assert standard(client, opened(state)) == {"minimum_approvals": ({"minimum_approvals": 3}, True, "FAILED")}
    assert "minimum_successful_builds" in standard(client, opened(state, into="develop"))
    client.session.headers["Authorization"] = "Bearer demo-admin-token"
    assert client.json(f"{ROOT}/branch-restrictions")["values"] == []
    actions.remove_project_restriction(state, "ACM", "enforce_merge_checks")
    assert standard(client, opened(state))["minimum_approvals"][1] is False


@pytest.mark.parametrize(("shown", "requirement"), [("null", None), ("zero", {"resolved_tasks": 0})])
def test_kinds_that_nothing_asks_for_may_be_listed(
    client: Client, state: SandboxState, shown: Any, requirement: Any
) -> None:
    number = opened(state)
    assert "resolved_tasks" not in standard(client, number)
    state.unconfigured_checks = shown
    assert standard(client, number)["resolved_tasks"][0] == requirement


def test_what_nobody_knows_yet_is_shown_as_it_is(client: Client, state: SandboxState) -> None:
    more = {"type": "merge_queue_check", "status": "UNKNOWN", "required": False, "blocking": False}
    state.repository("repo-0").more_checks.append(more)
    assert client.json(path(opened(state)))["values"][-1] == more


def test_a_pull_request_that_was_closed_has_none(client: Client, state: SandboxState) -> None:
    number = opened(state)
    actions.merge(state, "repo-0", number)
    assert client.get(path(number)).status_code == 404
    assert client.get(path(999)).status_code == 404


def test_only_a_small_part_of_the_filter_language_is_known(client: Client, state: SandboxState) -> None:
    number = opened(state)
    [only] = client.json(path(number), q='type = "git_mergeability_check"')["values"]
    assert only["reason"] == "clean"
    assert client.get(path(number), q='status = "FAILED"').status_code == 400


def test_they_have_a_limit_of_their_own(client: Client, state: SandboxState) -> None:
    number = opened(state)
    state.merge_checks_hourly_limit = 1
    assert [client.get(path(number)).status_code for _ in range(2)] == [200, 429]
    assert client.get(ROOT).status_code == 200


def test_default_reviewers_are_its_own_and_its_projects(client: Client, state: SandboxState) -> None:
    assert client.json(f"{ROOT}/effective-default-reviewers")["values"] == []
    actions.set_default_reviewers(state, "repo-0", reviewers=["person-1"])
    state.repository("repo-0").project.default_reviewers = [one.account for one in state.workspaces[0].members[1:3]]
    found = client.json(f"{ROOT}/effective-default-reviewers")["values"]
    assert [(one["reviewer_type"], one["user"]["nickname"]) for one in found] == [
        ("repository", "person-1"),
        ("project", "person-2"),
    ]


def test_a_branch_is_there_once_somebody_pushed(client: Client, state: SandboxState) -> None:
    state.workspaces[0].projects = [state.repository("repo-0").project]
    actions.create_repository(state, "new", mainbranch="release/main")
    branch = f"/repositories/{ACME}/new/refs/branches/release%2Fmain"
    assert client.get(branch).status_code == 404
    actions.push(state, "new")
    assert client.json(branch)["name"] == "release/main"


def test_an_activity_tells_when_it_was_merged_whatever_was_said_later(client: Client, state: SandboxState) -> None:
    number = opened(state)
    actions.approve(state, "repo-0", number)
    actions.merge(state, "repo-0", number)
    merged_on = state.repository("repo-0").pull_requests[-1].updated_on
    actions.comment(state, "repo-0", number)
    found = client.json(f"{ROOT}/pullrequests/{number}/activity")["values"]
    assert [next(iter(set(entry) - {"pull_request"})) for entry in found] == ["comment", "update", "approval", "update"]
    assert [entry["update"]["state"] for entry in found if "update" in entry] == ["MERGED", "OPEN"]
    assert found[1]["update"]["date"] == merged_on.isoformat(timespec="microseconds")
