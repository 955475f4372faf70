"""Rules of branch_protection_enforced."""

from __future__ import annotations

from typing import Any

import pytest

from tests.security_tests.builders import UNREADABLE, Repository, World, days_ago, identity, outcome

TEST = "branch_protection_enforced"
KINDS = ("push", "force", "delete")
IN_PLACE = ("passing", "configuration", "protections_in_place")
MISSING = ("failing", "configuration", "missing_protection")


def judged(world: World) -> dict[str, Any]:
    return world.judge(TEST)["payments"]


def protected(repository: Repository, *kinds: str) -> Repository:
    for kind in kinds:
        repository.rule(kind)
    return repository


def test_push_force_and_delete_on_the_main_branch_pass(world: World) -> None:
    protected(world.repository(), *KINDS)
    assert outcome(judged(world)) == IN_PLACE


@pytest.mark.parametrize("left_out", KINDS)
def test_a_missing_protection_fails_and_is_named(world: World, left_out: str) -> None:
    protected(world.repository(), *(kind for kind in KINDS if kind != left_out))
    verdict = judged(world)
    assert outcome(verdict) == MISSING
    assert verdict["detail"]["missing"] == [left_out]
    assert left_out in verdict["reason"]


def test_without_any_rule_all_are_missing(world: World) -> None:
    world.repository()
    verdict = judged(world)
    assert outcome(verdict) == MISSING
    assert sorted(verdict["facts"]["missing"]) == sorted(KINDS)


def test_a_protection_of_another_branch_does_not_count(world: World) -> None:
    protected(world.repository(), "push", "force").rule("delete", "develop")
    assert judged(world)["detail"]["missing"] == ["delete"]


def test_protections_may_come_from_different_patterns_and_branch_types(world: World) -> None:
    repository = world.repository(main_branch="release/1").branching_model(
        production={"name": "release/1", "use_mainbranch": False},
        branch_types=[{"kind": "release", "prefix": "release/"}],
    )
    repository.rule("push", "rel*/1").model_rule("force", "production").model_rule("delete", "release")
    assert outcome(judged(world)) == IN_PLACE


def test_which_protections_are_required_is_policy(world: World) -> None:
    protected(world.repository(), "delete", "restrict_merges")
    world.thresholds(required_protections=["delete", "restrict_merges"])
    assert outcome(judged(world)) == IN_PLACE
    world.thresholds(required_protections=["delete", "restrict_merges", "push"])
    assert judged(world)["facts"]["missing"] == ["push"]


def test_a_protection_named_twice_in_the_policy_is_required_once(world: World) -> None:
    protected(world.repository(), "push")
    world.thresholds(required_protections=["push", "push", "delete", "delete"])
    verdict = judged(world)
    assert verdict["facts"]["missing"] == ["delete"]
    assert len(verdict["facts"]["rules"]) == 1


@pytest.mark.parametrize("hidden", UNREADABLE)
def test_hidden_rules_are_pending_with_what_is_lacking(world: World, hidden: str) -> None:
    world.repository().rules_hidden(hidden)
    assert outcome(judged(world)) == ("pending", None, hidden)


@pytest.mark.parametrize("hidden", ["scope_missing", "permission_missing"])
def test_rules_that_could_not_be_read_are_null_in_detail_never_none(world: World, hidden: str) -> None:
    world.repository().rules_hidden(hidden)
    detail = judged(world)["detail"]
    assert detail["configuration"] == hidden
    assert [detail[name] for name in ("rules", "missing", "exempt_users", "exempt_groups")] == [None] * 4


def test_merges_say_nothing_about_it(world: World) -> None:
    repository = world.repository().rules_hidden()
    for _ in range(10):
        repository.merged(builds=["SUCCESSFUL"])
    assert outcome(judged(world)) == ("pending", None, "permission_missing")


@pytest.mark.parametrize("failure", ["failed", "not_found"])
def test_an_unread_branching_model_is_an_error_that_names_it_where_it_may_hold_what_is_missing(
    world: World, failure: str
) -> None:
    repository = protected(world.repository(), "push", "force").call("effective_branching_model", failure)
    repository.model_rule("delete", "production")
    verdict = judged(world)
    assert outcome(verdict) == ("error", None, "extract_failed")
    assert "branching model" in verdict["reason"]
    assert "branch restrictions" not in verdict["reason"]


@pytest.mark.parametrize("hidden", UNREADABLE)
def test_a_hidden_branching_model_is_pending_where_it_may_hold_what_is_missing(world: World, hidden: str) -> None:
    repository = protected(world.repository(), "push", "force").call("effective_branching_model", hidden)
    repository.model_rule("delete", "production")
    assert outcome(judged(world)) == ("pending", None, hidden)


def test_an_unread_branching_model_does_not_touch_what_globs_prove(world: World) -> None:
    repository = protected(world.repository(), *KINDS).call("effective_branching_model", "failed")
    repository.model_rule("delete", "production")
    assert outcome(judged(world)) == IN_PLACE


