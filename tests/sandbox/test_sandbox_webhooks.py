"""Webhooks are registered, changed and deleted as at Bitbucket: scopes, rights, bodies, refusals."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests

from sandbox.process import SandboxServer
from sandbox.state import FIVE_SCOPES, SandboxState
from tests.pipeline import recorded

W = "demo-workspace"
WORKSPACE = f"/workspaces/{W}/hooks"
REPOSITORY = f"/repositories/{W}/billing-api/hooks"
BOTH = pytest.mark.parametrize("root", [WORKSPACE, REPOSITORY], ids=["workspace", "repository"])


def wanted(**other: Any) -> dict[str, Any]:
    return {"url": "https://hooks.example.com/b", "description": "A test", "events": ["repo:push"], **other}


def register(client: Any, root: str = WORKSPACE, **other: Any) -> Any:
    response = client.send("POST", root, wanted(**other))
    assert response.status_code == 201, response.text
    return response.json()


def message(response: requests.Response) -> str:
    body = response.json()
    assert body["type"] == "error"
    return str(body["error"]["message"])


# --- what is there -------------------------------------------------------------------------------------


@BOTH
def test_a_webhook_is_registered_read_listed_changed_and_deleted(five: Any, root: str) -> None:
    response = five.send("POST", root, wanted(active=False))
    made = response.json()
    assert response.status_code == 201
    assert response.headers["Location"] == made["links"]["self"]["href"]
    assert made["active"] is False and made["events"] == ["repo:push"]
    one = f"{root}/{made['uuid']}"
    assert five.json(one) == made
    assert five.json(root) == {"values": [made], "pagelen": 10, "page": 1, "size": 1}
    changed = five.send("PUT", one, wanted(description="Another", active=True, events=["pullrequest:created"]))
    assert changed.status_code == 200
    expected = made | {"description": "Another", "active": True, "events": ["pullrequest:created"]}
    assert changed.json() == five.json(one) == expected
    deleted = five.send("DELETE", one)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert five.get(one).status_code == five.send("DELETE", one).status_code == 404
    assert five.json(root)["values"] == []


@pytest.mark.skipif(recorded.MISSING is not None, reason=str(recorded.MISSING))
def test_a_webhook_has_the_keys_of_the_newest_recordings(five: Any) -> None:
    def shape(value: Any) -> Any:
        return {key: shape(inner) for key, inner in value.items()} if isinstance(value, dict) else type(value)

    made = register(five, REPOSITORY)
    for name in ("create-webhook-post", "update-webhook-put"):
        assert shape(made) == shape(recorded.body(f"nango-2026-06-{name}-0-0"))
    assert shape(made) == shape(recorded.body("nango-2026-06-list-webhooks-get-0-0")["values"][0])


def test_a_webhook_says_what_it_belongs_to_and_when_it_was_made(five: Any, state: SandboxState) -> None:
    workspace, repo = register(five), register(five, REPOSITORY)
    assert workspace["subject"]["type"] == "workspace" and workspace["subject"]["slug"] == W
    assert repo["subject"]["full_name"] == f"{W}/billing-api"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", repo["created_at"])
    assert [(w.slug, r and r.slug, h.uuid) for w, r, h in state.webhooks()] == [
        (W, None, workspace["uuid"]),
        (W, "billing-api", repo["uuid"]),
    ]
    assert five.get(f"{WORKSPACE}/{repo['uuid']}").status_code == 404, "each is found where it belongs alone"
    assert five.json(f"/repositories/{W}/ledger/hooks")["values"] == []


@BOTH
def test_a_uuid_is_taken_with_and_without_braces_in_any_case(five: Any, root: str) -> None:
    uuid = register(five, root)["uuid"]
    bare = uuid.strip("{}")
    for form in (uuid, bare, uuid.upper(), bare.upper(), f"%7B{bare}%7D"):
        assert five.json(f"{root}/{form}")["uuid"] == uuid
    assert five.send("DELETE", f"{root}/{bare.upper()}").status_code == 204


def test_lists_come_in_pages(five: Any) -> None:
    made = [register(five)["uuid"] for _ in range(12)]
    assert len(five.json(WORKSPACE)["values"]) == 10
    assert [hook["uuid"] for hook in five.all(WORKSPACE)] == made
    assert len(five.json(WORKSPACE, pagelen=100)["values"]) == 12
    assert message(five.get(WORKSPACE, pagelen=101)) == "Invalid pagelen"


# --- secrets -------------------------------------------------------------------------------------------


@BOTH
def test_a_secret_is_kept_until_null_or_an_empty_one_takes_it_away(five: Any, state: SandboxState, root: str) -> None:
    secret = "x" * 128
    response = five.send("POST", root, wanted(secret=secret))
    uuid = response.json()["uuid"]
    ((_, _, hook),) = state.webhooks()
    assert hook.secret == secret and response.json()["secret_set"] is True
    assert "secret" not in response.json() and secret not in response.text and secret not in repr(hook)
    assert five.send("PUT", f"{root}/{uuid}", wanted()).json()["secret_set"] is True
    assert hook.secret == secret, "a change without one leaves it"
    assert five.send("PUT", f"{root}/{uuid}", wanted(secret="other")).json()["secret_set"] is True
    assert hook.secret == "other"
    for empty in (None, ""):
        hook.secret = secret
        assert five.send("PUT", f"{root}/{uuid}", wanted(secret=empty)).json()["secret_set"] is False
        assert hook.secret is None


@pytest.mark.parametrize("other", [{}, {"secret": None}, {"secret": ""}])
def test_a_webhook_may_come_without_a_secret(five: Any, other: dict[str, Any]) -> None:
    assert register(five, **other)["secret_set"] is False


# --- refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{", "JSON"),
        (b"", "JSON"),
        (b"[]", "JSON object"),
        ({"description": "d", "events": ["repo:push"]}, "url"),
        ({"url": "https://a.example", "events": ["repo:push"]}, "description"),
        ({"url": "https://a.example", "description": "d"}, "events"),
        (wanted(url="nonsense"), "url"),
        (wanted(url="ftp://a.example"), "url"),
        (wanted(url="https://a.example:no"), "url"),
        (wanted(url=7), "url"),
        (wanted(description=None), "description"),
        (wanted(events=[]), "events"),
        (wanted(events="repo:push"), "events"),
        (wanted(events=["repo:push", "repo:exploded"]), "repo:exploded"),
        (wanted(events=["repo:push", "repo:push"]), "events"),
        (wanted(events=[{}]), "events"),
        (wanted(active="yes"), "active"),
        (wanted(secret="x" * 129), "secret"),
        (wanted(secret=5), "secret"),
    ],
)
def test_a_body_that_is_no_good_answers_400_and_changes_nothing(
    five: Any, state: SandboxState, method: str, body: Any, named: str
) -> None:
    before = register(five)
    path = WORKSPACE if method == "POST" else f"{WORKSPACE}/{before['uuid']}"
    refused = five.send(method, path, body)
    assert refused.status_code == 400
    assert named in message(refused)
    assert five.json(WORKSPACE)["values"] == [before]


@BOTH
@pytest.mark.parametrize(
    ("event", "scope"),
    [
        ("issue:created", "issue"),
        ("project:updated", "project"),
        ("pipeline:span_created", "pipeline"),
        ("pullrequest:fulfilled", "pullrequest"),
        ("repo:commit_status_updated", "repository"),
    ],
)
def test_registering_needs_the_scopes_of_its_events(
    five: Any, state: SandboxState, root: str, event: str, scope: str
) -> None:
    state.add_token("bare", ["webhook"])
    state.add_token("enough", ["webhook", scope])
    five.session.headers["Authorization"] = "Bearer bare"
    refused = five.send("POST", root, wanted(events=[event]))
    assert refused.status_code == 403
    assert refused.json()["error"]["detail"] == {"required": ["webhook", scope], "granted": ["webhook"]}
    assert refused.headers["X-Accepted-OAuth-Scopes"] == "webhook"
    assert five.json(root)["values"] == [], "reading needs the one scope"
    five.session.headers["Authorization"] = "Bearer enough"
    uuid = register(five, root, events=[event])["uuid"]
    five.session.headers["Authorization"] = "Bearer bare"
    assert five.send("PUT", f"{root}/{uuid}", wanted(events=[event])).status_code == 403
    assert five.send("DELETE", f"{root}/{uuid}").status_code == 204


@BOTH
def test_without_the_scope_of_webhooks_nothing_is_answered(five: Any, state: SandboxState, root: str) -> None:
    uuid = register(five, root)["uuid"]
    state.add_token("other", [scope for scope in FIVE_SCOPES if scope != "webhook"])
    five.session.headers["Authorization"] = "Bearer other"
    one = f"{root}/{uuid}"
    for method, path in (("GET", root), ("POST", root), ("GET", one), ("PUT", one), ("DELETE", one)):
        refused = five.send(method, path, wanted() if method in ("POST", "PUT") else None)
        assert refused.status_code == 403
        assert refused.json()["error"]["detail"]["required"] == ["webhook"]
    five.session.headers["Authorization"] = "Bearer nobody"
    assert five.send("POST", root, wanted()).status_code == 401
    assert len(state.webhooks()) == 1


def test_webhooks_of_a_workspace_are_for_its_owners(five: Any, state: SandboxState) -> None:
    one = f"{WORKSPACE}/{register(five)['uuid']}"
    state.add_token("member", FIVE_SCOPES, workspace_admin=False)
    five.session.headers["Authorization"] = "Bearer member"
    for method, path in (("GET", WORKSPACE), ("POST", WORKSPACE), ("GET", one), ("PUT", one), ("DELETE", one)):
        refused = five.send(method, path, wanted() if method in ("POST", "PUT") else None)
        assert refused.status_code == 403
        assert "not an owner on the specified workspace" in message(refused)
    assert register(five, REPOSITORY)["active"] is True, "those of a repository need its own rights"


def test_webhooks_of_a_repository_are_for_its_administrators(five: Any) -> None:
    root = f"/repositories/{W}/cluster-config/hooks"
    for method, path in (("GET", root), ("POST", root), ("DELETE", f"{root}/x")):
        refused = five.send(method, path, wanted() if method == "POST" else None)
        assert refused.status_code == 403
        assert message(refused).startswith("Access denied")


@pytest.mark.parametrize(
    "root", ["/workspaces/nowhere/hooks", f"/repositories/{W}/nothing/hooks", f"/repositories/{W}/settlement/hooks"]
)
def test_what_is_not_there_has_no_webhooks(five: Any, root: str) -> None:
    assert five.get(root).status_code == 404
    assert five.send("POST", root, wanted()).status_code == 404
    assert five.send("DELETE", f"{root}/x").status_code == 404


# --- faults and counting -------------------------------------------------------------------------------


def test_an_error_may_come_after_the_webhook_was_made(five: Any, state: SandboxState) -> None:
    state.add_fault("create_workspace_webhook", kind="status_after", status=500, remaining=1)
    assert five.send("POST", WORKSPACE, wanted()).status_code == 500
    assert len(five.json(WORKSPACE)["values"]) == 1, "the work was done"
    state.add_fault("create_workspace_webhook", status=500, remaining=1)
    assert five.send("POST", WORKSPACE, wanted()).status_code == 500
    assert len(five.json(WORKSPACE)["values"]) == 1, "and here it was not"


def test_requests_that_write_are_limited_delayed_and_logged_like_others(
    server: SandboxServer, five: Any, state: SandboxState
) -> None:
    state.hourly_limit = 2
    state.latency_ms = 60
    responses = [five.send("POST", REPOSITORY, wanted()) for _ in range(3)]
    assert [response.status_code for response in responses] == [201, 201, 429]
    assert all(response.elapsed.total_seconds() >= 0.06 for response in responses)
    assert [(r.method, r.endpoint, r.slug, r.status) for r in state.requests] == [
        ("POST", "create_repository_webhook", "billing-api", status) for status in (201, 201, 429)
    ]
    stats = requests.get(f"{server.url}/_sandbox/stats", timeout=10).json()
    assert stats["webhooks"] == 2 and stats["forbidden"] == []


def test_only_documented_methods_are_answered(five: Any, state: SandboxState) -> None:
    assert five.send("PUT", WORKSPACE, wanted()).status_code == 404
    assert five.send("POST", f"/repositories/{W}/billing-api", {}).status_code == 404
    assert len(state.forbidden()) == 2
