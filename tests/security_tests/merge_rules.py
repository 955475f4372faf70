"""Rules that tests 4 and 5 share; their files import what holds for both, with what differs as a ``MergeTest``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.security_tests.builders import UNREADABLE, Repository, World, days_ago, outcome

ENFORCED = ("passing", "configuration", "rule_enforced")
ADVISORY = ("failing", "configuration", "advisory_only")
NO_RULE = ("failing", "configuration", "no_matching_rule")

# Main branch, pattern, whether it matches.
GLOBS = [
    ("main", "*", True), ("main", "m*n", True), ("main", "main", True), ("main", "Main", False),
    ("main", "mai", False), ("main", "mai?", False), ("main", "", False), ("main", "m_in", False),
    ("main", "m%", False), ("release/2026/q1", "release/*", True), ("release/2026/q1", "*q1", True),
    ("release/2026/q1", "release/*/q1", True), ("release/2026/q1", "release/**", True),
    ("a\\b", "a\\b", True), ("a\\b", "a\\*", True), ("100%", "100%", True), ("100x", "100%", False),
    ("[ab]", "[ab]", True), ("a", "[ab]", False), ("main", " main ", False),
]  # fmt: skip

# Branch type of a rule, effective branching model, whether the rule matches the branch "main".
MODELS: list[tuple[str, dict[str, Any], bool]] = [
    ("production", {"production": {"name": "main", "use_mainbranch": False}}, True),
    ("production", {"production": {"name": None, "use_mainbranch": True}}, True),
    ("production", {"production": {"name": "live", "use_mainbranch": False}}, False),
    ("production", {"development": {"name": "main", "use_mainbranch": True}}, False),
    ("production", {}, False),
    ("development", {"development": {"name": "main", "use_mainbranch": False}}, True),
    ("development", {"development": {"name": None, "use_mainbranch": True}}, True),
    ("development", {"development": {"name": "develop", "use_mainbranch": False}}, False),
    ("feature", {"branch_types": [{"kind": "feature", "prefix": "ma"}]}, True),
    ("feature", {"branch_types": [{"kind": "feature", "prefix": "feature/"}]}, False),
    ("feature", {"branch_types": [{"kind": "bugfix", "prefix": "ma"}]}, False),
    ("feature", {"branch_types": [{"kind": "feature", "prefix": "in"}]}, False),
    ("release", {"branch_types": [{"kind": "bugfix", "prefix": "x"}, {"kind": "release", "prefix": "m"}]}, True),
]


@dataclass(frozen=True)
class MergeTest:
    """What tells tests 4 and 5 apart."""

    test_id: str
    kind: str
    minimum: str
    good: dict[str, Any]
    bad: dict[str, Any]
    clean_code: str
    broken_code: str

    def judged(self, world: World, slug: str = "payments") -> dict[str, Any]:
        return world.judge(self.test_id)[slug]

    def require(self, repository: Repository, value: int | None = 1, pattern: str = "main") -> Repository:
        return repository.rule(self.kind, pattern, value=value)

    @property
    def clean(self) -> tuple[str, str, str]:
        return ("passing", "behaviour", self.clean_code)

    @property
    def broken(self) -> tuple[str, str, str]:
        return ("failing", "behaviour", self.broken_code)


TOO_FEW = ("pending", None, "too_few_merges")


class ConfigurationRules:
    """Configuration: the rule with enough value, and something that enforces it."""

    merge: MergeTest

    def test_a_matching_rule_that_is_enforced_passes(self, world: World) -> None:
        self.merge.require(world.repository()).rule("enforce_merge_checks")
        assert outcome(self.merge.judged(world)) == ENFORCED

    def test_a_rule_that_nothing_enforces_is_advisory_only(self, world: World) -> None:
        self.merge.require(world.repository())
        assert outcome(self.merge.judged(world)) == ADVISORY

    def test_a_rule_enforced_on_another_branch_only_is_advisory_only(self, world: World) -> None:
        self.merge.require(world.repository()).rule("enforce_merge_checks", "release/*")
        assert outcome(self.merge.judged(world)) == ADVISORY

    def test_enforcement_without_a_rule_is_no_matching_rule(self, world: World) -> None:
        world.repository().rule("enforce_merge_checks")
        assert outcome(self.merge.judged(world)) == NO_RULE

    def test_a_rule_on_another_branch_is_no_matching_rule(self, world: World) -> None:
        self.merge.require(world.repository(), pattern="develop").rule("enforce_merge_checks")
        assert outcome(self.merge.judged(world)) == NO_RULE

    def test_no_rule_at_all_is_no_matching_rule(self, world: World) -> None:
        world.repository()
        assert outcome(self.merge.judged(world)) == NO_RULE

    @pytest.mark.parametrize(("minimum", "value", "expected"), [
        (1, 0, NO_RULE), (1, 1, ENFORCED), (1, None, NO_RULE), (2, 1, NO_RULE), (2, 2, ENFORCED), (2, 9, ENFORCED),
    ])  # fmt: skip
    def test_the_value_must_reach_what_the_policy_asks_for(
        self, world: World, minimum: int, value: int | None, expected: tuple[str, str, str]
    ) -> None:
        world.thresholds(**{self.merge.minimum: minimum})
        self.merge.require(world.repository(), value).rule("enforce_merge_checks")
        assert outcome(self.merge.judged(world)) == expected

    def test_the_strictest_of_several_rules_counts_and_a_weak_one_does_no_harm(self, world: World) -> None:
        world.thresholds(**{self.merge.minimum: 2})
        repository = self.merge.require(world.repository(), 1, "*")
        self.merge.require(repository, 2, "main").rule("enforce_merge_checks")
        assert outcome(self.merge.judged(world)) == ENFORCED

    def test_only_the_star_is_special_and_it_matches_slashes_too(self, world: World) -> None:
        for number, (branch, pattern, _) in enumerate(GLOBS):
            repository = world.repository(f"glob-{number}", branch)
            self.merge.require(repository, pattern=pattern).rule("enforce_merge_checks", pattern)
        found = world.judge(self.merge.test_id)
        assert [outcome(found[f"glob-{number}"]) for number in range(len(GLOBS))] == [
            ENFORCED if matches else NO_RULE for _, _, matches in GLOBS
        ]

    def test_a_branching_model_rule_matches_by_name_main_branch_or_prefix(self, world: World) -> None:
        for number, (branch_type, model, _) in enumerate(MODELS):
            repository = world.repository(f"model-{number}").branching_model(**model)
            repository.model_rule(self.merge.kind, branch_type, value=1).rule("enforce_merge_checks")
        found = world.judge(self.merge.test_id)
        assert [outcome(found[f"model-{number}"]) for number in range(len(MODELS))] == [
            ENFORCED if matches else NO_RULE for _, _, matches in MODELS
        ]

    @pytest.mark.parametrize("failure", ["failed", "not_found"])
    def test_an_unread_branching_model_is_an_error_that_names_it_where_it_may_decide(
        self, world: World, failure: str
    ) -> None:
        repository = world.repository().call("effective_branching_model", failure).rule("enforce_merge_checks")
        repository.model_rule(self.merge.kind, "production", value=1)
        verdict = self.merge.judged(world)
        assert outcome(verdict) == ("error", None, "extract_failed")
        assert "branching model" in verdict["reason"]
        assert "branch restrictions" not in verdict["reason"]

    @pytest.mark.parametrize("hidden", UNREADABLE)
    def test_a_branching_model_that_may_decide_but_is_hidden_leaves_it_to_behaviour(
        self, world: World, hidden: str
    ) -> None:
        repository = world.repository().call("effective_branching_model", hidden).rule("enforce_merge_checks")
        repository.model_rule(self.merge.kind, "production", value=1).merged(**self.merge.bad)
        assert outcome(self.merge.judged(world)) == self.merge.broken

    def test_an_unread_branching_model_does_not_touch_what_globs_prove(self, world: World) -> None:
        repository = world.repository().call("effective_branching_model", "failed")
        self.merge.require(repository).rule("enforce_merge_checks")
        repository.model_rule(self.merge.kind, "production", value=9).model_rule("enforce_merge_checks", "development")
        assert outcome(self.merge.judged(world)) == ENFORCED

    def test_an_unread_branching_model_does_not_touch_advisory_only_where_it_holds_no_enforcement(
        self, world: World
    ) -> None:
        repository = self.merge.require(world.repository().call("effective_branching_model", "failed"))
        repository.model_rule(self.merge.kind, "production", value=9)
        assert outcome(self.merge.judged(world)) == ADVISORY

    def test_an_unread_branching_model_does_not_touch_no_matching_rule_where_it_holds_no_such_rule(
        self, world: World
    ) -> None:
        repository = world.repository().call("effective_branching_model", "failed")
        repository.model_rule("enforce_merge_checks", "production")
        repository.model_rule(self.merge.kind, "production", value=0)
        assert outcome(self.merge.judged(world)) == NO_RULE

    def test_an_unread_branching_model_of_other_kinds_does_not_matter(self, world: World) -> None:
        repository = world.repository().call("effective_branching_model", "failed").model_rule("push", "production")
        repository.model_rule("restrict_merges", "production")
        assert outcome(self.merge.judged(world)) == NO_RULE

    def test_unknown_kinds_of_restrictions_are_ignored(self, world: World) -> None:
        repository = self.merge.require(world.repository()).rule("enforce_merge_checks")
        repository.rule("require_blessing_to_merge", value=3).rule("'; DROP TABLE x; --").model_rule("new", "new")
        verdict = self.merge.judged(world)
        assert outcome(verdict) == ENFORCED
        assert len(verdict["facts"]["rules"]) == 2

    @pytest.mark.parametrize(("rules", "direct_push"), [
        ([("push", "main")], "restricted"), ([("push", "develop")], "unrestricted"), ([], "unrestricted"),
    ])  # fmt: skip
    def test_detail_says_whether_the_main_branch_can_be_pushed_to_directly(
        self, world: World, rules: list[tuple[str, str]], direct_push: str
    ) -> None:
        repository = world.repository()
        for kind, pattern in rules:
            repository.rule(kind, pattern)
        assert self.merge.judged(world)["detail"]["direct_push"] == direct_push

    def test_direct_push_is_unknown_where_the_rules_or_the_model_of_a_push_rule_can_not_be_read(
        self, world: World
    ) -> None:
        world.repository("hidden").rules_hidden()
        world.repository("unread").call("effective_branching_model", "failed").model_rule("push", "production")
        found = world.judge(self.merge.test_id)
        assert {verdict["detail"]["direct_push"] for verdict in found.values()} == {"unknown"}

    def test_facts_name_the_rules_and_nothing_else(self, world: World) -> None:
        repository = self.merge.require(world.repository(), pattern="ma*").rule("enforce_merge_checks")
        before = self.merge.judged(world)
        assert [rule["kind"] for rule in before["facts"]["rules"]] == [self.merge.kind, "enforce_merge_checks"]
        assert before["facts"]["rules"][0]["pattern"] == "ma*"
        repository.rule("push").rule("delete", "develop").merged(**self.merge.bad)
        repository.pipeline(created_on=days_ago(1))
        world.classify("repository", "payments", "production")
        assert self.merge.judged(world)["facts"] == before["facts"]

    def test_facts_do_not_depend_on_the_order_rules_come_in(self, world: World) -> None:
        repository = self.merge.require(world.repository()).rule("enforce_merge_checks")
        before = self.merge.judged(world)["facts"]
        repository.restrictions.reverse()
        assert self.merge.judged(world)["facts"] == before

    def test_facts_change_with_the_rule(self, world: World) -> None:
        repository = self.merge.require(world.repository()).rule("enforce_merge_checks")
        before = self.merge.judged(world)["facts"]
        repository.restrictions[0]["value"] = 2
        assert self.merge.judged(world)["facts"] != before


class BehaviourRules:
    """Behaviour: merged pull requests, where the configuration can't be read."""

    merge: MergeTest

    @staticmethod
    def hidden(world: World, slug: str = "payments") -> Repository:
        return world.repository(slug).rules_hidden()

    def test_a_clean_record_passes_from_the_minimum_sample_on(self, world: World) -> None:
        for merges in (0, 2, 3):
            repository = self.hidden(world, f"merges-{merges}")
            for _ in range(merges):
                repository.merged(**self.merge.good)
        found = {slug: outcome(verdict) for slug, verdict in world.judge(self.merge.test_id).items()}
        assert found == {"merges-0": TOO_FEW, "merges-2": TOO_FEW, "merges-3": self.merge.clean}

    def test_the_minimum_sample_is_policy(self, world: World) -> None:
        self.hidden(world).merged(**self.merge.good)
        world.thresholds(behaviour_min_sample=1)
        assert outcome(self.merge.judged(world)) == self.merge.clean

    def test_a_broken_rule_fails_at_any_sample_size_and_is_named(self, world: World) -> None:
        self.hidden(world).merged(41, **self.merge.bad)
        verdict = self.merge.judged(world)
        assert outcome(verdict) == self.merge.broken
        assert "#41" in verdict["reason"]
        assert verdict["facts"] == {"pull_requests": [41]}

    def test_one_broken_among_many_clean_ones_fails(self, world: World) -> None:
        repository = self.hidden(world)
        for number in (1, 2, 3, 4):
            repository.merged(number, age=number, **(self.merge.bad if number == 4 else self.merge.good))
        verdict = self.merge.judged(world)
        assert outcome(verdict) == self.merge.broken
        assert verdict["facts"] == {"pull_requests": [4]}

    @pytest.mark.parametrize(("age", "inside"), [(0.0, True), (89.99, True), (90.0, True), (90.0001, False)])
    def test_the_window_holds_ninety_days_its_first_instant_included(
        self, world: World, age: float, inside: bool
    ) -> None:
        self.hidden(world).merged(age=age, **self.merge.bad)
        assert outcome(self.merge.judged(world)) == (self.merge.broken if inside else TOO_FEW)

    def test_the_window_is_policy(self, world: World) -> None:
        self.hidden(world).merged(age=8, **self.merge.bad)
        world.thresholds(behaviour_window_days=7)
        assert outcome(self.merge.judged(world)) == TOO_FEW

    @pytest.mark.parametrize(("merged_on", "good", "expected"), [
        (None, False, "undecided"), (100, False, "too few"), (5, False, "broken"),
        (None, True, "too few"), (100, True, "too few"), (5, True, "clean"),
    ])  # fmt: skip
    def test_one_created_before_the_window_counts_when_it_is_known_to_be_merged_in_it(
        self, world: World, merged_on: int | None, good: bool, expected: str
    ) -> None:
        """Days ago, by its activity; None: it was not looked up."""
        repository = self.hidden(world).merged(**self.merge.good).merged(**self.merge.good)
        merge = self.merge.good if good else self.merge.bad
        repository.merged(9, age=2, created_on=days_ago(120), **merge)
        if merged_on is not None:
            repository.looked_up[9] = days_ago(merged_on)
        assert (
            outcome(self.merge.judged(world))
            == {
                "undecided": ("pending", None, "merges_undecided"),
                "too few": TOO_FEW,
                "broken": self.merge.broken,
                "clean": self.merge.clean,
            }[expected]
        )

    def test_a_clean_record_of_the_window_does_not_wait_for_old_ones_that_are_clean(self, world: World) -> None:
        repository = self.hidden(world).merged(9, age=2, created_on=days_ago(120), **self.merge.good)
        for _ in range(3):
            repository.merged(**self.merge.good)
        verdict = self.merge.judged(world)
        assert outcome(verdict) == self.merge.clean
        assert 9 not in verdict["detail"]["merges"]

    def test_an_activity_that_does_not_say_when_it_was_merged_decides_nothing(self, world: World) -> None:
        repository = self.hidden(world).merged(9, created_on=days_ago(120), **self.merge.bad)
        repository.looked_up[9] = None
        assert self.merge.judged(world)["reason_code"] == "merges_undecided"

    @pytest.mark.parametrize(("first", "then"), [(5, 0), (100, 1)])
    def test_a_later_comment_moves_no_merge(self, world: World, first: int, then: int) -> None:
        """Neither does it push a merge out of a sample, nor bring one back that left the window."""
        repository = self.hidden(world).merged(9, age=first, **self.merge.bad)
        world.thresholds(behaviour_window_days=200)
        assert outcome(self.merge.judged(world)) == self.merge.broken
        world.thresholds(behaviour_window_days=90)
        repository.pull_requests[0]["updated_on"] = days_ago(then).isoformat()
        repository.pull_requests[0]["created_on"] = days_ago(150 if first > 90 else first).isoformat()
        assert outcome(self.merge.judged(world)) == (self.merge.broken if first < 90 else TOO_FEW)

    def test_one_that_was_read_as_open_in_the_window_was_merged_in_it(self, world: World) -> None:
        repository = self.hidden(world).merged(9, created_on=days_ago(120), state="OPEN", **self.merge.bad)
        self.merge.judged(world)
        repository.pull_requests[0]["state"] = "MERGED"
        assert outcome(self.merge.judged(world)) == self.merge.broken

    @pytest.mark.parametrize("more", [
        {"into": "develop"}, {"into": "main2"}, {"into": "Main"}, {"into": None},
        {"state": "OPEN"}, {"state": "DECLINED"}, {"state": "SUPERSEDED"},
    ])  # fmt: skip
    def test_only_what_was_merged_into_the_main_branch_counts(self, world: World, more: dict[str, Any]) -> None:
        self.hidden(world).merged(**self.merge.bad, **more)
        assert outcome(self.merge.judged(world)) == TOO_FEW

    def test_detail_counts_the_merges_and_names_those_that_broke_the_rule(self, world: World) -> None:
        self.hidden(world).merged(1, age=2, **self.merge.good).merged(2, **self.merge.bad)
        detail = self.merge.judged(world)["detail"]
        assert (detail["merges_looked_at"], detail["merges_that_broke_the_rule"]) == (2, [2])
        assert detail["direct_push"] == "unknown"

    def test_unread_merges_are_null_in_detail_never_zero(self, world: World) -> None:
        self.hidden(world).merged(**self.merge.bad).call("pull_requests", "scope_missing")
        detail = self.merge.judged(world)["detail"]
        assert (detail["merges_looked_at"], detail["merges_that_broke_the_rule"]) == (None, None)

    def test_unread_rules_are_null_in_detail_never_none(self, world: World) -> None:
        self.hidden(world).merged(**self.merge.good)
        assert self.merge.judged(world)["detail"]["rules"] is None

    def test_more_clean_merges_change_no_facts(self, world: World) -> None:
        repository = self.hidden(world)
        for _ in range(3):
            repository.merged(**self.merge.good)
        before = self.merge.judged(world)
        repository.merged(**self.merge.good)
        after = self.merge.judged(world)
        assert outcome(before) == outcome(after) == self.merge.clean
        assert before["facts"] == after["facts"]

    def test_facts_of_a_broken_rule_do_not_change_with_what_did_not_break_it(self, world: World) -> None:
        repository = self.hidden(world).merged(9, age=5, **self.merge.bad)
        before = self.merge.judged(world)["facts"]
        repository.merged(1, age=6, **self.merge.good).merged(state="OPEN").pipeline(created_on=days_ago(1))
        world.member("Someone New").classify("repository", "payments", "production")
        assert self.merge.judged(world)["facts"] == before

    def test_merges_of_an_earlier_run_do_not_count_once_they_can_not_be_read(self, world: World) -> None:
        repository = self.hidden(world).merged(**self.merge.bad)
        assert outcome(self.merge.judged(world)) == self.merge.broken
        repository.call("pull_requests", "permission_missing")
        assert outcome(self.merge.judged(world)) == ("pending", None, "permission_missing")

    def test_the_reason_speaks_of_no_merges_that_were_not_read_in_this_run(self, world: World) -> None:
        repository = self.merge.require(world.repository()).rule("enforce_merge_checks").merged(41, **self.merge.bad)
        self.merge.judged(world)
        repository.call("pull_requests", "failed")
        verdict = self.merge.judged(world)
        assert outcome(verdict) == ENFORCED
        assert "#41" not in verdict["reason"]

    def test_a_lost_permission_never_turns_a_broken_rule_into_a_pass(self, world: World) -> None:
        repository = world.repository().merged(**self.merge.bad)
        assert self.merge.judged(world)["status"] == "failing"
        for outcome_of_rules in UNREADABLE:
            for outcome_of_merges in ("ok", "failed", *UNREADABLE):
                repository.rules_hidden(outcome_of_rules).call("pull_requests", outcome_of_merges)
                assert self.merge.judged(world)["status"] in ("failing", "pending", "error")
