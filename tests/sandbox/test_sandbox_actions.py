"""What people do changes what the API then shows, and is announced as Bitbucket announces it, or not at all."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from sandbox import actions
from sandbox.actions import ACTIONS, ActionError
from sandbox.build import uuid_of
from sandbox.hooks import EVENTS
from sandbox.model import Project, Repository, Webhook, Workspace
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.sandbox.conftest import Client
from tests.sandbox.receiver import Receiver

pytestmark = pytest.mark.slow

W = "demo-workspace"
NOW = datetime(2030, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
SHOWN = "2030-05-06T07:08:09.123456+00:00"


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """A server of its own, as actions change what it holds."""
    with SandboxServer() as running:
        running.state.clock = lambda: NOW
        yield running


@pytest.fixture
def told(state: SandboxState, receiver: Receiver) -> Receiver:
    """A receiver that a webhook of the workspace tells of everything."""
    state.workspaces[0].webhooks.append(Webhook(uuid_of("hook"), receiver.url, "All", sorted(EVENTS), 0, secret="s"))
    return receiver


def events(state: SandboxState, receiver: Receiver) -> dict[str, Any]:
    """The bodies that came, by event key; none of them twice."""
    state.deliveries.drain(10)
    found = {came.headers["x-event-key"]: json.loads(came.body) for came in receiver.received}
    assert len(found) == len(receiver.received)
    receiver.received.clear()
    return found


def pull_of(client: Client, slug: str, number: int) -> Any:
    fields = "+values.participants,+values.reviewers"
    found = client.json(f"/repositories/{W}/{slug}/pullrequests", q=f"id = {number}", fields=fields)
    return found["values"][0]


# --- pull requests -------------------------------------------------------------------------------------


def test_a_pull_request_is_opened_approved_and_merged(state: SandboxState, admin: Client, told: Receiver) -> None:
    made = actions.create_pull_request(
        state, "billing-api", title="Pay twice", author="femi-rask", reviewers=["ada-lindqvist"], description="why"
    )
    assert made.pull_request is not None
    number = made.pull_request.id
    shown = pull_of(admin, "billing-api", number)
    assert (shown["title"], shown["state"], shown["created_on"], shown["updated_on"]) == (
        "Pay twice", "OPEN", SHOWN, SHOWN,
    )  # fmt: skip
    assert shown["author"]["nickname"] == "femi-rask" and shown["description"] == "why"
    assert [person["nickname"] for person in shown["reviewers"]] == ["ada-lindqvist"]
    body = events(state, told)["pullrequest:created"]
    assert body["actor"]["nickname"] == "femi-rask"
    assert (body["pullrequest"]["id"], body["repository"]["full_name"]) == (number, f"{W}/billing-api")

    state.clock = lambda: NOW + timedelta(hours=1)
    later = SHOWN.replace("T07", "T08")
    actions.approve(state, "billing-api", number, by="ada-lindqvist")
    (participant,) = pull_of(admin, "billing-api", number)["participants"]
    assert (participant["approved"], participant["state"], participant["role"]) == (True, "approved", "REVIEWER")
    assert pull_of(admin, "billing-api", number)["updated_on"] == participant["participated_on"] == later
    body = events(state, told)["pullrequest:approved"]
    assert body["approval"]["user"]["nickname"] == body["actor"]["nickname"] == "ada-lindqvist"
    assert body["approval"]["date"] == later
    assert body["pullrequest"]["participants"][0]["approved"] is True

    state.clock = lambda: NOW + timedelta(hours=2)
    merged = actions.merge(state, "billing-api", number, by="ada-lindqvist")
    assert merged.events == ["pullrequest:fulfilled", "repo:push"]
    shown = pull_of(admin, "billing-api", number)
    assert (shown["state"], shown["closed_by"]["nickname"]) == ("MERGED", "ada-lindqvist")
    assert shown["updated_on"] == SHOWN.replace("T07", "T09")
    assert admin.json(f"/repositories/{W}/billing-api")["updated_on"] == SHOWN.replace("T07", "T09")
    bodies = events(state, told)
    assert bodies["pullrequest:fulfilled"]["pullrequest"]["state"] == "MERGED"
    assert bodies["repo:push"]["push"]["changes"][0]["new"]["name"] == "main"
    with pytest.raises(ActionError, match=f"no open pull request {number}"):
        actions.merge(state, "billing-api", number)


def test_an_approval_can_be_taken_back(state: SandboxState, admin: Client, told: Receiver) -> None:
    pull = actions.create_pull_request(state, "ledger", author="femi-rask").pull_request
    assert pull is not None
    first = actions.approve(state, "ledger", pull.id)
    second = actions.approve(state, "ledger", pull.id)
    people = [participant.user for participant in pull.participants]
    assert first.pull_request is second.pull_request and len({p.uuid for p in people if p}) == 2
    assert pull.author not in people, "nobody approves their own by chance"
    state.deliveries.drain(10)
    told.received.clear()
    actions.unapprove(state, "ledger", pull.id, by=people[1].nickname if people[1] else None)
    states = [(p["approved"], p["state"]) for p in pull_of(admin, "ledger", pull.id)["participants"]]
    assert states == [(True, "approved"), (False, None)]
    assert events(state, told)["pullrequest:unapproved"]["approval"]["user"]["uuid"] == (people[1] and people[1].uuid)
    with pytest.raises(ActionError, match="did not approve it"):
        actions.unapprove(state, "ledger", pull.id, by=people[1].nickname if people[1] else None)
    actions.unapprove(state, "ledger", pull.id)
    with pytest.raises(ActionError, match="nobody approved it"):
        actions.unapprove(state, "ledger", pull.id)


def test_a_pull_request_is_edited_and_declined(state: SandboxState, admin: Client, told: Receiver) -> None:
    pull = actions.create_pull_request(state, "ledger", announce=False).pull_request
    assert pull is not None and events(state, told) == {}
    actions.update_pull_request(state, "ledger", pull.id, title="Better", into="release/1")
    assert events(state, told)["pullrequest:updated"]["pullrequest"]["title"] == "Better"
    shown = pull_of(admin, "ledger", pull.id)
    assert (shown["title"], shown["destination"]["branch"]["name"]) == ("Better", "release/1")
    actions.decline(state, "ledger")
    assert events(state, told)["pullrequest:rejected"]["pullrequest"]["state"] == "DECLINED"
    assert pull_of(admin, "ledger", pull.id)["state"] == "DECLINED"


def test_a_burst_merges_pull_requests_of_many_repositories(receiver: Receiver) -> None:
    with SandboxServer(workload="reference", repositories=30) as server:
        state = server.state
        state.workspaces[0].webhooks.append(
            Webhook(uuid_of("hook"), receiver.url, "Merges", ["pullrequest:fulfilled"], 0, secret="s")
        )
        done = actions.merge_burst(state, 70)
        state.deliveries.drain(30)
        admin = Client(server.url)
        states = [
            admin.json(f"/repositories/reference/{repo.slug}/pullrequests", state="OPEN", fields="size")["size"]
            for repo in state.workspaces[0].repositories
        ]
        assert states == [7] * 10 + [8] * 20, "in turn"
        announced = {json.loads(came.body)["repository"]["uuid"] for came in receiver.received}
        assert len(receiver.received) == len(done) == 70
        assert announced == {repo.uuid for repo in state.workspaces[0].repositories}
        with pytest.raises(ActionError, match="231 pull requests can't be merged: 230 are open"):
            actions.merge_burst(state, 231)
        assert len(actions.merge_burst(state, 2, repositories=["service-00007"], announce=False)) == 2
        assert len(receiver.received) == 70


# --- code and builds -----------------------------------------------------------------------------------


def test_a_push_moves_the_repository_and_updates_pull_requests_from_its_branch(
    state: SandboxState, admin: Client, told: Receiver
) -> None:
    pull = actions.create_pull_request(state, "ledger", source_branch="feature/x", announce=False).pull_request
    assert pull is not None
    state.clock = lambda: NOW + timedelta(hours=1)
    later = SHOWN.replace("T07", "T08")
    done = actions.push(state, "ledger", "feature/x", commits=7, by="femi-rask", message="Fix")
    assert done.events == ["repo:push", "pullrequest:push", "pullrequest:updated"]
    bodies = events(state, told)
    (change,) = bodies["repo:push"]["push"]["changes"]
    assert change["new"]["name"] == change["old"]["name"] == "feature/x"
    assert (len(change["commits"]), change["truncated"]) == (5, True)
    assert change["new"]["target"]["hash"] == change["commits"][0]["hash"] != change["old"]["target"]["hash"]
    assert len({commit["hash"] for commit in change["commits"]}) == 5
    assert (
        change["commits"][0]["message"] == "Fix" and change["commits"][0]["author"]["user"]["nickname"] == "femi-rask"
    )
    assert bodies["pullrequest:updated"]["pullrequest"]["id"] == pull.id
    assert pull_of(admin, "ledger", pull.id)["updated_on"] == later
    assert admin.json(f"/repositories/{W}/ledger")["updated_on"] == later
    assert actions.push(state, "ledger").events == ["repo:push"]
    with pytest.raises(ActionError, match="0 commits"):
        actions.push(state, "ledger", commits=0)


def test_a_pipeline_is_announced_by_its_commit_status_alone(state: SandboxState, admin: Client, told: Receiver) -> None:
    pull = actions.create_pull_request(state, "ledger", announce=False).pull_request
    assert pull is not None
    done = actions.run_pipeline(state, "ledger", result="FAILED", pull_request=pull.id)
    assert done.pipeline is not None
    bodies = events(state, told)
    assert {key: body["commit_status"]["state"] for key, body in bodies.items()} == {
        "repo:commit_status_created": "INPROGRESS",
        "repo:commit_status_updated": "FAILED",
    }
    assert bodies["repo:commit_status_updated"]["commit_status"]["refname"] == pull.source_branch
    (newest,) = admin.json(f"/repositories/{W}/ledger/pipelines", sort="-created_on", pagelen=1)["values"]
    assert newest["uuid"] == done.pipeline.uuid and newest["completed_on"] == SHOWN
    assert newest["state"]["result"]["name"] == "FAILED" and newest["target"]["ref_name"] == pull.source_branch
    (status,) = admin.json(f"/repositories/{W}/ledger/pullrequests/{pull.id}/statuses")["values"]
    assert (status["state"], status["updated_on"]) == ("FAILED", SHOWN)
    announced = bodies["repo:commit_status_updated"]["commit_status"]
    assert announced["key"] == status["key"] and status["commit"]["hash"] in announced["commit"]["hash"]
    assert status.keys() == announced.keys()


def test_a_pipeline_may_still_run(state: SandboxState, admin: Client, told: Receiver) -> None:
    actions.run_pipeline(state, "ledger", result=None, branch="main")
    assert events(state, told).keys() == {"repo:commit_status_created"}
    (newest,) = admin.json(f"/repositories/{W}/ledger/pipelines", sort="-created_on", pagelen=1)["values"]
    assert newest["state"]["name"] == "IN_PROGRESS" and "completed_on" not in newest


# --- repositories --------------------------------------------------------------------------------------


def test_a_repository_is_created_filled_and_deleted(state: SandboxState, admin: Client, told: Receiver) -> None:
    path = f"/repositories/{W}/brand-new"
    actions.create_repository(state, "brand-new", project="CORE", by="ada-lindqvist")
    shown = admin.json(path)
    assert (shown["created_on"], shown["mainbranch"], shown["project"]["key"]) == (SHOWN, None, "CORE")
    body = events(state, told)["repo:created"]
    assert (body["repository"]["uuid"], body["actor"]["nickname"]) == (shown["uuid"], "ada-lindqvist")
    assert admin.get(f"{path}/pipelines_config").status_code == 404
    with pytest.raises(ActionError, match="'Brand-New' in the workspace 'demo-workspace' already"):
        actions.create_repository(state, "Brand-New")
    with pytest.raises(ActionError, match="no project 'NONE'"):
        actions.create_repository(state, "another", project="NONE")
    with pytest.raises(ActionError, match="has no main branch"):
        actions.create_pull_request(state, "brand-new")
    actions.push(state, "brand-new", "trunk")
    assert admin.json(path)["mainbranch"]["name"] == "trunk"
    events(state, told)
    state.repository("brand-new").webhooks.append(
        Webhook(uuid_of("own"), told.url + "/own", "Its own", ["repo:deleted"], 0)
    )
    actions.delete_repository(state, "brand-new")
    state.deliveries.drain(10)
    assert sorted(came.path for came in told.received) == ["/hook", "/hook/own"]
    assert json.loads(told.received[0].body)["repository"]["uuid"] == shown["uuid"]
    assert admin.get(path).status_code == 404
    assert [repo for _, repo, _ in state.webhooks()] == [None], "its webhook went with it"


def test_a_repository_is_renamed_and_keeps_its_uuid(state: SandboxState, admin: Client, told: Receiver) -> None:
    before = admin.json(f"/repositories/{W}/ledger")
    actions.rename_repository(state, "ledger", "General Ledger")
    assert admin.get(f"/repositories/{W}/ledger").status_code == 404
    shown = admin.json(f"/repositories/{W}/general-ledger")
    assert (shown["uuid"], shown["name"], shown["updated_on"]) == (before["uuid"], "General Ledger", SHOWN)
    body = events(state, told)["repo:updated"]
    assert body["changes"]["name"] == {"old": "ledger", "new": "General Ledger"}
    assert body["changes"]["links"]["old"]["html"]["href"] == f"https://bitbucket.org/{W}/ledger"
    assert body["changes"]["links"]["new"]["html"]["href"] == f"https://bitbucket.org/{W}/general-ledger"
    assert body["repository"]["full_name"] == f"{W}/general-ledger"
    with pytest.raises(ActionError, match="'billing-api' in the workspace 'demo-workspace' already"):
        actions.rename_repository(state, "general-ledger", "Billing API")


def test_another_branch_becomes_the_main_one(state: SandboxState, admin: Client, told: Receiver) -> None:
    actions.change_main_branch(state, "ledger", "trunk")
    shown = admin.json(f"/repositories/{W}/ledger")
    assert (shown["mainbranch"]["name"], shown["updated_on"]) == ("trunk", SHOWN)
    body = events(state, told)["repo:updated"]
    assert body["changes"] == {} and body["repository"]["uuid"] == shown["uuid"]


def test_a_repository_moves_to_another_workspace(state: SandboxState, admin: Client, told: Receiver) -> None:
    project = Project(uuid_of("p"), "P", "Project")
    other = Workspace(
        uuid_of("other"), "other", "Other", NOW, projects=[project], webhooks=state.workspaces[0].webhooks
    )
    state.workspaces.append(other)
    actions.transfer_repository(state, "ledger", "other")
    assert admin.get(f"/repositories/{W}/ledger").status_code == 404
    assert admin.json("/repositories/other/ledger")["project"]["key"] == "P"
    body = events(state, told)["repo:transfer"]
    assert (body["previous_workspace"]["slug"], body["repository"]["workspace"]["slug"]) == (W, "other")


# --- lost events, and what has none --------------------------------------------------------------------

SILENT: tuple[tuple[str, dict[str, Any]], ...] = (
    ("create_pull_request", {"repository": "ledger"}),
    ("update_pull_request", {"repository": "reporting", "title": "x"}),
    ("approve", {"repository": "reporting"}),
    ("merge", {"repository": "reporting"}),
    ("merge_burst", {"count": 1, "repositories": ["reporting"]}),
    ("decline", {"repository": "reporting"}),
    ("push", {"repository": "ledger"}),
    ("run_pipeline", {"repository": "ledger"}),
    ("create_repository", {"slug": "quiet"}),
    ("delete_repository", {"repository": "ledger"}),
    ("rename_repository", {"repository": "ledger", "name": "quiet"}),
    ("change_main_branch", {"repository": "ledger", "branch": "trunk"}),
)


@pytest.mark.parametrize(("name", "arguments"), SILENT, ids=[name for name, _ in SILENT])
def test_a_lost_event_leaves_the_change(
    state: SandboxState, told: Receiver, name: str, arguments: dict[str, Any]
) -> None:
    (done,) = actions.act(state, name, {**arguments, "announce": False})
    assert (done.events, done.deliveries, events(state, told)) == ([], [], {})
    changed = [done.pull_request, done.pipeline, done.repository]
    moved = {getattr(one, name, None) for one in changed for name in ("updated_on", "completed_on")}
    gone = done.repository not in state.workspaces[0].repositories
    assert NOW in moved or gone


def test_restrictions_change_and_members_leave_without_an_event(
    state: SandboxState, admin: Client, told: Receiver
) -> None:
    path = f"/repositories/{W}/billing-api/branch-restrictions"
    actions.remove_restriction(state, "billing-api", "push")
    assert admin.all(path, kind="push", pattern="main") == []
    with pytest.raises(ActionError, match="has no restriction 'push' of 'main'"):
        actions.remove_restriction(state, "billing-api", "push")
    actions.set_restriction(state, "billing-api", "push", users=["ada-lindqvist"])
    (rule,) = admin.all(path, kind="push", pattern="main")
    assert [user["nickname"] for user in rule["users"]] == ["ada-lindqvist"]
    ids = [r.id for repo in state.workspaces[0].repositories for r in repo.restrictions]
    assert len(ids) == len(set(ids))
    actions.set_restriction(state, "billing-api", "require_approvals_to_merge", value=7)
    assert [r["value"] for r in admin.all(path, kind="require_approvals_to_merge", pattern="main")] == [7]
    actions.remove_member(state, "femi-rask")
    assert "femi-rask" not in {m["user"]["nickname"] for m in admin.all(f"/workspaces/{W}/members")}
    rights = admin.all(f"/workspaces/{W}/permissions/repositories", pagelen=100)
    assert rights and "femi-rask" not in {right["user"]["nickname"] for right in rights}
    assert events(state, told) == {}


# --- what can't be done --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "named"),
    [
        ("dance", {}, "no action is called 'dance': one of create_pull_request, "),
        ("merge", {}, "repository: Field required"),
        ("merge", {"repository": "ledger", "speed": 1}, "no argument is called 'speed'"),
        ("merge", {"repository": "ledger", "pull_request": "first"}, "pull_request: "),
        ("merge", {"repository": "ledger", "state": {}}, "no argument is called 'state'"),
        ("merge", {"repository": "nothing"}, "no repository 'nothing' in the workspace 'demo-workspace'"),
        ("merge", {"repository": "settlement"}, "no repository 'settlement'"),
        ("merge", {"repository": "empty-repo"}, "'empty-repo' has no open pull request"),
        ("merge", {"repository": "reporting", "by": "nobody"}, "no member 'nobody'"),
        ("push", {"repository": "ledger", "workspace": "elsewhere"}, "no workspace 'elsewhere'"),
        ("run_pipeline", {"repository": "ledger", "result": "LOST"}, "result: "),
        ("create_pull_request", {"repository": "ledger", "reviewers": "ada-lindqvist"}, "reviewers: "),
        ("merge_burst", {"count": 0}, "0 pull requests can't be merged"),
    ],
)
def test_what_cannot_be_done_is_named_and_changes_nothing(
    server: SandboxServer, state: SandboxState, told: Receiver, name: str, arguments: dict[str, Any], named: str
) -> None:
    before = repr(state.workspaces)
    body = {"action": name, "arguments": arguments}
    refused = requests.post(f"{server.url}/_sandbox/actions", json=body, timeout=10)
    assert refused.status_code == 422
    assert named in refused.json()["detail"]
    assert "\n" not in refused.json()["detail"]
    assert repr(state.workspaces) == before and events(state, told) == {}


# --- the control API -----------------------------------------------------------------------------------


def test_other_processes_act_and_see_webhooks_and_deliveries(server: SandboxServer, told: Receiver) -> None:
    control = f"{server.url}/_sandbox"
    (hook,) = requests.get(f"{control}/webhooks", timeout=10).json()
    assert hook == {
        "uuid": uuid_of("hook"),
        "workspace": W,
        "repository": None,
        "url": told.url,
        "events": sorted(EVENTS),
        "active": True,
        "secret_set": True,
    }
    told.statuses = [500]
    told.delay = 0.1
    body = {"action": "decline", "arguments": {"repository": "reporting"}}
    (done,) = requests.post(f"{control}/actions", json=body, timeout=10).json()["done"]
    assert (done["repository"], done["events"]) == ("reporting", ["pullrequest:rejected"])
    assert requests.get(f"{control}/deliveries", timeout=10).json()["waiting"] == 1
    began = time.monotonic()
    seen = requests.get(f"{control}/deliveries", params={"wait": 30}, timeout=40).json()
    assert time.monotonic() - began < 20
    assert (seen["waiting"], seen["dropped"]) == (0, 0)
    assert [(a["number"], a["status"], a["request_uuid"]) for a in seen["attempts"]] == [
        (1, 500, done["deliveries"][0]),
        (2, 200, done["deliveries"][0]),
    ]
    assert seen["attempts"][0].keys() == {
        "hook_uuid", "event_key", "request_uuid", "number", "status", "seconds", "sent_at",
    }  # fmt: skip
    assert datetime.fromisoformat(seen["attempts"][0]["sent_at"]).tzinfo is not None
    assert requests.post(f"{control}/actions", json={"action": "push", "typo": 1}, timeout=10).status_code == 422
    requests.post(f"{control}/reset", timeout=10)
    assert requests.get(f"{control}/deliveries", timeout=10).json()["attempts"] == []
    assert len(requests.get(f"{control}/webhooks", timeout=10).json()) == 1


def test_a_webhook_that_was_registered_over_the_api_is_told(
    state: SandboxState, five: Client, receiver: Receiver
) -> None:
    body = {"url": receiver.url, "description": "d", "events": ["repo:push"], "secret": "s", "active": True}
    made = five.send("POST", f"/repositories/{W}/ledger/hooks", body).json()
    actions.push(state, "ledger")
    actions.push(state, "billing-api")
    state.deliveries.drain(10)
    assert receiver.header("X-Hook-UUID") == [made["uuid"].strip("{}")]
    five.send("PUT", f"/repositories/{W}/ledger/hooks/{made['uuid']}", body | {"active": False})
    assert actions.push(state, "ledger").deliveries == []


def test_the_table_of_actions_holds_every_public_function() -> None:
    public = {
        name
        for name, value in vars(actions).items()
        if callable(value) and getattr(value, "__module__", "") == actions.__name__ and not name.startswith("_")
    }
    assert public - {"Done", "ActionError", "act"} == set(ACTIONS)


def test_a_reader_sees_a_whole_action_or_nothing_of_it(state: SandboxState, admin: Client) -> None:
    with state.lock:
        repo: Repository = state.repository("ledger")
        repo.name = "half"
        with pytest.raises(requests.exceptions.ReadTimeout):
            admin.session.get(f"{admin.url}/2.0/repositories/{W}/ledger", timeout=0.3)
        repo.name = "whole"
    assert admin.json(f"/repositories/{W}/ledger")["name"] == "whole"