def test_an_unread_branching_model_does_not_touch_what_it_can_not_mend(world: World) -> None:
    repository = protected(world.repository(), "push").call("effective_branching_model", "failed")
    repository.model_rule("push", "production").model_rule("enforce_merge_checks", "production")
    assert outcome(judged(world)) == MISSING


def test_an_unread_branching_model_that_may_hold_only_some_of_the_missing_can_not_make_it_pass(world: World) -> None:
    repository = protected(world.repository(), "push").call("effective_branching_model", "failed")
    repository.model_rule("delete", "production")  # force is missing whatever the model says
    assert judged(world)["status"] == "failing"


def test_unknown_kinds_are_ignored(world: World) -> None:
    protected(world.repository(), *KINDS, "levitate", "require_approvals_to_merge")
    verdict = judged(world)
    assert outcome(verdict) == IN_PLACE
    assert [rule["kind"] for rule in verdict["facts"]["rules"]] == list(KINDS)


def test_detail_lists_who_is_exempt_from_the_push_restriction_of_the_main_branch(world: World) -> None:
    repository = protected(world.repository(), "force", "delete")
    ada = {"uuid": identity("ada"), "display_name": "Ada"}
    repository.rule("push", users=[ada], groups=[{"slug": "leads", "name": "Leads"}])
    repository.rule("push", "develop", users=[{"uuid": identity("bo"), "display_name": "Bo"}])
    detail = judged(world)["detail"]
    assert "Ada" in str(detail["exempt_users"])
    assert "leads" in str(detail["exempt_groups"])
    assert "Bo" not in str(detail)
    assert detail["direct_push"] == "restricted"


def test_nobody_is_exempt_where_the_push_restriction_names_nobody(world: World) -> None:
    protected(world.repository(), *KINDS)
    detail = judged(world)["detail"]
    assert (detail["exempt_users"], detail["exempt_groups"]) == ([], [])


def exempting(repository: Repository, users: str, groups: str = "", pattern: str = "main") -> Repository:
    """A push restriction from which these are exempt."""
    return repository.rule(
        "push",
        pattern,
        users=[{"uuid": identity(name), "display_name": name.title()} for name in users.split()],
        groups=[{"slug": name, "name": name.title()} for name in groups.split()],
    )


def test_the_reason_names_who_is_exempt_from_all_push_restrictions_that_match(world: World) -> None:
    repository = protected(world.repository(), "force", "delete")
    exempting(exempting(repository, "ada bo", "leads"), "bo cy", "", "ma*")
    verdict = judged(world)
    assert outcome(verdict) == IN_PLACE
    assert "Ada, Bo, Cy, group Leads." in verdict["reason"]
    assert len(verdict["detail"]["exempt_users"]) == 3


@pytest.mark.parametrize("kinds", [("push", "force", "delete"), ("push", "force"), ()])
def test_where_nobody_is_exempt_the_reason_says_nothing_of_it(world: World, kinds: tuple[str, ...]) -> None:
    protected(world.repository(), *kinds)
    assert "xempt" not in judged(world)["reason"]


@pytest.mark.parametrize(("policy", "fails"), [
    ({}, False), ({"max_push_exempt_users": 2}, False), ({"max_push_exempt_users": 1}, True),
    ({"max_push_exempt_groups": 1}, False), ({"max_push_exempt_groups": 0}, True),
])  # fmt: skip
def test_more_exempt_than_the_policy_allows_fail(world: World, policy: dict[str, int], fails: bool) -> None:
    world.thresholds(**policy)
    exempting(protected(world.repository(), "force", "delete"), "ada bo", "leads")
    verdict = judged(world)
    assert outcome(verdict) == (("failing", "configuration", "too_many_exempt") if fails else IN_PLACE)
    assert "Ada, Bo, group Leads" in verdict["reason"]
    assert ("exempt_users" in verdict["facts"]) is fails


def test_facts_name_the_rules_and_what_is_missing_and_nothing_else(world: World) -> None:
    repository = protected(world.repository(), "push", "force")
    before = judged(world)["facts"]
    assert [rule["kind"] for rule in before["rules"]] == ["push", "force"]
    repository.rule("require_approvals_to_merge", value=1).rule("delete", "develop").merged(approved_by=[])
    repository.pipeline(created_on=days_ago(1))
    world.classify("repository", "payments", "production", "internal")
    assert judged(world)["facts"] == before
    repository.rule("delete")
    assert judged(world)["facts"] != before


def test_a_lost_permission_never_passes(world: World) -> None:
    repository = world.repository()
    assert judged(world)["status"] == "failing"
    for hidden in (*UNREADABLE, "failed", "not_found"):
        repository.call("branch_restrictions", hidden)
        assert judged(world)["status"] in ("pending", "error")
