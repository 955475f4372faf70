"""Reading the merge checks of open pull requests: of which one, how often, and what becomes of answers that fail."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from sandbox import actions
from sandbox.model import Repository
from sandbox.process import SandboxServer
from sandbox.state import FaultKind, SandboxState
from tests.harness import Pipeline
from tests.pipeline.small import ACME, FAST, read, small_state, start, touch, whole_run, write_csv

pytestmark = pytest.mark.slow

Serve = Callable[[SandboxState], SandboxServer]
CHECKS = "pull_request_merge_checks"
BUILDS, PEERS = "status_checks_required", "peer_review_required"
IN_EFFECT = ("passing", "configuration", "rule_in_effect")
ENFORCED = ("passing", "configuration", "rule_enforced")
NO_RULE = ("failing", "configuration", "no_matching_rule")
BY_MERGES = ("passing", "behaviour", "merges_had_peer_approval")


@pytest.fixture
def acme(serve: Serve) -> SandboxServer:
    """A repository whose rules satisfy every test, and a pull request into its main branch."""
    server = serve(small_state(1))
    opened(server)
    return server


def opened(server: SandboxServer, slug: str = "repo-0", **more: Any) -> int:
    return int(actions.create_pull_request(server.state, slug, **more).pull_request.id)


def asked_of(server: SandboxServer) -> list[int]:
    """Numbers of the pull requests whose merge checks were asked for."""
    return [int(record.path.split("/")[-3]) for record in server.state.requests if record.endpoint == CHECKS]


def verdict(pipeline: Pipeline, test_id: str = PEERS, slug: str = "repo-0") -> tuple[str, str | None, str]:
    return pipeline.verdicts(ACME)[test_id, slug]


def only(server: SandboxServer) -> Repository:
    return server.state.repository("repo-0")


# ------------------------------------------------------------------- when, and of which


def test_one_request_decides_both_tests_with_five_scopes(pipeline: Pipeline, acme: SandboxServer) -> None:
    whole_run(pipeline, acme, grant="five")
    assert (verdict(pipeline, BUILDS), verdict(pipeline)) == (IN_EFFECT, IN_EFFECT)
    assert asked_of(acme) == [4]
    assert acme.state.count("pull_request_statuses") == 0
    [inventory] = pipeline.query("SELECT * FROM compliance.repositories")
    assert (inventory["required_approvals"], inventory["required_builds"]) == (1, 1)
    assert (inventory["merge_checks_enforced"], inventory["merge_rules_seen"]) == (True, "pull request #4")
    assert inventory["push_restricted"] is None


def test_none_is_sent_where_own_rules_satisfy(pipeline: Pipeline, acme: SandboxServer) -> None:
    whole_run(pipeline, acme)
    assert (verdict(pipeline, BUILDS), verdict(pipeline)) == (ENFORCED, ENFORCED)
    assert asked_of(acme) == []
    [inventory] = pipeline.query("SELECT * FROM compliance.repositories")
    assert inventory["merge_rules_seen"] == "own rules"


@pytest.mark.parametrize("grant", ["admin", "five"])
def test_inherited_rules_give_the_same_verdict_under_both_grants(
    pipeline: Pipeline, acme: SandboxServer, grant: str
) -> None:
    only(acme).restrictions.clear()
    acme.state.workspaces[0].projects = [only(acme).project]
    for kind, value in (("require_approvals_to_merge", 2), ("enforce_merge_checks", None)):
        actions.set_project_restriction(acme.state, "ACM", kind, value=value)
    whole_run(pipeline, acme, grant=grant)
    assert (verdict(pipeline, BUILDS), verdict(pipeline)) == (NO_RULE, IN_EFFECT)


def test_the_newest_that_is_no_draft_is_asked_or_else_the_newest_draft(pipeline: Pipeline, serve: Serve) -> None:
    server = serve(small_state(1))
    drafts = [opened(server, draft=True) for _ in range(2)]
    opened(server, into="develop")
    whole_run(pipeline, server, grant="five")
    assert asked_of(server) == [drafts[-1]]
    server.state.reset()
    ready = [opened(server) for _ in range(2)]
    opened(server, draft=True)
    whole_run(pipeline, server, grant="five")
    assert asked_of(server) == [ready[-1]]


def test_without_an_open_pull_request_into_the_main_branch_nothing_is_asked(pipeline: Pipeline, serve: Serve) -> None:
    server = serve(small_state(1))
    opened(server, into="develop")
    whole_run(pipeline, server, grant="five")
    assert asked_of(server) == []
    assert server.state.count("pull_request_statuses") == 3
    assert verdict(pipeline) == BY_MERGES


def test_an_untouched_repository_is_not_asked_again(pipeline: Pipeline, acme: SandboxServer) -> None:
    whole_run(pipeline, acme, grant="five")
    acme.state.reset()
    whole_run(pipeline, acme, grant="five", touched=False)
    assert asked_of(acme) == []
    assert verdict(pipeline) == IN_EFFECT
    whole_run(pipeline, acme, grant="five")
    assert asked_of(acme) == [4]


def test_a_policy_that_asks_for_more_asks_again(
    pipeline: Pipeline, acme: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_run(pipeline, acme)
    policy = tmp_path / "policy.yaml"
    policy.write_text("thresholds: {min_approvals: 2}\n")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    whole_run(pipeline, acme, touched=False)
    assert asked_of(acme) == [4]
    assert verdict(pipeline) == NO_RULE


@pytest.mark.parametrize("test_ids", [(BUILDS, PEERS)])
def test_none_is_sent_where_no_test_wants_to_know(
    pipeline: Pipeline,
    acme: SandboxServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    test_ids: tuple[str, ...],
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("tests: {" + ", ".join(f"{test}: {{enabled: false}}" for test in test_ids) + "}\n")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    whole_run(pipeline, acme, grant="five")
    assert asked_of(acme) == []


# ------------------------------------------------------------------- what is remembered


def test_those_seen_last_decide_when_it_was_merged_and_no_builds_are_asked_for(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    whole_run(pipeline, acme, grant="five")
    actions.approve(acme.state, "repo-0")
    actions.merge(acme.state, "repo-0")
    acme.state.reset()
    whole_run(pipeline, acme, grant="five")
    assert (verdict(pipeline, BUILDS), verdict(pipeline)) == (IN_EFFECT, IN_EFFECT)
    assert asked_of(acme) == []
    assert acme.state.count("pull_request_statuses") == 0
    [told] = pipeline.query("SELECT summary FROM compliance.decided_by WHERE test_id = %s", (PEERS,))
    assert told["summary"] == "of 1 repository: 1 by a pull request closed since, 0 undecided"
    before = pipeline.query("SELECT * FROM compliance.result_history ORDER BY test_id, subject_id, valid_from")
    whole_run(pipeline, acme, grant="five")
    after = pipeline.query("SELECT * FROM compliance.result_history ORDER BY test_id, subject_id, valid_from")
    assert after == before


@pytest.mark.gated
def test_what_was_seen_days_ago_passes_the_gates_and_is_fresh_as_long_as_it_decides(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    whole_run(pipeline, acme, grant="five", before_publish=lambda run_id: gates(run_id))
    actions.decline(acme.state, "repo-0")
    with pipeline_rows(pipeline) as connection:
        connection.execute("UPDATE staging.merge_checks SET data_as_of = data_as_of - interval '5 days'")
    whole_run(pipeline, acme, grant="five", before_publish=lambda run_id: gates(run_id))
    [row] = pipeline.query("SELECT * FROM compliance.current_results WHERE test_id = %s", (PEERS,))
    assert row["reason_code"] == "rule_in_effect"
    assert row["evaluated_at"] - row["data_as_of"] > timedelta(days=4)
    assert row["is_stale"] is False


def gates(run_id: str) -> None:
    for name in ("staging", "results"):
        tasks.gate(ACME, run_id, name)


def pipeline_rows(pipeline: Pipeline) -> Any:
    import psycopg

    return psycopg.connect(pipeline.dsn)


@pytest.mark.parametrize("seen_with", ["admin", "five"])
def test_rules_that_fell_short_since_and_can_be_read_no_more_are_not_covered_by_what_was_seen_before(
    pipeline: Pipeline, acme: SandboxServer, seen_with: str
) -> None:
    # without a rule about builds, so that merge checks are asked for with both grants
    only(acme).restrictions = [rule for rule in only(acme).restrictions if "builds" not in rule.kind]
    whole_run(pipeline, acme, grant=seen_with)
    actions.decline(acme.state, "repo-0")
    actions.remove_restriction(acme.state, "repo-0", "require_approvals_to_merge")
    whole_run(pipeline, acme, grant="admin")
    assert verdict(pipeline) == NO_RULE
    whole_run(pipeline, acme, grant="five")
    assert verdict(pipeline) == ("pending", None, "rules_no_longer_readable")


def test_merges_are_looked_at_again_once_own_rules_fell_short_that_can_be_read_no_more(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    for pull in only(acme).pull_requests:
        for status in pull.statuses:
            status.state = "FAILED"
    whole_run(pipeline, acme, grant="five")
    assert verdict(pipeline, BUILDS) == IN_EFFECT
    actions.decline(acme.state, "repo-0")
    only(acme).restrictions.clear()
    whole_run(pipeline, acme, grant="admin")
    assert verdict(pipeline, BUILDS) == NO_RULE
    whole_run(pipeline, acme, grant="five")
    assert verdict(pipeline, BUILDS) == ("failing", "behaviour", "merged_without_passing_build")


def test_own_rules_that_changed_while_nobody_judged_by_them_are_not_covered_either(
    pipeline: Pipeline, acme: SandboxServer, tmp_path: Path
) -> None:
    only(acme).restrictions = [rule for rule in only(acme).restrictions if "builds" not in rule.kind]
    only(acme).pull_requests[0].participants = []
    whole_run(pipeline, acme)
    actions.decline(acme.state, "repo-0")
    actions.remove_restriction(acme.state, "repo-0", "require_approvals_to_merge")
    for declared in ("non_production", "production"):
        row = ("repository", "repo-0", declared, "", "Ada")
        header = "target_type,target,classification,sensitivity,owner"
        pipeline.take("classification", write_csv(tmp_path / "c.csv", header, [row]))
        whole_run(pipeline, acme, grant="admin" if declared == "non_production" else "five")
    assert verdict(pipeline) == ("failing", "behaviour", "merged_without_peer_approval")


# ------------------------------------------------------------------- answers that fail


@pytest.mark.parametrize(
    ("kind", "status"), [("status", 500), ("status", 404), ("status", 403), ("invalid_json", 200), ("status", 429)]
)
def test_an_answer_that_fails_is_no_error_and_leaves_it_to_merges(
    pipeline: Pipeline, acme: SandboxServer, kind: FaultKind, status: int
) -> None:
    acme.state.add_fault(CHECKS, kind=kind, status=status)
    whole_run(pipeline, acme, grant="five", rate_limit_pauses=2)
    assert (verdict(pipeline, BUILDS)[1], verdict(pipeline)) == ("behaviour", BY_MERGES)
    acme.state.reset()
    whole_run(pipeline, acme, grant="five", touched=False)
    assert asked_of(acme) == [], "it is no reason to read the repository again"


@pytest.mark.parametrize(
    "body",
    [
        '{"values": []}',
        '{"size": 3, "values": [{"type": "pullrequest_state_check"}, {"type": "git_mergeability_check"}]}',
        '{"size": 4, "values": [{"type": "pullrequest_state_check"}, {"type": "git_mergeability_check"},'
        ' {"type": "current_user_permission_check"}]}',
        '{"next": "https://x", "values": [{"type": "pullrequest_state_check"}, {"type": "git_mergeability_check"},'
        ' {"type": "current_user_permission_check"}]}',
        *(
            '{"values": [{"type": "pullrequest_state_check"}, {"type": "git_mergeability_check"},'
            ' {"type": "current_user_permission_check"}, {"type": "standard_merge_check", ' + odd + "}]}"
            for odd in (
                '"required": true',
                '"required": true, "check": {"kind": 7}',
                '"check": {"kind": "minimum_approvals"}, "requirement": {"minimum_approvals": 1}',
                '"required": "yes", "check": {"kind": "minimum_approvals"}, "requirement": {"minimum_approvals": 1}',
                '"required": true, "check": {"kind": "minimum_approvals"}, "requirement": {"minimum_approvals": "1"}',
                '"required": true, "check": {"kind": "minimum_approvals"}, "requirement": {"minimum_approvals": -1}',
                '"required": true, "check": {"kind": "minimum_approvals"}, "requirement": {"approvals": 1}',
                '"required": true, "check": {"kind": "minimum_approvals"}, "requirement": 1',
            )
        ),
        '{"values": [7]}',
        '{"values": null}',
    ],
)
def test_an_answer_of_unknown_shape_is_as_good_as_none(pipeline: Pipeline, acme: SandboxServer, body: str) -> None:
    acme.state.add_fault(CHECKS, kind="invalid_json", body=body)
    whole_run(pipeline, acme, grant="five")
    assert verdict(pipeline) == BY_MERGES
    assert pipeline.query("SELECT * FROM staging.merge_checks") == []


@pytest.mark.parametrize("shown", ["absent", "null", "zero"])
def test_kinds_that_nothing_asks_for_ask_for_nothing(pipeline: Pipeline, acme: SandboxServer, shown: Any) -> None:
    only(acme).restrictions = [rule for rule in only(acme).restrictions if rule.kind == "enforce_merge_checks"]
    only(acme).more_checks = [
        {"type": "custom_pre_merge_check", "status": "SKIPPED", "required": None},
        {"type": "something_new"},
        {"type": "standard_merge_check", "check": {"kind": "tomorrows"}, "requirement": ["?"], "required": True},
    ]
    acme.state.unconfigured_checks = shown
    whole_run(pipeline, acme, grant="five")
    assert (verdict(pipeline, BUILDS), verdict(pipeline)) == (NO_RULE, NO_RULE)
    [inventory] = pipeline.query("SELECT * FROM compliance.repositories")
    assert (inventory["required_approvals"], inventory["required_builds"]) == (0, 0)


def test_a_limit_of_their_own_stops_asking_for_them_and_nothing_else(pipeline: Pipeline, serve: Serve) -> None:
    server = serve(small_state(6))
    for number in range(6):
        opened(server, f"repo-{number}")
    server.state.merge_checks_hourly_limit = 2
    whole_run(pipeline, server, grant="five", connections=1, rate_limit_pauses=2)
    codes = [verdict(pipeline, PEERS, f"repo-{number}")[2] for number in range(6)]
    assert sorted(codes) == ["merges_had_peer_approval"] * 4 + ["rule_in_effect"] * 2
    assert len(asked_of(server)) <= 2 + 2 * 3, "one call or two wait in vain, the others are not sent"


def test_a_run_that_was_cut_off_asks_for_each_once(pipeline: Pipeline, serve: Serve) -> None:
    server = serve(small_state(4))
    for number in range(4):
        opened(server, f"repo-{number}")
    pipeline.connect_to(server, "five", **FAST)
    run_id = start()
    try:
        chunks = read(run_id)
        for chunk in chunks:
            tasks.read_chunk(ACME, run_id, chunk)
    finally:
        pipeline.release()
    assert sorted(asked_of(server)) == [4] * 4


# ------------------------------------------------------------------- default reviewers, and nothing to protect


def test_default_reviewers_are_asked_for_only_where_they_alone_satisfy(pipeline: Pipeline, acme: SandboxServer) -> None:
    whole_run(pipeline, acme)
    whole_run(pipeline, acme, grant="five")
    assert acme.state.count("effective_default_reviewers") == 0
    for rule in only(acme).restrictions:
        if rule.kind == "require_approvals_to_merge":
            rule.kind = "require_default_reviewer_approvals_to_merge"
    for grant in ("admin", "five"):
        acme.state.reset()
        whole_run(pipeline, acme, grant=grant)
        assert acme.state.count("effective_default_reviewers") == 1
        assert verdict(pipeline) == ("pending", None, "no_default_reviewers")
    actions.set_default_reviewers(acme.state, "repo-0", reviewers=["person-2"])
    for grant, expected in (("admin", ENFORCED), ("five", IN_EFFECT)):
        whole_run(pipeline, acme, grant=grant)
        assert verdict(pipeline) == expected


def test_where_no_default_reviewer_is_a_peer_a_pull_request_is_asked(
    pipeline: Pipeline, acme: SandboxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for rule in only(acme).restrictions:
        if rule.kind == "require_approvals_to_merge":
            rule.kind = "require_default_reviewer_approvals_to_merge"
    actions.set_default_reviewers(acme.state, "repo-0", reviewers=["person-2"])
    whole_run(pipeline, acme)
    assert (verdict(pipeline), asked_of(acme)) == (ENFORCED, [])
    policy = tmp_path / "policy.yaml"
    policy.write_text("thresholds: {not_peers: [person-2]}")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    whole_run(pipeline, acme)
    assert (verdict(pipeline), asked_of(acme)) == (("pending", None, "no_default_reviewers"), [4])


def test_default_reviewers_that_left_since_are_not_counted(pipeline: Pipeline, acme: SandboxServer) -> None:
    for rule in only(acme).restrictions:
        if rule.kind == "require_approvals_to_merge":
            rule.kind = "require_default_reviewer_approvals_to_merge"
    actions.set_default_reviewers(acme.state, "repo-0", reviewers=["person-2"])
    whole_run(pipeline, acme, grant="five")
    assert verdict(pipeline) == IN_EFFECT
    actions.decline(acme.state, "repo-0")
    actions.set_default_reviewers(acme.state, "repo-0")
    whole_run(pipeline, acme, grant="five")
    assert verdict(pipeline) == ("pending", None, "no_default_reviewers"), "by the checks seen last"


@pytest.mark.parametrize(("reviewers", "expected"), [
    (["person-2"], IN_EFFECT), ([], ("pending", None, "no_default_reviewers")),
])  # fmt: skip
def test_default_reviewers_are_asked_for_as_long_as_checks_seen_before_decide(
    pipeline: Pipeline, acme: SandboxServer, reviewers: list[str], expected: tuple[str, str | None, str]
) -> None:
    for rule in only(acme).restrictions:
        if rule.kind == "require_approvals_to_merge":
            rule.kind = "require_default_reviewer_approvals_to_merge"
    actions.set_default_reviewers(acme.state, "repo-0", reviewers=reviewers)
    whole_run(pipeline, acme, grant="five")
    assert verdict(pipeline) == expected
    actions.decline(acme.state, "repo-0")
    with pipeline_rows(pipeline) as connection:
        connection.execute("UPDATE staging.merge_checks SET data_as_of = data_as_of - interval '13 days'")
    whole_run(pipeline, acme, grant="five")
    assert verdict(pipeline) == expected, "on their last day"


@pytest.mark.parametrize("grant", ["admin", "five"])
def test_the_main_branch_is_asked_for_only_where_there_is_no_content(
    pipeline: Pipeline, serve: Serve, grant: str
) -> None:
    server = serve(small_state(2))
    empty = server.state.repository("repo-1")
    empty.size, empty.mainbranch, empty.pull_requests, empty.restrictions = 0, "release/main", [], []
    whole_run(pipeline, server, grant=grant)
    assert [record.slug for record in server.state.requests if record.endpoint == "branch"] == ["repo-1"]
    for test_id in (BUILDS, PEERS, "branch_protection_enforced"):
        assert verdict(pipeline, test_id, "repo-1") == ("not_applicable", None, "empty_repository")
    actions.push(server.state, "repo-1")
    touch(server)
    whole_run(pipeline, server, grant=grant)
    assert verdict(pipeline, PEERS, "repo-1")[2] != "empty_repository"
