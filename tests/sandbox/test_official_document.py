"""Every kind of answer of the stand-in is what the official API document says it is.

Where live recordings contradict the document, the stand-in follows the recordings; each such place is
named in :data:`DEVIATIONS` with its reason, and one that no answer needs any more fails the test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from jsonschema import Draft4Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from sandbox.endpoints import ENDPOINTS
from sandbox.hooks import EVENTS, MAX_SECRET
from sandbox.state import SandboxState
from tests.sandbox import official

pytestmark = pytest.mark.skipif(official.MISSING is not None, reason=str(official.MISSING))
W = "demo-workspace"
# The document has it since October 2026; and it says nothing of what an activity looks like.
NEWER = f"/repositories/{W}/billing-api/pullrequests/8/mergeability/checks"
WITHOUT_SCHEMA = f"/repositories/{W}/billing-api/pullrequests/1/activity"


@dataclass(frozen=True)
class Deviation:
    """A place where recorded answers differ from the document: path and message as patterns."""

    path: str
    message: str
    reason: str


NULL = r"^None is not of type"
DEVIATIONS = (
    Deviation(r"error\.detail", r"is not of type 'string'", "403 of a missing scope: detail is an object, live"),
    Deviation(r"(.*\.)?mainbranch", NULL, "empty repositories come with a null main branch, live"),
    Deviation(r"(.*\.)?parent", NULL, "repositories that are no fork carry parent: null, live"),
    Deviation(
        r"(values\.\d+\.)?links",
        r"'branches', 'source', 'tags' were unexpected",
        "repositories link to their branches, tags and source, live",
    ),
    Deviation(
        r"(values\.\d+\.)?links",
        r"'request-changes', 'statuses' were unexpected",
        "pull requests link to request-changes and statuses, live",
    ),
    Deviation(
        r"(.*\.)?links",
        r"'hooks', 'html_overview' were unexpected",
        "a workspace links to its hooks and overview, live",
    ),
    Deviation(r"(.*\.)?links\.clone\.\d+\.href", r"'git@.*' is not a 'uri'", "the address for SSH is scp's, live"),
    Deviation(r"(.*\.)?project\.links", r"'self' was unexpected", "projects link to themselves, live"),
    Deviation(
        r"values\.\d+\.(source|destination)\.commit",
        r"'links', 'type' were unexpected",
        "commits of pull requests carry links and type, live",
    ),
    Deviation(r"values\.\d+\.merge_commit", r"'type' was unexpected", "merge commits carry their type, live"),
    Deviation(r"values\.\d+\.source\.branch", r"'links' was unexpected", "source branches carry empty links, live"),
    Deviation(r"values\.\d+\.summary", r"'type' was unexpected", "summaries carry their type, live"),
    Deviation(r"values\.\d+\.merge_commit", NULL, "unmerged pull requests: merge_commit null, live"),
    Deviation(r"values\.\d+\.closed_by", NULL, "open pull requests: closed_by null, live"),
    Deviation(r"values\.\d+\.author", NULL, "the author's account was deleted"),
    Deviation(r"values\.\d+\.participants\.\d+\.state", NULL, "its own enumeration allows null"),
    Deviation(r"values\.\d+\.participants\.\d+\.user", NULL, "the participant's account was deleted"),
    Deviation(r"values\.\d+\.value", NULL, "restrictions that take no number carry value: null, live"),
    Deviation(
        r"values\.\d+\.kind",
        r"'require_(signed_commits|two_lucky_stars)' is not one of",
        "kind is an open list",
    ),
)


def errors_of(body: Any, schema: dict[str, Any]) -> Iterator[ValidationError]:
    """What the document objects to in a body."""
    root = {**schema, "definitions": official.document()["definitions"]}
    yield from Draft4Validator(root, format_checker=FormatChecker()).iter_errors(body)


def deviation_for(error: ValidationError) -> Deviation | None:
    path = ".".join(str(part) for part in error.absolute_path)
    for known in DEVIATIONS:
        if re.fullmatch(known.path, path) and re.search(known.message, error.message):
            return known
    return None


def check(body: Any, schema: dict[str, Any]) -> set[Deviation]:
    """Fail on anything unexpected; the named deviations that were met."""
    met: set[Deviation] = set()
    for error in errors_of(body, schema):
        known = deviation_for(error)
        where = ".".join(str(part) for part in error.absolute_path)
        assert known is not None, f"{where}: {error.message[:300]}"
        met.add(known)
    return met


def answers(admin: Any, five: Any) -> Iterator[tuple[str, Any]]:
    """A path and a body of every kind of answer."""
    yield from ((p, admin.json(p)) for p in ("/user", "/user/workspaces", f"/workspaces/{W}"))
    for rest in ("members", "permissions", "permissions/repositories"):
        yield f"/workspaces/{W}/{rest}", admin.json(f"/workspaces/{W}/{rest}", pagelen=50)
    for rest in ("permission", "permissions/repositories"):
        yield f"/user/workspaces/{W}/{rest}", admin.json(f"/user/workspaces/{W}/{rest}")
    yield f"/repositories/{W}", admin.json(f"/repositories/{W}", pagelen=100)
    paged = admin.json(admin.json(f"/repositories/{W}", pagelen=30)["next"])
    yield f"/repositories/{W}", paged
    for slug in ("billing-api", "pricing", "orders", "reporting", "search", "empty-repo", "payments-core"):
        root = f"/repositories/{W}/{slug}"
        for rest in ("", "/branch-restrictions", "/effective-branching-model", "/pullrequests", "/pipelines"):
            yield root + rest, admin.json(root + rest)
        yield from of_merges(admin, root)
    for slug in ("billing-api", "gateway"):
        for rest in ("pipelines_config", "effective-default-reviewers", "refs/branches/main"):
            yield f"/repositories/{W}/{slug}/{rest}", admin.json(f"/repositories/{W}/{slug}/{rest}")


def of_merges(admin: Any, root: str) -> Iterator[tuple[str, Any]]:
    """The pull requests of a repository that were closed, and what is told of single ones."""
    merged = admin.json(f"{root}/pullrequests", state=["MERGED", "DECLINED"], fields="+values.participants")
    yield f"{root}/pullrequests", merged
    for pull in merged["values"][:3]:
        yield f"{root}/pullrequests/1/statuses", admin.json(f"{root}/pullrequests/{pull['id']}/statuses")
        # The document describes this answer in prose alone.
        admin.json(f"{root}/pullrequests/{pull['id']}/activity")
        if pull["merge_commit"]:
            path = f"{root}/commit/{pull['merge_commit']['hash']}/statuses"
            yield path, admin.json(path)


def changes(admin: Any, state: SandboxState) -> Iterator[tuple[str, str, Any]]:
    """Method, path and response of every kind of request that changes something."""
    state.add_token("every-event", ("webhook", "repository", "pullrequest", "issue", "pipeline", "project"))
    admin.session.headers["Authorization"] = "Bearer every-event"
    body = {"url": "https://hooks.example.com/b", "description": "A test", "events": sorted(EVENTS)}
    for root in (f"/workspaces/{W}/hooks", f"/repositories/{W}/billing-api/hooks"):
        made = admin.send("POST", root, body)
        yield "POST", root, made
        one = f"{root}/{made.json()['uuid']}"
        yield "PUT", one, admin.send("PUT", one, body | {"active": False, "secret": "s"})
        for path in (root, one):
            yield "GET", path, admin.get(path)
        yield "DELETE", one, admin.send("DELETE", one)


def refusals(admin: Any, five: Any) -> Iterator[Any]:
    """A response of every kind of error that has a JSON body."""
    root = f"/repositories/{W}"
    yield five.get(f"{root}/billing-api/branch-restrictions")
    yield admin.get(f"{root}/cluster-config/branch-restrictions")
    yield admin.get(f"{root}/settlement")
    yield admin.get(f"{root}/archive-tool/pipelines_config")
    yield admin.get("/repositories/nowhere")
    yield admin.get("/repositories")
    yield admin.get(f"{root}/billing-api/src")
    yield admin.get(f"{root}/billing-api/pullrequests", pagelen=51)
    yield admin.get(f"{root}/billing-api/pullrequests", q="(")
    yield admin.get(f"{root}/billing-api/pullrequests/9999/statuses")
    hooks = f"/workspaces/{W}/hooks"
    yield five.send("POST", hooks, {"url": "https://a.example", "description": "d", "events": ["issue:created"]})
    yield five.send("POST", hooks, {})
    yield five.get(f"{root}/cluster-config/hooks")
    yield five.get(f"{hooks}/nothing")
    admin.session.headers["Authorization"] = "Bearer nobody"
    yield admin.get("/user")


def test_every_answer_is_what_the_document_says(admin: Any, five: Any, state: SandboxState) -> None:
    met: set[Deviation] = set()
    for path in NEWER, WITHOUT_SCHEMA:
        assert admin.get(path).status_code == 200
    for path, body in answers(admin, five):
        _, operation = official.operation_for("GET", path)
        schema = official.response_schema(operation)
        assert schema is not None, path
        met |= check(body, schema)
    for method, path, response in changes(admin, state):
        _, operation = official.operation_for(method, path)
        documented = [int(status) for status in operation["responses"] if status.startswith("2")]
        assert documented == [response.status_code], f"{method} {path}"
        schema = official.response_schema(operation, response.status_code)
        assert (schema is None) == (response.content == b""), f"{method} {path}"
        assert ("Location" in response.headers) == ("headers" in operation["responses"][str(response.status_code)])
        met |= check(response.json(), schema) if schema else set()
    admin.session.headers["Authorization"] = "Bearer demo-admin-token"
    for response in refusals(admin, five):
        assert response.status_code >= 400
        met |= check(response.json(), {"$ref": "#/definitions/error"})
    answered = {record.endpoint for record in state.requests} - {"unknown"}
    assert answered == {endpoint.name for endpoint in ENDPOINTS}, "every endpoint was looked at"
    assert [d for d in DEVIATIONS if d not in met] == [], "a deviation that nothing needs any more"


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: e.name)
def test_every_endpoint_is_in_the_document_with_its_scope(endpoint: Any) -> None:
    if endpoint.name == "pull_request_merge_checks":
        pytest.skip(
            "in the document since October 2026 only; tests/sandbox/test_sandbox_merge_checks.py holds its shape"
        )
    path = endpoint.path.replace(":path", "")
    template, operation = official.operation_for(endpoint.method, path)
    assert template == path
    assert official.classic_scopes(operation) == set(endpoint.scopes)


def test_the_events_are_those_of_the_document() -> None:
    _, subscription = official.document()["definitions"]["webhook_subscription"]["allOf"]
    assert set(subscription["properties"]["events"]["items"]["enum"]) == EVENTS
    assert subscription["properties"]["secret"]["maxLength"] == MAX_SECRET


def test_the_document_helper_knows_what_it_does_not_know() -> None:
    with pytest.raises(LookupError):
        official.operation_for("GET", "https://api.bitbucket.org/2.0/nothing/here")
    _, pulls = official.operation_for("get", f"/2.0/repositories/{W}/%7Bx%7D/pullrequests?state=OPEN")
    assert official.documented_query(pulls) == {"state", "q", "sort", "page", "pagelen", "fields"}
    _, config = official.operation_for("GET", f"/repositories/{W}/x/pipelines_config")
    assert official.documented_query(config) == {"fields"}
