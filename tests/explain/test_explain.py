"""What `make explain` says of a verdict, today's and an earlier one's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from bitbucket_compliance.registry.exceptions import ExceptionRequest, decide, request
from bitbucket_compliance.reporting.explain.chain import Chain, NothingToExplain, chain, moment_of
from bitbucket_compliance.reporting.explain.render import render
from bitbucket_compliance.security_tests import CATALOGUE
from sandbox.build import Rules
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.small import protect, small_state, whole_run, write_csv
from tests.sandbox import official

Serve = Callable[[SandboxState], SandboxServer]
Explain = Callable[..., str]


@pytest.fixture
def acme(serve: Serve) -> SandboxServer:
    return serve(small_state(2))


@pytest.fixture
def gather(pipeline: Pipeline) -> Iterator[Callable[..., Chain]]:
    with psycopg.connect(pipeline.dsn, row_factory=dict_row) as connection:
        connection.execute("SET TIME ZONE 'UTC'")

        def look(test_id: str, subject: str, moment: datetime | None = None, **more: Any) -> Chain:
            connection.commit()
            return chain(connection, test_id, subject, moment=moment or datetime.now(UTC), **more)

        yield look


@pytest.fixture
def explain(gather: Callable[..., Chain]) -> Explain:
    """The text in one line: where it wraps is not what the tests are about."""
    return lambda *arguments, **more: " ".join(render(gather(*arguments, **more)).split())


def bodies(found: Chain, resource: str) -> list[dict[str, Any]]:
    return [body["body"] for body in found.bodies if body["resource"] == resource]


# ---------------------------------------------------------------------------------------------- the chain


def test_a_failure_leads_back_to_the_landed_pull_request_and_forward_to_the_call_that_mends_it(
    pipeline: Pipeline, acme: SandboxServer, explain: Explain
) -> None:
    broken = acme.state.workspaces[0].repositories[0].pull_requests[-1]
    for participant in broken.participants:
        participant.approved = False
    whole_run(pipeline, acme, grant="five")
    said = explain("peer_review_required", "repo-0")
    [landed] = pipeline.query(
        "SELECT body_hash, object_key FROM landing.objects"
        " WHERE resource = 'pull_requests' AND object_key LIKE %s AND body ->> 'id' = %s",
        (f"{acme.state.workspaces[0].repositories[0].uuid}%", str(broken.id)),
    )
    assert f"Merged into main without the approval of a peer: #{broken.id}." in said
    assert landed["body_hash"] in said and landed["object_key"] in said
    assert "branch_restrictions: scope_missing" in said
    assert (
        "POST /2.0/repositories/acme/repo-0/branch-restrictions "
        '{"kind": "require_approvals_to_merge", "branch_match_kind": "glob", "pattern": "main", "value": 1}' in said
    )
    assert "min_approvals 1" in said


def test_a_pass_names_the_rules_that_matched_and_no_others(
    pipeline: Pipeline, acme: SandboxServer, explain: Explain
) -> None:
    repository = acme.state.workspaces[0].repositories[0]
    repository.restrictions += Rules(9001).glob("release/*", "push").made
    whole_run(pipeline, acme)
    said = explain("branch_protection_enforced", "repo-0")
    applying = [rule.id for rule in repository.restrictions if rule.kind in ("push", "force", "delete")][:-1]
    assert all(f'"id": {number}' in said for number in applying)
    assert '"id": 9001' not in said
    assert "what to do" not in said


def test_of_merges_that_went_around_a_rule_it_does_not_say_that_the_rule_could_not_be_read(
    pipeline: Pipeline, acme: SandboxServer, gather: Callable[..., Chain]
) -> None:
    whole_run(pipeline, acme)
    found = gather("peer_review_required", "repo-0")
    assert found.verdict["detail"]["configuration"] == "ok"
    bypassed = {**found.verdict, "basis": "behaviour", "status": "failing", "reason_code": "enforced_but_bypassed"}
    said = render(replace(found, verdict=bypassed))
    assert "What was done decides." in said and "can't be read" not in said


def test_of_missing_protections_only_the_missing_ones_are_to_be_added(
    pipeline: Pipeline, acme: SandboxServer, explain: Explain
) -> None:
    acme.state.workspaces[0].repositories[0].restrictions = Rules(1).glob("main", "push", "force").made
    whole_run(pipeline, acme)
    said = explain("branch_protection_enforced", "repo-0")
    assert '"kind": "delete"' in said
    assert 'branch-restrictions {"kind": "push"' not in said and 'branch-restrictions {"kind": "force"' not in said


def test_what_people_declared_is_named_with_who_and_when_but_never_what_hr_says(
    pipeline: Pipeline, acme: SandboxServer, explain: Explain, tmp_path: Any
) -> None:
    rows = [("person-1@example.com", "Person 1", "terminated", "2026-01-15", "")]
    pipeline.take("roster", write_csv(tmp_path / "people.csv", "email,name,status,end_date,account_id", rows))
    entries = [("repository", "repo-1", "non_production", "", "")]
    pipeline.take(
        "classification", write_csv(tmp_path / "c.csv", "target_type,target,classification,sensitivity,owner", entries)
    )
    whole_run(pipeline, acme)
    left = explain("offboarded_access_removed", "Person 1")
    assert "failing, offboarded" in left
    assert "roster people.csv of 1 people, imported by os:tester" in left and "address: 2 " in left
    assert "2026-01-15" not in left and "example.com" not in left
    out_of_scope = explain("peer_review_required", "repo-1")
    assert "repository repo-1: non_production, set by os:tester" in out_of_scope and "c.csv" in out_of_scope


def test_evidence_is_named_with_its_file_and_both_people(
    pipeline: Pipeline, acme: SandboxServer, explain: Explain, tmp_path: Any
) -> None:
    rows = [("person-1@example.com", "Enabled")]
    pipeline.take("mfa", write_csv(tmp_path / "export.csv", "email,two-step verification", rows))
    whole_run(pipeline, acme)
    said = explain("user_mfa_enabled", "Person 1")
    [known] = pipeline.query("SELECT evidence_id::text AS id, file_sha256 FROM registry.evidence")
    assert f"evidence {known['id']}" in said and known["file_sha256"] in said
    assert "submitted by os:tester" in said and "accepted by os:tester" in said
    assert "person-1@example.com" not in said


# -------------------------------------------------------------------------------------------- earlier days


def test_an_earlier_verdict_is_explained_by_what_bitbucket_said_then(
    pipeline: Pipeline, acme: SandboxServer, explain: Explain, gather: Callable[..., Chain]
) -> None:
    repository = acme.state.workspaces[0].repositories[0]
    whole_run(pipeline, acme)
    protected = datetime.now(UTC)
    repository.restrictions = []
    whole_run(pipeline, acme)
    bare = datetime.now(UTC)
    protect(repository, 5000)
    whole_run(pipeline, acme)

    def rules_then(moment: datetime | None) -> set[int]:
        found = gather("branch_protection_enforced", "repo-0", moment)
        return {body["id"] for body in bodies(found, "branch_restrictions")}

    assert min(rules_then(protected)) < 5000 and max(rules_then(protected)) < 5000
    assert rules_then(bare) == set()
    assert min(rules_then(None)) > 5000
    assert "failing, missing_protection" in explain("branch_protection_enforced", "repo-0", bare)
    assert "passing, protections_in_place" in explain("branch_protection_enforced", "repo-0", protected)


def test_a_body_that_comes_back_does_not_cover_the_time_between(
    pipeline: Pipeline, acme: SandboxServer, gather: Callable[..., Chain]
) -> None:
    repository = acme.state.workspaces[0].repositories[0]
    rule = next(rule for rule in repository.restrictions if rule.kind == "require_approvals_to_merge")
    moments = []
    for value in (2, 1, 2):
        rule.value = value
        rule.pattern = "main" if value == 2 else "release"  # so that the verdict changes with it
        whole_run(pipeline, acme)
        moments.append(datetime.now(UTC))
    told = []
    for moment in moments:
        found = gather("peer_review_required", "repo-0", moment)
        told.append([body["value"] for body in bodies(found, "branch_restrictions") if body["id"] == rule.id])
    assert told == [[2], [1], [2]]


def test_a_run_that_learns_nothing_lands_no_further_body(pipeline: Pipeline, acme: SandboxServer) -> None:
    whole_run(pipeline, acme)
    before = pipeline.query("SELECT count(*) AS n FROM landing.objects WHERE resource <> 'repositories'")
    whole_run(pipeline, acme)
    assert pipeline.query("SELECT count(*) AS n FROM landing.objects WHERE resource <> 'repositories'") == before


# --------------------------------------------------------------------------------------------- what is not


def test_what_can_not_be_explained_is_said_with_what_there_is(
    pipeline: Pipeline, acme: SandboxServer, gather: Callable[..., Chain]
) -> None:
    with pytest.raises(NothingToExplain, match=r"no verdict was published yet"):
        gather("peer_review_required", "repo-0")
    whole_run(pipeline, acme)
    with pytest.raises(NothingToExplain, match=r"unknown test 'peer_review'.*peer_review_required"):
        gather("peer_review", "repo-0")
    with pytest.raises(NothingToExplain, match=r"no subject is called 'repo-9'.*repo-0, repo-1|repo-1, repo-0"):
        gather("peer_review_required", "repo-9")
    with pytest.raises(NothingToExplain, match=r"'repo-0' had no verdict at .* known as repo-0 .* from"):
        gather("peer_review_required", "repo-0", datetime.now(UTC) - timedelta(days=1))


def test_a_subject_may_be_named_by_its_uuid_with_or_without_braces(
    pipeline: Pipeline, acme: SandboxServer, gather: Callable[..., Chain]
) -> None:
    whole_run(pipeline, acme)
    uuid = acme.state.workspaces[0].repositories[1].uuid
    assert {gather("repo_classified", name).verdict["subject_name"] for name in (uuid, uuid.strip("{}").upper())} == {
        "repo-1"
    }


def test_two_people_of_one_name_are_told_apart_by_uuid(
    pipeline: Pipeline, acme: SandboxServer, gather: Callable[..., Chain]
) -> None:
    for member in acme.state.workspaces[0].members[:2]:
        member.account.display_name = "Same Name"
    whole_run(pipeline, acme)
    with pytest.raises(NothingToExplain, match=r"names 2 subjects: give the uuid, one of \{"):
        gather("user_mfa_enabled", "Same Name")


def test_a_day_means_its_end_and_today_means_now() -> None:
    now = datetime(2026, 4, 2, 10, tzinfo=UTC)
    assert moment_of("2026-03-31", now=now) == datetime(2026, 3, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert moment_of("2026-04-02", now=now) == now == moment_of("", now=now)
    assert moment_of("2026-03-31T08:00:00+02:00", now=now) == datetime(2026, 3, 31, 6, tzinfo=UTC)
    for bad in ("31.3.2026", "2026-02-30", "2026-05-01"):
        with pytest.raises(NothingToExplain):
            moment_of(bad, now=now)


@pytest.mark.skipif(official.MISSING is not None, reason=str(official.MISSING))
def test_every_call_that_mends_something_is_one_of_the_official_document() -> None:
    calls = [call for test in CATALOGUE for reason in test.reasons.values() for call in reason.api_calls]
    assert calls
    for call in calls:
        assert call.method.lower() in official.document()["paths"][call.path], call
        if call.path.endswith("branch-restrictions"):
            properties = official.document()["definitions"]["branchrestriction"]["allOf"][1]["properties"]
            assert call.body["kind"] in properties["kind"]["enum"]
            assert set(call.body) <= set(properties)


def test_an_exception_is_named_with_its_reason_until_the_moment_it_expires(
    pipeline: Pipeline, acme: SandboxServer, gather: Callable[..., Chain]
) -> None:
    acme.state.workspaces[0].repositories[0].restrictions = []
    whole_run(pipeline, acme)
    with psycopg.connect(pipeline.dsn, row_factory=dict_row) as connection:
        asked = ExceptionRequest(
            "peer_review_required", "acme", "os:ada", "it retires", datetime.now(UTC) + timedelta(30), "repo-0"
        )
        wanted = request(connection, asked, requested_by="os:ada")
        decide(connection, wanted.exception_id, "accept", decided_by="os:ben")
    whole_run(pipeline, acme)
    found = gather("peer_review_required", "repo-0")
    assert found.exception is not None
    said = " ".join(render(found).split())
    assert "it retires (owner os:ada, accepted by os:ben" in said
    assert gather("peer_review_required", "repo-0", datetime.now(UTC) + timedelta(days=31)).exception is None
