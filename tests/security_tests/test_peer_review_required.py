"""Rules of peer_review_required; those it shares with status_checks_required come from ``merge_rules``."""

from __future__ import annotations

import pytest

from tests.security_tests.builders import World, outcome
from tests.security_tests.merge_rules import TOO_FEW, BehaviourRules, ConfigurationRules, MergeTest

REVIEWS = MergeTest(
    test_id="peer_review_required",
    kind="require_approvals_to_merge",
    minimum="min_approvals",
    good={"approved_by": ["bo"]},
    bad={"approved_by": []},
    clean_code="merges_had_peer_approval",
    broken_code="merged_without_peer_approval",
)


class TestConfiguration(ConfigurationRules):
    merge = REVIEWS

    @pytest.mark.parametrize(
        "kind", ["require_default_reviewer_approvals_to_merge", "require_review_group_approvals_to_merge"]
    )
    def test_approvals_of_default_reviewers_or_of_a_review_group_count_as_well(self, world: World, kind: str) -> None:
        world.repository("enforced").rule(kind, value=1).rule("enforce_merge_checks").default_reviewers("bo")
        world.repository("advisory").rule(kind, value=1)
        found = {slug: verdict["reason_code"] for slug, verdict in world.judge(self.merge.test_id).items()}
        assert found == {"enforced": "rule_enforced", "advisory": "advisory_only"}

    def test_approvals_asked_for_by_different_rules_are_not_added_up(self, world: World) -> None:
        world.thresholds(min_approvals=2)
        repository = world.repository().rule("enforce_merge_checks").rule("require_approvals_to_merge", value=1)
        repository.rule("require_default_reviewer_approvals_to_merge", value=1)
        assert self.merge.judged(world)["reason_code"] == "no_matching_rule"

    @pytest.mark.parametrize(
        "kind", ["require_passing_builds_to_merge", "require_no_changes_requested", "restrict_merges"]
    )
    def test_rules_about_other_things_than_approvals_do_not_count(self, world: World, kind: str) -> None:
        world.repository().rule(kind, value=5).rule("enforce_merge_checks")
        assert self.merge.judged(world)["reason_code"] == "no_matching_rule"


class TestBehaviour(BehaviourRules):
    merge = REVIEWS

    def broken_by(self, world: World, **more: object) -> bool:
        self.hidden(world).merged(**more)  # type: ignore[arg-type]
        return self.merge.judged(world)["reason_code"] == self.merge.broken_code

    def test_the_authors_own_approval_does_not_count(self, world: World) -> None:
        assert self.broken_by(world, author="ada", approved_by=["ada"])

    def test_a_peers_approval_counts_beside_the_authors_own(self, world: World) -> None:
        assert not self.broken_by(world, author="ada", approved_by=["ada", "bo"])

    def test_an_apps_approval_does_not_count(self, world: World) -> None:
        assert self.broken_by(world, approved_by=[], approved_by_apps=["bot"])

    def test_a_person_beside_an_app_counts(self, world: World) -> None:
        assert not self.broken_by(world, approved_by=["bo"], approved_by_apps=["bot"])

    def test_a_participant_who_did_not_approve_does_not_count(self, world: World) -> None:
        assert self.broken_by(world, approved_by=[], looked_at_by=["bo", "cy"])

    def test_one_approval_of_a_peer_is_enough_for_behaviour_whatever_number_rules_must_ask_for(
        self, world: World
    ) -> None:
        world.thresholds(min_approvals=2)
        assert not self.broken_by(world, approved_by=["bo"])

    def test_every_merge_of_the_window_is_looked_at_not_only_a_sample(self, world: World) -> None:
        repository = self.hidden(world)
        for number in range(1, 31):
            repository.merged(number, age=number, approved_by=["bo"])
        repository.merged(31, age=80, approved_by=[])
        verdict = self.merge.judged(world)
        assert outcome(verdict) == self.merge.broken
        assert verdict["facts"] == {"pull_requests": [31]}
        assert verdict["detail"]["merges_looked_at"] == 31

    def test_the_newest_broken_merges_are_named_first_and_the_rest_are_counted(self, world: World) -> None:
        repository = self.hidden(world)
        for number in range(1, 8):
            repository.merged(number, age=number, approved_by=[])
        verdict = self.merge.judged(world)
        assert "#1, #2, #3, #4, #5 and 2 more" in verdict["reason"]
        assert verdict["facts"] == {"pull_requests": [1, 2, 3, 4, 5, 6, 7]}

    def test_configured_but_bypassed_passes_and_says_so(self, world: World) -> None:
        self.merge.require(world.repository()).rule("enforce_merge_checks").merged(7, approved_by=[]).merged(8)
        verdict = self.merge.judged(world)
        assert outcome(verdict) == ("passing", "configuration", "rule_enforced")
        assert verdict["detail"]["merges_that_broke_the_rule"] == [7]
        assert "#7" in verdict["reason"]

    def test_builds_are_nothing_to_this_test(self, world: World) -> None:
        self.hidden(world).merged(builds=["FAILED"]).call("pull_request_statuses", "failed")
        assert outcome(self.merge.judged(world)) == TOO_FEW

    def test_participants_that_are_not_there_are_no_approvals(self, world: World) -> None:
        self.hidden(world).merged(5)
        world.repositories[0].pull_requests[0]["participants"] = None
        assert outcome(self.merge.judged(world)) == self.merge.broken
