"""Rules of status_checks_required; those it shares with peer_review_required come from ``merge_rules``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.security_tests.builders import UNREADABLE, World, days_ago, outcome
from tests.security_tests.merge_rules import TOO_FEW, BehaviourRules, ConfigurationRules, MergeTest

BUILDS = MergeTest(
    test_id="status_checks_required",
    kind="require_passing_builds_to_merge",
    minimum="min_passing_builds",
    good={"builds": ["SUCCESSFUL"]},
    bad={"builds": ["FAILED"]},
    clean_code="merges_had_passing_builds",
    broken_code="merged_without_passing_build",
)


class TestConfiguration(ConfigurationRules):
    merge = BUILDS

    @pytest.mark.parametrize("kind", ["require_approvals_to_merge", "require_tasks_to_be_completed", "push"])
    def test_rules_about_other_things_than_builds_do_not_count(self, world: World, kind: str) -> None:
        world.repository().rule(kind, value=5).rule("enforce_merge_checks")
        assert self.merge.judged(world)["reason_code"] == "no_matching_rule"


class TestBehaviour(BehaviourRules):
    merge = BUILDS

    @pytest.mark.parametrize(
        "statuses",
        [
            [],
            ["FAILED"],
            ["STOPPED"],
            ["SUCCESSFUL", "FAILED"],
            ["INPROGRESS", "FAILED"],
            ["INPROGRESS", "STOPPED"],
            ["successful"],
            ["SOMETHING NEW"],
        ],
    )
    def test_no_status_or_any_that_is_not_successful_breaks_the_rule(self, world: World, statuses: list[str]) -> None:
        self.hidden(world).merged(builds=statuses)
        assert outcome(self.merge.judged(world)) == self.merge.broken

    @pytest.mark.parametrize(("days", "expected"), [
        (1.0, ("pending", None, "too_few_merges")), (1.99, ("pending", None, "too_few_merges")),
        (2.0, BUILDS.broken), (5.0, BUILDS.broken),
    ])  # fmt: skip
    def test_a_build_may_be_under_way_for_two_days_from_the_merge(
        self, world: World, days: float, expected: tuple[str, str | None, str]
    ) -> None:
        repository = self.hidden(world).merged(1, age=days, builds=["INPROGRESS", "SUCCESSFUL"])
        repository.merged(2, age=80, builds=["SUCCESSFUL"]).merged(3, age=80, builds=["SUCCESSFUL"])
        assert outcome(self.merge.judged(world)) == expected

    def test_one_whose_build_is_under_way_makes_room_for_an_older_one(self, world: World) -> None:
        repository = self.hidden(world).merged(1, age=1, builds=["INPROGRESS"])
        for number in range(2, 6):
            repository.merged(number, age=number, builds=["SUCCESSFUL"])
        repository.merged(6, age=6, builds=["FAILED"])
        assert self.merge.judged(world)["facts"] == {"pull_requests": [6]}

    @pytest.mark.parametrize(("minimum", "builds", "expected"), [
        (2, ["SUCCESSFUL"], BUILDS.broken), (2, ["SUCCESSFUL", "SUCCESSFUL"], BUILDS.clean),
        (2, ["INPROGRESS"], BUILDS.broken), (2, ["SUCCESSFUL", "SUCCESSFUL", "FAILED"], BUILDS.broken),
    ])  # fmt: skip
    def test_as_many_builds_are_asked_for_as_rules_must_ask_for(
        self, world: World, minimum: int, builds: list[str], expected: tuple[str, str | None, str]
    ) -> None:
        world.thresholds(min_passing_builds=minimum, behaviour_min_sample=1)
        self.hidden(world).merged(builds=builds)
        assert outcome(self.merge.judged(world)) == expected

    @pytest.mark.parametrize(("statuses", "expected"), [
        ([("a", "SUCCESSFUL", 1), ("a", "FAILED", 2)], BUILDS.clean),
        ([("a", "FAILED", 1), ("a", "SUCCESSFUL", 2)], BUILDS.broken),
        ([("a", "SUCCESSFUL", 1), ("b", "FAILED", 2)], BUILDS.broken),
        ([("a", "SUCCESSFUL", 1), ("b", "FAILED", -1)], BUILDS.clean),
        ([("a", "FAILED", 1), ("a", "SUCCESSFUL", -1)], BUILDS.broken),
        ([("a", "SUCCESSFUL", -1)], BUILDS.broken),
        ([("a", "SUCCESSFUL", 0)], BUILDS.clean),
    ])  # fmt: skip
    def test_of_each_key_the_newest_status_counts_that_was_created_before_the_merge(
        self, world: World, statuses: list[tuple[str, str, int]], expected: tuple[str, str | None, str]
    ) -> None:
        """Hours before the merge."""
        world.thresholds(behaviour_min_sample=1)
        merged = days_ago(3)
        built: list[Any] = [
            {"key": key, "state": state, "created_on": (merged - timedelta(hours=hours)).isoformat()}
            for key, state, hours in statuses
        ]
        self.hidden(world).merged(updated_on=merged, builds=built)
        assert outcome(self.merge.judged(world)) == expected

    def test_several_successful_statuses_are_fine(self, world: World) -> None:
        repository = self.hidden(world)
        for _ in range(3):
            repository.merged(builds=["SUCCESSFUL", "SUCCESSFUL"])
        assert outcome(self.merge.judged(world)) == self.merge.clean

    def test_only_the_newest_five_are_looked_at(self, world: World) -> None:
        repository = self.hidden(world)
        for number in range(1, 6):
            repository.merged(number, age=number, builds=["SUCCESSFUL"])
        repository.merged(6, age=6, builds=["FAILED"])
        verdict = self.merge.judged(world)
        assert outcome(verdict) == self.merge.clean
        assert verdict["detail"]["merges_looked_at"] == 5

    def test_the_sample_is_policy(self, world: World) -> None:
        repository = self.hidden(world)
        for number in range(1, 6):
            repository.merged(number, age=number, builds=["SUCCESSFUL"])
        repository.merged(6, age=6, builds=["FAILED"])
        world.thresholds(behaviour_sample=6)
        assert outcome(self.merge.judged(world)) == self.merge.broken

    def test_newest_means_by_updated_on_not_by_number(self, world: World) -> None:
        repository = self.hidden(world)
        repository.merged(1, age=0.5, builds=["FAILED"])
        for number in range(100, 106):
            repository.merged(number, age=number, builds=["SUCCESSFUL"])
        world.thresholds(behaviour_window_days=365)
        assert self.merge.judged(world)["facts"] == {"pull_requests": [1]}

    def test_builds_that_nobody_had_to_ask_for_behind_a_broken_one_do_not_matter(self, world: World) -> None:
        repository = self.hidden(world).merged(9, age=1, builds=["FAILED"])
        for number in range(1, 5):
            repository.merged(number, age=10 + number, builds=None)
        assert self.merge.judged(world)["facts"] == {"pull_requests": [9]}

    def test_builds_learnt_in_an_earlier_run_count_without_being_asked_for_again(self, world: World) -> None:
        repository = self.hidden(world)
        for _ in range(3):
            repository.merged(builds=["SUCCESSFUL"])
        assert outcome(self.merge.judged(world)) == self.merge.clean
        repository.builds.clear()
        assert outcome(self.merge.judged(world)) == self.merge.clean

    @pytest.mark.parametrize("failure", ["failed", "not_found"])
    def test_builds_that_could_not_be_read_are_an_error_that_names_the_call(self, world: World, failure: str) -> None:
        repository = self.hidden(world).call("pull_request_statuses", failure)
        for age in (1, 2, 3):
            repository.merged(age=age, builds=None if age == 1 else ["SUCCESSFUL"])
        verdict = self.merge.judged(world)
        assert outcome(verdict) == ("error", None, "extract_failed")
        assert "build statuses" in verdict["reason"]

    @pytest.mark.parametrize("hidden", UNREADABLE)
    def test_builds_that_may_not_be_read_are_pending_not_an_error(self, world: World, hidden: str) -> None:
        repository = self.hidden(world).call("pull_request_statuses", hidden)
        for _ in range(3):
            repository.merged(builds=None)
        assert outcome(self.merge.judged(world)) == ("pending", None, hidden)

    def test_a_failed_call_for_builds_does_not_matter_where_configuration_decides(self, world: World) -> None:
        self.merge.require(world.repository()).rule("enforce_merge_checks").merged().call(
            "pull_request_statuses", "failed"
        )
        assert self.merge.judged(world)["reason_code"] == "rule_enforced"

    def test_a_peers_approval_is_nothing_to_this_test(self, world: World) -> None:
        self.hidden(world).merged(builds=["SUCCESSFUL"], approved_by=())
        assert outcome(self.merge.judged(world)) == TOO_FEW

    def test_pull_requests_of_the_same_instant_are_ordered_by_number(self, world: World) -> None:
        repository = self.hidden(world)
        for number in range(1, 7):
            repository.merged(number, updated_on=days_ago(1), builds=["FAILED"] if number == 1 else ["SUCCESSFUL"])
        assert outcome(self.merge.judged(world)) == self.merge.clean
