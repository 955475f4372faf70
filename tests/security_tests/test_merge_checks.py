"""Tests 4 and 5 by the merge checks of an open pull request: when they decide, for how long, and what comes after."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.security_tests.builders import NOW, READ_AT, TODAY, UNREADABLE, Repository, World, outcome
from tests.security_tests.merge_rules import ADVISORY, ENFORCED, NO_RULE

IN_EFFECT = ("passing", "configuration", "rule_in_effect")
NOBODY = ("pending", None, "no_default_reviewers")
NO_LONGER = ("pending", None, "rules_no_longer_readable")
ACCEPTED = ("passing", "evidence", "evidence_accepted")
EMPTY = ("not_applicable", None, "empty_repository")
APPROVALS, REVIEWERS, BUILDS = "minimum_approvals", "minimum_default_reviewer_approvals", "minimum_successful_builds"
TESTS = {"status_checks_required": BUILDS, "peer_review_required": APPROVALS}
PEERS = "peer_review_required"
OWN = {"status_checks_required": "require_passing_builds_to_merge", PEERS: "require_approvals_to_merge"}
BROKEN = {
    "status_checks_required": ("failing", "behaviour", "merged_without_passing_build"),
    PEERS: ("failing", "behaviour", "merged_without_peer_approval"),
}
CLEAN = {
    "status_checks_required": ("passing", "behaviour", "merges_had_passing_builds"),
    PEERS: ("passing", "behaviour", "merges_had_peer_approval"),
}

both_tests = pytest.mark.parametrize("test_id", TESTS)


def verdict(world: World, test_id: str, slug: str = "payments") -> dict[str, Any]:
    return world.judge(test_id)[slug]


def later(world: World, days: float) -> None:
    """Let so many days pass until the next run; what it reads is read then."""
    world.now += timedelta(days=days)
    for repository in world.repositories:
        repository.builds.clear()  # learnt already: they are not asked for again
        for resource in repository.outcomes:
            repository.read_at[resource] = world.now + timedelta(minutes=1)


def clean(repository: Repository, *, age: float = 1) -> Repository:
    for _ in range(5):
        repository.merged(age=age, builds=["SUCCESSFUL"])
    return repository


# ------------------------------------------------------------------- what they decide


@both_tests
@pytest.mark.parametrize("hidden", UNREADABLE)
@pytest.mark.parametrize(
    ("required", "enforced", "expected"),
    [(2, True, IN_EFFECT), (1, True, IN_EFFECT), (2, False, ADVISORY), (0, True, NO_RULE), (None, True, NO_RULE)],
)
def test_they_decide_where_own_rules_cant_be_read(
    world: World, test_id: str, hidden: str, required: int | None, enforced: bool, expected: tuple[str, str, str]
) -> None:
    repository = clean(world.repository().rules_hidden(hidden)).checks((TESTS[test_id], required, enforced))
    repository.merged(approved_by=[], builds=["FAILED"])
    found = verdict(world, test_id)
    assert outcome(found) == expected
    assert "#77" in found["reason"]
    assert (found["detail"]["pull_request"], found["detail"]["seen_at"]) == (77, READ_AT.isoformat())


@both_tests
def test_without_any_check_of_the_kind_nothing_is_required(world: World, test_id: str) -> None:
    world.repository().rules_hidden().checks(("resolved_tasks", None, True), ("tomorrows_kind", 5, True))
    assert outcome(verdict(world, test_id)) == NO_RULE


@both_tests
def test_the_sentence_tells_the_pull_request_the_number_and_why_own_rules_are_not_told(
    world: World, test_id: str
) -> None:
    world.repository().rules_hidden("scope_missing").checks((TESTS[test_id], 2, True), number=12)
    wanted = "approvals" if test_id == PEERS else "passing builds"
    assert verdict(world, test_id)["reason"] == (
        f"Open pull request #12 into main needs 2 {wanted}, enforced; "
        "the repository's own rules can't be read with the granted scopes."
    )


@both_tests
def test_they_show_what_a_project_hands_down_where_own_rules_fall_short(world: World, test_id: str) -> None:
    kind = OWN[test_id]
    world.repository("none").checks((TESTS[test_id], 1, True))
    world.repository("advisory").rule(kind, value=1).checks((TESTS[test_id], 1, True))
    world.repository("not-enough").rule(kind, value=1).checks((TESTS[test_id], 1, False))
    world.repository("none-either").checks()
    found = {slug: outcome(one) for slug, one in world.judge(test_id).items()}
    assert found == {"none": IN_EFFECT, "advisory": IN_EFFECT, "not-enough": ADVISORY, "none-either": NO_RULE}


@both_tests
def test_own_rules_that_satisfy_decide_whatever_a_pull_request_shows(world: World, test_id: str) -> None:
    world.repository().rule(OWN[test_id], value=1).rule("enforce_merge_checks").checks((TESTS[test_id], 9, False))
    found = verdict(world, test_id)
    assert outcome(found) == ENFORCED
    assert found["detail"]["pull_request"] is None


@both_tests
def test_the_threshold_is_the_policys(world: World, test_id: str) -> None:
    world.thresholds(min_approvals=2, min_passing_builds=2)
    world.repository("one").rules_hidden().checks((TESTS[test_id], 1, True))
    world.repository("two").rules_hidden().checks((TESTS[test_id], 2, True))
    found = {slug: outcome(one) for slug, one in world.judge(test_id).items()}
    assert found == {"one": NO_RULE, "two": IN_EFFECT}


def test_the_largest_threshold_about_approvals_counts_of_kinds_to_come_too(world: World) -> None:
    world.thresholds(min_approvals=2)
    world.repository().rules_hidden().checks((APPROVALS, 1, True), ("minimum_review_group_approvals", 2, True))
    found = verdict(world, PEERS)
    assert outcome(found) == IN_EFFECT
    assert found["detail"]["required"] == 2


@both_tests
def test_where_they_were_not_seen_behaviour_decides_as_before(world: World, test_id: str) -> None:
    for outcome_of_call in ("failed", "not_found", "permission_missing"):
        clean(world.repository(outcome_of_call).rules_hidden().call("merge_checks", outcome_of_call))
    assert {outcome(one) for one in world.judge(test_id).values()} == {CLEAN[test_id]}


@both_tests
def test_open_pull_requests_that_could_not_be_listed_leave_own_rules_alone(world: World, test_id: str) -> None:
    repository = world.repository().checks((TESTS[test_id], 1, True))
    assert outcome(verdict(world, test_id)) == IN_EFFECT
    repository.no_open_pull_request().call("pull_requests", "failed")
    assert outcome(verdict(world, test_id)) == NO_RULE
    repository.rules_hidden()
    assert outcome(verdict(world, test_id)) == ("error", None, "extract_failed")


# ------------------------------------------------------------------- how long they decide


@both_tests
def test_those_seen_last_decide_for_fourteen_days_as_of_when_they_were_seen(world: World, test_id: str) -> None:
    repository = world.repository().rules_hidden().checks((TESTS[test_id], 1, True))
    assert outcome(verdict(world, test_id)) == IN_EFFECT
    repository.no_open_pull_request().call("pull_requests", "ok")
    later(world, 13)
    found = verdict(world, test_id)
    assert outcome(found) == IN_EFFECT
    assert found["data_as_of"] == READ_AT
    assert found["read_at"] == world.now + timedelta(minutes=1)
    assert "last seen open on 2026-03-31" in found["reason"]
    later(world, 2)
    found = verdict(world, test_id)
    assert outcome(found) == ("pending", None, "too_few_merges")
    assert found["data_as_of"] == world.now + timedelta(minutes=1)


@both_tests
def test_how_long_is_policy(world: World, test_id: str) -> None:
    repository = world.thresholds(merge_checks_valid_days=0).repository().rules_hidden()
    repository.checks((TESTS[test_id], 1, True))
    assert outcome(verdict(world, test_id)) == IN_EFFECT, "those of an open pull request always do"
    repository.no_open_pull_request()
    later(world, 1)
    assert outcome(verdict(world, test_id)) == ("pending", None, "too_few_merges")


@both_tests
@pytest.mark.parametrize("failure", ["failed", "not_found"])
def test_those_seen_last_decide_where_they_can_not_be_read_today(world: World, test_id: str, failure: str) -> None:
    repository = world.repository().rules_hidden().checks((TESTS[test_id], 1, True))
    verdict(world, test_id)
    repository.call("merge_checks", failure)
    later(world, 1)
    assert outcome(verdict(world, test_id)) == IN_EFFECT


@both_tests
def test_a_removed_own_rule_is_never_covered_by_what_was_seen_before(world: World, test_id: str) -> None:
    repository = world.repository().rule(OWN[test_id], value=1).checks((TESTS[test_id], 1, True))
    assert outcome(verdict(world, test_id)) == IN_EFFECT
    repository.no_open_pull_request()
    later(world, 1)
    assert outcome(verdict(world, test_id)) == IN_EFFECT, "own rules are as they were"
    repository.restrictions.clear()
    later(world, 1)
    assert outcome(verdict(world, test_id)) == NO_RULE


@both_tests
def test_what_was_seen_while_own_rules_were_hidden_says_nothing_of_them_now(world: World, test_id: str) -> None:
    repository = world.repository().rules_hidden().checks((TESTS[test_id], 1, True))
    assert outcome(verdict(world, test_id)) == IN_EFFECT
    repository.no_open_pull_request().call("branch_restrictions", "ok")
    later(world, 1)
    assert outcome(verdict(world, test_id)) == NO_RULE


@both_tests
def test_those_of_another_main_branch_say_nothing(world: World, test_id: str) -> None:
    repository = world.repository().rules_hidden().checks((TESTS[test_id], 1, True))
    verdict(world, test_id)
    repository.main_branch = "trunk"
    repository.no_open_pull_request()
    later(world, 1)
    assert outcome(verdict(world, test_id)) == ("pending", None, "too_few_merges")


@both_tests
def test_another_pull_request_with_the_same_checks_is_no_other_fact(world: World, test_id: str) -> None:
    repository = world.repository().rules_hidden().checks((TESTS[test_id], 2, True), number=1)
    before = verdict(world, test_id)["facts"]
    assert before == {"rules": [{"kind": TESTS[test_id], "requirement": 2, "enforced": True}]}
    repository.checks((TESTS[test_id], 2, True), ("resolved_tasks", None, True), number=2)
    assert verdict(world, test_id)["facts"] == before


# ------------------------------------------------------------------- what comes after them


@both_tests
def test_a_violation_after_they_grew_too_old_fails(world: World, test_id: str) -> None:
    repository = world.repository().rules_hidden().checks((TESTS[test_id], 1, True))
    repository.merged(builds=["FAILED"], approved_by=[])
    assert outcome(verdict(world, test_id)) == IN_EFFECT
    repository.no_open_pull_request()
    later(world, 15)
    assert outcome(verdict(world, test_id)) == BROKEN[test_id]


@both_tests
def test_failing_ones_that_grew_too_old_are_not_forgiven_by_clean_merges(world: World, test_id: str) -> None:
    repository = clean(world.repository().rules_hidden().checks((TESTS[test_id], 1, False)))
    assert outcome(verdict(world, test_id)) == ADVISORY
    repository.no_open_pull_request()
    later(world, 15)
    assert outcome(verdict(world, test_id)) == NO_LONGER


@both_tests
def test_own_rules_that_fell_short_and_can_be_read_no_more_stay_pending(world: World, test_id: str) -> None:
    repository = clean(world.repository())
    assert outcome(verdict(world, test_id)) == NO_RULE
    repository.rules_hidden()
    later(world, 1)
    assert outcome(verdict(world, test_id)) == NO_LONGER
    world.thresholds(min_approvals=1, min_passing_builds=1)
    assert outcome(verdict(world, test_id)) == NO_LONGER, "as it was judged on the day of the reading"
    repository.checks((TESTS[test_id], 1, True))
    later(world, 1)
    assert outcome(verdict(world, test_id)) == IN_EFFECT


@pytest.mark.parametrize("test_id", [*TESTS, "branch_protection_enforced"])
def test_own_rules_that_only_evidence_made_good_stay_pending_once_it_expired(world: World, test_id: str) -> None:
    world.thresholds(evidence_validity_days=10)
    repository = clean(world.repository())
    world.evidence(test_id, TODAY, scope="project", workspace="acme", covers=["payments"], targets=["core"])
    assert outcome(verdict(world, test_id)) == ACCEPTED
    repository.rules_hidden()
    later(world, 1)
    assert outcome(verdict(world, test_id)) == ACCEPTED
    later(world, 15)
    assert outcome(verdict(world, test_id)) == NO_LONGER, "however clean the merges"


@both_tests
def test_own_rules_that_satisfied_and_can_be_read_no_more_leave_it_to_behaviour(world: World, test_id: str) -> None:
    repository = clean(world.repository()).rule(OWN[test_id], value=1).rule("enforce_merge_checks")
    assert outcome(verdict(world, test_id)) == ENFORCED
    repository.rules_hidden()
    later(world, 1)
    assert outcome(verdict(world, test_id)) == CLEAN[test_id]


@pytest.mark.parametrize("test_id", [*TESTS, "branch_protection_enforced"])
@pytest.mark.parametrize(("days", "expected"), [(0, NO_LONGER), (1, ACCEPTED)])
def test_evidence_counts_from_the_day_after_the_reading_that_failed(
    world: World, test_id: str, days: int, expected: tuple[str, str | None, str]
) -> None:
    repository = world.repository()
    assert verdict(world, test_id)["status"] == "failing"
    repository.rules_hidden()
    later(world, 5)
    world.evidence(test_id, TODAY + timedelta(days=days), covers=["payments"], scope="repository")
    assert outcome(verdict(world, test_id)) == expected


@both_tests
def test_evidence_about_the_project_counts_only_where_no_pull_request_shows_its_rules(
    world: World, test_id: str
) -> None:
    repository = world.repository()
    world.evidence(test_id, TODAY - timedelta(days=7), covers=["payments"], scope="project", targets=["core"])
    assert outcome(verdict(world, test_id)) == ACCEPTED
    repository.checks()
    assert outcome(verdict(world, test_id)) == NO_RULE


# ------------------------------------------------------------------- default reviewers


@pytest.mark.parametrize(("names", "expected"), [(["bo"], IN_EFFECT), ([], NOBODY)])
def test_checks_that_default_reviewers_alone_satisfy_need_some(
    world: World, names: list[str], expected: tuple[str, str | None, str]
) -> None:
    world.repository().rules_hidden().checks((REVIEWERS, 1, True)).default_reviewers(*names)
    assert outcome(verdict(world, PEERS)) == expected


@pytest.mark.parametrize(("names", "expected"), [(["bo", "cy"], IN_EFFECT), (["bo"], NOBODY)])
def test_a_default_reviewer_whose_approvals_count_for_nothing_is_none(
    world: World, names: list[str], expected: tuple[str, str | None, str]
) -> None:
    world.member("bo", "712020:bo").thresholds(not_peers=["712020:bo"])
    world.repository().rules_hidden().checks((REVIEWERS, 1, True)).default_reviewers(*names)
    assert outcome(verdict(world, PEERS)) == expected


def test_own_rules_that_nobody_can_satisfy_leave_it_to_a_pull_request(world: World) -> None:
    def own(slug: str) -> Repository:
        repository = world.repository(slug).default_reviewers()
        return repository.rule("require_default_reviewer_approvals_to_merge", value=1).rule("enforce_merge_checks")

    own("nothing-open")
    own("same-there").checks((REVIEWERS, 1, True))
    own("approvals-there").checks((REVIEWERS, 1, True), (APPROVALS, 1, True))
    found = {slug: outcome(one) for slug, one in world.judge(PEERS).items()}
    assert found == {"nothing-open": NOBODY, "same-there": NOBODY, "approvals-there": IN_EFFECT}


def test_a_rule_about_default_reviewers_that_is_not_enforced_only_warns(world: World) -> None:
    world.repository("own").rule("require_default_reviewer_approvals_to_merge", value=1)
    world.repository("seen").rules_hidden().checks((REVIEWERS, 1, False))
    assert {outcome(one) for one in world.judge(PEERS).values()} == {ADVISORY}


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("failed", ("error", None, "extract_failed")),
        ("not_found", ("error", None, "extract_failed")),
        ("scope_missing", ("pending", None, "scope_missing")),
    ],
)
def test_default_reviewers_that_could_not_be_listed_leave_it_open(
    world: World, call: str, expected: tuple[str, str | None, str]
) -> None:
    repository = world.repository().rule("require_default_reviewer_approvals_to_merge", value=1)
    repository.rule("enforce_merge_checks").call("default_reviewers", call)
    found = verdict(world, PEERS)
    assert outcome(found) == expected
    if call != "scope_missing":
        assert "the default reviewers" in found["reason"]


# ------------------------------------------------------------------- around the rule


def test_a_merge_that_went_around_a_rule_in_force_fails_and_those_before_are_told(world: World) -> None:
    repository = world.repository().rule(OWN[PEERS], value=1).rule("enforce_merge_checks")
    repository.merged(1, age=5, approved_by=[])
    found = verdict(world, PEERS)
    assert outcome(found) == ENFORCED
    assert (found["detail"]["bypassed"], found["detail"]["merges_that_broke_the_rule"]) == (None, [1])
    repository.merged(2, updated_on=NOW + timedelta(days=2), approved_by=[])
    later(world, 3)
    found = verdict(world, PEERS)
    assert outcome(found) == ("failing", "behaviour", "enforced_but_bypassed")
    assert found["detail"]["bypassed"] == 1
    assert "#2" in found["reason"] and "#1" not in found["reason"]
    assert found["facts"] == {"pull_requests": [2]}
    later(world, 95)
    assert outcome(verdict(world, PEERS)) == ENFORCED, "it lies before the window"


def test_a_break_of_the_rule_begins_anew(world: World) -> None:
    repository = world.repository().rule(OWN[PEERS], value=1).rule("enforce_merge_checks")
    verdict(world, PEERS)
    removed = repository.restrictions.pop()
    later(world, 1)
    assert outcome(verdict(world, PEERS)) == ADVISORY
    repository.restrictions.append(removed)
    repository.merged(2, updated_on=NOW + timedelta(days=0.5), approved_by=[])
    later(world, 1)
    found = verdict(world, PEERS)
    assert outcome(found) == ENFORCED
    assert "#2" in found["reason"]


def test_neither_unreadable_rules_nor_other_thresholds_are_a_break(world: World) -> None:
    repository = world.repository().rule(OWN[PEERS], value=2).rule("enforce_merge_checks")
    verdict(world, PEERS)
    repository.rules_hidden()
    later(world, 1)
    verdict(world, PEERS)
    repository.call("branch_restrictions", "ok").restrictions[0]["value"] = 1
    world.thresholds(min_approvals=2)
    later(world, 1)
    assert outcome(verdict(world, PEERS)) == NO_RULE
    world.thresholds(min_approvals=1)
    repository.merged(2, updated_on=NOW + timedelta(days=0.5), approved_by=[])
    later(world, 1)
    assert verdict(world, PEERS)["reason_code"] == "enforced_but_bypassed"


@both_tests
@pytest.mark.parametrize(
    ("rules", "bypassable"), [(["push"], False), ([], True)],
)  # fmt: skip
def test_a_reason_says_whether_the_branch_can_be_pushed_to_past_pull_requests(
    world: World, test_id: str, rules: list[str], bypassable: bool
) -> None:
    repository = world.repository().rule(OWN[test_id], value=1).rule("enforce_merge_checks")
    for kind in rules:
        repository.rule(kind)
    found = verdict(world, test_id)
    assert found["detail"]["bypassable"] is bypassable
    assert ("without a pull request" in found["reason"]) is bypassable
    repository.rules_hidden()
    assert verdict(world, test_id)["detail"]["bypassable"] is None


# ------------------------------------------------------------------- nothing there yet


@pytest.mark.parametrize("test_id", [*TESTS, "branch_protection_enforced"])
def test_what_nobody_ever_pushed_to_has_nothing_to_protect(world: World, test_id: str) -> None:
    world.repository("empty").never_pushed_to()
    world.repository("hidden").never_pushed_to().rules_hidden()
    found = {outcome(one) for one in world.judge(test_id).values()}
    assert found == {EMPTY}


@pytest.mark.parametrize("test_id", [*TESTS, "branch_protection_enforced"])
def test_no_size_alone_is_not_empty(world: World, test_id: str) -> None:
    world.repository("branch-there").never_pushed_to().call("main_branch_ref", "ok")
    world.repository("size-grew").never_pushed_to().size = 7
    world.repository("gone").never_pushed_to().vanished()
    failed = world.repository("failed").never_pushed_to().call("main_branch_ref", "failed")
    found = world.judge(test_id)
    assert found["branch-there"]["basis"] == found["size-grew"]["basis"] == "configuration"
    assert found["gone"]["reason_code"] == found[failed.slug]["reason_code"] == "extract_failed"
    assert "the main branch" in found[failed.slug]["reason"]
