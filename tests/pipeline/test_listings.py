"""Listings that lack something without saying so: nothing passes by them, and nothing is gone."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_cloud.client.pagination import Answer, collect, iterate_pages
from bitbucket_compliance.core.errors import BitbucketUnavailable
from bitbucket_compliance.pipeline.extract.fetch import Call, read
from bitbucket_compliance.resources.catalogue import BY_NAME
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.small import people, repository, results, small_state, statuses, whole_run

Serve = Callable[[SandboxState], SandboxServer]
BEHAVIOUR = ("status_checks_required", "peer_review_required")
URL = "https://api.bitbucket.org/2.0/repositories/acme"
MERGES = 60


@pytest.fixture
def busy(serve: Serve) -> SandboxServer:
    """Two repositories, of which repo-1 has more merges than a page of pull requests holds."""
    state = small_state(1)
    state.workspaces[0].repositories.append(repository("repo-1", people(), merged=MERGES, number=1))
    return serve(state)


def call_on(pipeline: Pipeline, resource: str, slug: str) -> dict[str, Any]:
    """The call on one repository."""
    return pipeline.query(
        "SELECT calls.* FROM landing.calls AS calls"
        " INNER JOIN staging.repositories AS repositories ON calls.repository_id = repositories.repository_id"
        " WHERE calls.resource = %s AND repositories.slug = %s ORDER BY calls.fetched_at DESC LIMIT 1",
        (resource, slug),
    )[0]


def behaviour(pipeline: Pipeline, slug: str) -> set[str]:
    """How tests 4 and 5 came out."""
    found = statuses(pipeline, slug)
    return {found[test] for test in BEHAVIOUR}


def test_pull_requests_that_repeat_without_a_size_decide_nothing(pipeline: Pipeline, busy: SandboxServer) -> None:
    busy.state.lists_carry_size = False
    busy.state.add_fault("pull_requests", slug="repo-1", kind="repeat_item")
    whole_run(pipeline, busy, grant="five")
    call = call_on(pipeline, "pull_requests", "repo-1")
    assert not call["complete"] and call["reread"] and "twice" in call["incomplete_because"]
    assert behaviour(pipeline, "repo-1") == {"error"}
    assert behaviour(pipeline, "repo-0") == {"passing"}


def test_a_full_page_that_ends_a_listing_without_a_size_decides_nothing(
    pipeline: Pipeline, busy: SandboxServer
) -> None:
    busy.state.lists_carry_size = False
    busy.state.add_fault("pull_requests", slug="repo-1", kind="drop_next")
    whole_run(pipeline, busy, grant="five")
    assert "full page" in call_on(pipeline, "pull_requests", "repo-1")["incomplete_because"]
    assert behaviour(pipeline, "repo-1") == {"error"}


def test_a_repository_is_gone_by_no_listing_that_repeats_without_a_size(
    pipeline: Pipeline, busy: SandboxServer
) -> None:
    whole_run(pipeline, busy)
    before = {row["subject_name"] for row in results(pipeline)}
    busy.state.lists_carry_size = False
    busy.state.workspaces[0].repositories.pop()
    busy.state.add_fault("repositories", kind="repeat_item")
    whole_run(pipeline, busy)
    assert {row["subject_name"] for row in results(pipeline)} == before
    busy.state.faults.clear()
    whole_run(pipeline, busy)
    assert {row["subject_name"] for row in results(pipeline)} == before - {"repo-1"}


def test_builds_that_stop_before_their_size_pass_nobody(pipeline: Pipeline, busy: SandboxServer) -> None:
    build = {"type": "build", "key": "unit", "state": "SUCCESSFUL", "created_on": "2026-01-01T00:00:00Z"}
    body = {"values": [build, {**build, "key": "lint"}], "size": 3}
    busy.state.add_fault("pull_request_statuses", slug="repo-1", status=200, body=json.dumps(body))
    whole_run(pipeline, busy, grant="five")
    assert statuses(pipeline, "repo-1")["status_checks_required"] == "error"
    busy.state.faults.clear()
    whole_run(pipeline, busy, grant="five", full_refresh=True)
    assert statuses(pipeline, "repo-1")["status_checks_required"] == "passing"


def test_a_next_link_that_forgets_what_was_asked_brings_nothing_else(pipeline: Pipeline, busy: SandboxServer) -> None:
    busy.state.add_fault("pull_requests", slug="repo-1", kind="next_forgets")
    whole_run(pipeline, busy, grant="five")
    assert behaviour(pipeline, "repo-1") == {"passing"}
    asked = [one.query for one in busy.state.requests if one.endpoint == "pull_requests" and one.slug == "repo-1"]
    assert len(asked) == 2 and all("fields=" in query and "sort=created_on" in query for query in asked)


def test_what_was_not_asked_for_is_not_kept(pipeline: Pipeline, busy: SandboxServer) -> None:
    """Whoever ignores ``fields``: names, titles and addresses stay out of the database."""
    person = people()[0]
    member = {"type": "workspace_membership", "user": {"uuid": person.uuid, "display_name": person.display_name,
              "email": "person@example.test", "links": {"self": {"href": "https://example.test"}}}}  # fmt: skip
    busy.state.add_fault("workspace_members", status=200, body=json.dumps({"values": [member], "size": 1}))
    whole_run(pipeline, busy)
    (kept,) = pipeline.query("SELECT body FROM landing.objects WHERE resource = 'members'")
    assert kept["body"] == {"user": {"uuid": person.uuid, "display_name": person.display_name}}


def test_pages_without_end_that_hold_nothing_are_an_error_of_one_repository(
    pipeline: Pipeline, busy: SandboxServer
) -> None:
    busy.state.add_fault("pull_requests", slug="repo-1", kind="empty_pages")
    whole_run(pipeline, busy, grant="five")
    assert behaviour(pipeline, "repo-1") == {"error"}
    assert behaviour(pipeline, "repo-0") == {"passing"}
    assert busy.state.count("pull_requests", slug="repo-1") < 50


def test_a_next_link_written_wrong_is_told_as_such(pipeline: Pipeline, serve: Serve) -> None:
    server = serve(small_state(103))
    server.state.add_fault("repositories", kind="next_with_ampersand")
    with pytest.raises(BitbucketUnavailable) as refused:
        whole_run(pipeline, server)
    assert "next link" in str(refused.value) and "does not exist" not in str(refused.value)


# --------------------------------------------------------------------------------- every listing, mangled


@st.composite
def mangled(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The objects of a listing, and its pages of ten as a server sends them that is not to be trusted.

    What it leaves out shows in a size, in a repetition, or in a full page at the end: the server that hides one object
    behind a short last page, and states no size, can't be told from one that has no more.
    """
    whole = [{"id": number, "kind": "push"} for number in range(draw(st.integers(0, 45)))]
    order = draw(st.permutations(whole)) if draw(st.booleans()) else list(whole)
    pages = [order[at : at + 10] for at in range(0, len(order), 10)] or [[]]
    stated = draw(st.booleans())
    if draw(st.booleans()) and len(pages) > 1:
        pages = pages[: draw(st.integers(1, len(pages) - 1))]
    for page in pages:
        if page and draw(st.booleans()):
            # In the place of another one.
            page[draw(st.integers(0, len(page) - 1))] = draw(st.sampled_from(order))
    if stated:
        pages = [page[: draw(st.integers(0, len(page)))] if draw(st.booleans()) else page for page in pages]
    bodies: list[dict[str, Any]] = [
        {"values": page, "pagelen": 10, **({"size": len(whole)} if stated else {})} for page in pages
    ]
    for number, body in enumerate(bodies[:-1], 1):
        body["next"] = f"{URL}?page={number}"
    return whole, bodies


@given(mangled())
def test_a_listing_that_counts_as_complete_is_the_whole_one(
    drawn: tuple[list[dict[str, Any]], list[dict[str, Any]]],
) -> None:
    whole, bodies = drawn

    def fetch(link: str | None) -> Answer:
        return Answer(bodies[int(link.rpartition("=")[2]) if link else 0], 1, URL)

    client = SimpleNamespace(paginate=lambda *_, **__: collect(iterate_pages(fetch, most_pages=100)))
    result = read(client, Call(BY_NAME["branch_restrictions"], {}))  # type: ignore[arg-type]
    assert result.outcome == "ok"
    if result.incomplete_because is None:
        assert {key for key, _ in result.objects} == {str(one["id"]) for one in whole}
