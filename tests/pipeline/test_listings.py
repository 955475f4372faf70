"""Listings that lack something without saying so: nothing passes by them, and nothing is gone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitbucket_cloud.client.pagination import Answer, Listing, collect, iterate_pages
from bitbucket_compliance.core.database import as_json
from bitbucket_compliance.core.errors import BitbucketUnavailable, PipelineError, WaitForRequests
from bitbucket_compliance.pipeline.extract.fetch import Call, read
from bitbucket_compliance.resources.catalogue import BY_NAME, RESOURCES
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from local.postgres import EmbeddedPostgres
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.databases import copied
from tests.faults.driver import once_after
from tests.harness import Pipeline, bitbucket_connection
from tests.pipeline.mangling import Mangled, mangled
from tests.pipeline.small import (
    ACME,
    FAST,
    extract,
    people,
    repository,
    results,
    small_state,
    start,
    statuses,
    whole_run,
    write_csv,
)

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


def test_a_next_link_to_another_repository_is_refused(pipeline: Pipeline, busy: SandboxServer) -> None:
    """Its merges are never mixed in, nor does a clean rest of them pass."""
    unapproved = busy.state.repository("repo-0").pull_requests[0]
    unapproved.participants = []
    busy.state.add_fault("pull_requests", slug="repo-1", kind="next_of_another", body="repo-0")
    whole_run(pipeline, busy, grant="five")
    call = call_on(pipeline, "pull_requests", "repo-1")
    assert call["outcome"] == "failed" and "repo-1/pullrequests leads away from it" in call["message"]
    assert behaviour(pipeline, "repo-1") == {"error"}
    assert statuses(pipeline, "repo-0")["peer_review_required"] == "failing"
    asked = [one for one in busy.state.requests if one.endpoint == "pull_requests"]
    assert len(asked) == 2, "the first page of each, and nothing else"


def test_a_redirect_asks_for_what_was_asked(pipeline: Pipeline, busy: SandboxServer) -> None:
    """Without its query Bitbucket would name open pull requests alone, and nothing would have been merged."""
    busy.state.repository("repo-1").pull_requests[0].participants = []
    busy.state.add_fault("pull_requests", slug="repo-1", kind="redirect")
    whole_run(pipeline, busy, grant="five")
    assert statuses(pipeline, "repo-1")["peer_review_required"] == "failing"
    asked = [one for one in busy.state.requests if one.endpoint == "pull_requests" and one.slug == "repo-1"]
    redirected = [one.query for one in asked if one.path.endswith("/repo-1/pullrequests")]
    assert redirected and all("fields=" in query and "q=" in query and "pagelen=50" in query for query in redirected)


def test_a_violation_in_an_incomplete_list_is_an_error_until_it_is_whole(
    pipeline: Pipeline, busy: SandboxServer
) -> None:
    """A pull request whose merge checks decide may be among what it lacks."""
    pulls = busy.state.repository("repo-1").pull_requests
    pulls[0].participants = []
    busy.state.add_fault("pull_requests", slug="repo-1", kind="wrong_size")
    whole_run(pipeline, busy, grant="five")
    assert behaviour(pipeline, "repo-1") == {"error"}
    busy.state.faults.clear()
    whole_run(pipeline, busy, grant="five")
    (row,) = [
        row for row in results(pipeline) if (row["test_id"], row["subject_name"]) == ("peer_review_required", "repo-1")
    ]
    assert (row["status"], row["reason_code"]) == ("failing", "merged_without_peer_approval")
    assert row["detail"]["merges_that_broke_the_rule"] == [pulls[0].id]


def test_a_repository_with_an_incomplete_list_is_due_again_at_once(pipeline: Pipeline, busy: SandboxServer) -> None:
    busy.state.add_fault("pull_requests", slug="repo-1", kind="wrong_size")
    whole_run(pipeline, busy, grant="five")
    busy.state.faults.clear()
    whole_run(pipeline, busy, grant="five", touched=False)
    assert behaviour(pipeline, "repo-1") == {"passing"}


@pytest.mark.gated
def test_a_closed_account_counts_among_the_members_and_whoever_was_removed_leaves(
    pipeline: Pipeline, serve: Serve
) -> None:
    server = serve(small_state(4, 6))
    for endpoint in ("workspace_members", "workspace_permissions"):
        server.state.add_fault(endpoint, kind="closed_account")
    judged_with_gates(pipeline, server)
    server.state.workspaces[0].members.pop()
    judged_with_gates(pipeline, server)
    members = {row["subject_name"] for row in results(pipeline) if row["test_id"] == "offboarded_access_removed"}
    assert members == {f"Person {number}" for number in range(5)}
    calls = pipeline.query("SELECT DISTINCT complete, reread FROM landing.calls WHERE resource LIKE 'member%%'")
    assert calls == [{"complete": True, "reread": False}]


def judged_with_gates(pipeline: Pipeline, server: SandboxServer) -> None:
    """A whole run that its gates let through."""
    pipeline.connect_to(server, "admin", **FAST)
    run_id = extract()
    tasks.gate(ACME, run_id, "staging")
    pipeline.judge(run_id, ACME)
    tasks.gate(ACME, run_id, "results")
    tasks.publish(ACME, run_id)
    pipeline.release(ACME)


def test_members_that_none_of_the_list_names_are_no_members(pipeline: Pipeline, busy: SandboxServer) -> None:
    """An answer without any user is no workspace whose people are all gone."""
    whole_run(pipeline, busy)
    before = {row["subject_name"] for row in results(pipeline)}
    busy.state.add_fault("workspace_members", status=200, body=json.dumps({"values": [{}, {}, {}, {}], "size": 4}))
    run_id = whole_run(pipeline, busy)
    (call,) = pipeline.query(
        "SELECT outcome, message FROM landing.calls WHERE resource = 'members' AND run_id = %s", [run_id]
    )
    assert call["outcome"] == "failed" and "none of its objects says which it is" in call["message"]
    assert {row["subject_name"] for row in results(pipeline)} == before


def test_where_a_call_stopped_only_what_was_asked_for_is_kept(pipeline: Pipeline, serve: Serve) -> None:
    """Also where the server ignores ``fields``; and the size that the pages before stated still counts."""
    state = small_state(103)
    server = serve(state)
    state.add_fault("repositories", kind="status", status=429)
    state.faults[-1].remaining = 0
    pages_asked = once_after(state, "repositories", lambda: setattr(state.faults[-1], "remaining", None))
    pipeline.connect_to(server, "admin", **{**FAST, "rate_limit_pauses": 0})
    run_id = start()
    tasks.preflight(ACME, run_id)
    with pytest.raises(WaitForRequests):
        tasks.list_workspace(ACME, run_id)
    assert pages_asked
    (kept,) = pipeline.query("SELECT * FROM landing.checkpoints WHERE resource = 'repositories'")
    assert len(kept["bodies"]) == 100 and kept["listing_size"] == 103
    pipeline.release(ACME)


# --------------------------------------------------------------------------------- every listing, mangled

UUIDS = [f"{{00000000-0000-4000-8000-{number:012d}}}" for number in range(30)]
OBJECTS: dict[str, Callable[[int], dict[str, Any]]] = {
    "repositories": lambda n: {"uuid": UUIDS[n]},
    "members": lambda n: {"user": {"uuid": UUIDS[n]}},
    "member_roles": lambda n: {"user": {"uuid": UUIDS[n]}, "permission": "member"},
    "member_emails": lambda n: {"user": {"uuid": UUIDS[n], "email": f"person-{n}@example.com"}},
    "branch_restrictions": lambda n: {"id": n, "kind": "push"},
    "pull_requests": lambda n: {
        "id": n, "state": "MERGED", "destination": {"branch": {"name": "main"}}, "updated_on": "2026-01-01T00:00:00Z"
    },
    "pull_request_statuses": lambda n: {"key": f"build-{n}", "state": "SUCCESSFUL"},
    "pull_request_activity": lambda n: {"update": {"state": "OPEN", "date": f"2026-01-01T00:00:{n:02}Z"}},
    "default_reviewers": lambda n: {"user": {"uuid": UUIDS[n], "type": "user"}},
}  # fmt: skip


def test_every_listing_is_among_those_that_are_mangled() -> None:
    assert set(OBJECTS) == {one.name for one in RESOURCES if one.read_as in ("listing", "collected", "addresses")}


def named(resource: str, objects: Iterable[tuple[str, dict[str, Any]]]) -> list[str]:
    """The objects of a result, in words that can be compared."""
    bodies = [body for _, body in objects]
    if BY_NAME[resource].read_as == "collected":
        bodies = [value for body in bodies for value in body["values"]]
    return sorted(map(as_json, bodies))


@pytest.mark.parametrize("resource", OBJECTS)
@given(data=st.data())
def test_a_listing_that_counts_as_complete_is_the_whole_one(resource: str, data: st.DataObject) -> None:
    whole = [OBJECTS[resource](number) for number in range(data.draw(st.integers(0, 23)))]
    bodies = data.draw(mangled(len(whole))).bodies(whole, URL)

    def fetch(link: str | None) -> Answer:
        return Answer(bodies[int(link.rpartition("=")[2]) if link else 0], 1, URL)

    def paginate(*_: object, **__: object) -> Listing:
        return collect(iterate_pages(fetch, most_pages=100, asked={"pagelen": 100}))

    addresses = tuple(f"person-{number}@example.com" for number in range(len(whole)))
    call = Call(BY_NAME[resource], {}, item_key="7", addresses=addresses)
    result = read(SimpleNamespace(paginate=paginate), call)  # type: ignore[arg-type]
    if result.outcome == "ok" and result.incomplete_because is None:
        assert named(resource, result.objects) == sorted(map(as_json, whole))
    else:
        assert result.objects == [] or BY_NAME[resource].read_as == "listing"


#: the listings of the workspace that is mangled, by how many objects they have
LISTINGS = {
    ("repositories", None): 4,
    ("workspace_members", None): 5,
    ("workspace_permissions", None): 5,
    ("branch_restrictions", "repo-1"): 6,
    ("pull_requests", "repo-1"): 8,
    ("pull_requests", "repo-2"): 8,
    ("pull_request_statuses", "repo-2"): 3,
}


def mangled_state() -> SandboxState:
    """A workspace in which something is wrong with everything but repo-0, and of which little is in plain sight."""
    state = small_state(1, 5)
    crew = people(5)
    made = [repository(f"repo-{number}", crew, merged=8, number=number) for number in (1, 2, 3)]
    state.workspaces[0].repositories += made
    made[0].pull_requests[3].participants = []
    made[0].restrictions = [rule for rule in made[0].restrictions if rule.kind != "delete"]
    for pull in made[1].pull_requests:
        built = pull.statuses[0]
        pull.statuses = [replace(built, key=key, state=state_of) for key, state_of in
                         (("unit", "SUCCESSFUL"), ("lint", "SUCCESSFUL"), ("scan", "FAILED"))]  # fmt: skip
    return state


def passing(pipeline: Pipeline) -> set[tuple[str, str]]:
    """What passes, by test and subject."""
    return {key for key, verdict in pipeline.verdicts(ACME).items() if verdict[0] == "passing"}


def connect_to(server: SandboxServer, grant: str = "admin", **extra: object) -> None:
    """As the fixture ``pipeline`` does it, for as long as the environment is patched."""
    os.environ["AIRFLOW_CONN_BITBUCKET_DEFAULT"] = json.dumps(bitbucket_connection(server.url, grant, **extra))


def run_mangled(pipeline: Pipeline, server: SandboxServer, grant: str, lies: Mapping[Any, Mangled]) -> None:
    """A run over listings that lie; it may well come to nothing."""
    server.state.faults.clear()
    for (endpoint, slug), lie in lies.items():
        server.state.add_fault(endpoint, slug=slug, kind="pages", body=lie.fault)
    with suppress(PipelineError):
        whole_run(pipeline, server, grant=grant)
    server.state.faults.clear()


lies = st.fixed_dictionaries({}, optional={key: mangled(count) for key, count in LISTINGS.items()})


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(first=lies, later=lies, grant=st.sampled_from(["admin", "five"]))
def test_nothing_passes_and_nobody_is_gone_by_listings_that_lie(
    postgres: EmbeddedPostgres,
    tmp_path: Path,
    first: Mapping[Any, Mangled],
    later: Mapping[Any, Mangled],
    grant: str,
) -> None:
    """Neither in a first run, which has nothing else to go by, nor after one that saw everything."""
    roster = [
        (f"person-{n}@example.com", f"Person {n}", "terminated" if n in (2, 4) else "active", "", one.account_id)
        for n, one in enumerate(people(5))
    ]
    people_file = write_csv(tmp_path / "roster.csv", "email,name,status,end_date,account_id", roster)
    with (
        copied(postgres, "listings_that_lie") as dsn,
        mock.patch.dict(os.environ, AIRFLOW_CONN_COMPLIANCE_POSTGRES=dsn),
        SandboxServer(mangled_state()) as server,
    ):
        pipeline = Pipeline(dsn, connect_to)
        pipeline.take("roster", people_file)
        run_mangled(pipeline, server, grant, first)
        early = passing(pipeline)
        whole_run(pipeline, server, grant=grant)
        whole, subjects = passing(pipeline), set(pipeline.verdicts(ACME))
        assert early <= whole, early - whole
        run_mangled(pipeline, server, grant, later)
        assert passing(pipeline) <= whole, passing(pipeline) - whole
        assert set(pipeline.verdicts(ACME)) == subjects
