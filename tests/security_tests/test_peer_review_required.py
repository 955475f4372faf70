"""Rules of peer_review_required; those it shares with status_checks_required come from ``merge_rules``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.security_tests.builders import World, identity, outcome
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
UNDECIDED = ("pending", None, "merges_undecided")


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

    @pytest.mark.parametrize(("peers", "broken"), [(["bo"], True), (["ada", "bo"], True), (["bo", "cy"], False)])
    def test_behaviour_asks_for_as_many_peers_as_rules_must(self, world: World, peers: list[str], broken: bool) -> None:
        world.thresholds(min_approvals=2)
        assert self.broken_by(world, author="ada", approved_by=peers) is broken

    @pytest.mark.parametrize(("named", "broken"), [
        ("712020:bo", True), ("712020:BO", True), (identity("bo"), True), (identity("bo").strip("{}").upper(), True),
        ("bo", True), ("712020:cy", False), (identity("cy"), False),
    ])  # fmt: skip
    def test_approvals_of_accounts_that_are_no_peers_count_for_nothing(
        self, world: World, named: str, broken: bool
    ) -> None:
        world.member("bo", "712020:bo").thresholds(not_peers=[named])
        assert self.broken_by(world, approved_by=["bo"]) is broken

    def test_an_account_that_left_the_workspace_is_still_no_peer(self, world: World) -> None:
        world.thresholds(not_peers=["712020:bo"])
        assert self.broken_by(world, approved_by=["bo"])

    @pytest.mark.parametrize(("merge", "expected"), [
        ({"approved_by": [], "approved_by_deleted": 1}, UNDECIDED),
        ({"approved_by": ["ada"], "approved_by_deleted": 1}, UNDECIDED),
        ({"approved_by": ["bo"], "approved_by_deleted": 1}, REVIEWS.clean),
        ({"approved_by": [], "approved_by_deleted": 0}, REVIEWS.broken),
    ])  # fmt: skip
    def test_an_approval_of_a_deleted_account_is_neither_an_approval_nor_none(
        self, world: World, merge: dict[str, Any], expected: tuple[str, str | None, str]
    ) -> None:
        self.hidden(world).merged().merged().merged().merged(9, **merge)
        verdict = self.merge.judged(world)
        assert outcome(verdict) == expected
        if expected == UNDECIDED:
            assert "#9" in verdict["reason"] and verdict["facts"] == {"pull_requests": [9]}

    def test_approvals_of_deleted_accounts_are_counted_beside_those_of_peers(self, world: World) -> None:
        world.thresholds(min_approvals=3, behaviour_min_sample=1)
        repository = self.hidden(world).merged(1, approved_by=["bo"], approved_by_deleted=2)
        assert outcome(self.merge.judged(world)) == UNDECIDED
        repository.merged(2, approved_by=["bo"], approved_by_deleted=1)
        assert self.merge.judged(world)["facts"] == {"pull_requests": [2]}

    @pytest.mark.parametrize("user", [{}, {"uuid": identity("bo")}, {"type": "user"}, {"type": "user", "uuid": None}])
    def test_an_approval_of_somebody_unknown_is_neither_an_approval_nor_none(
        self, world: World, user: dict[str, str]
    ) -> None:
        self.hidden(world).merged(9, approved_by=[])
        world.repositories[0].pull_requests[0]["participants"] = [{"approved": True, "user": user}]
        assert outcome(self.merge.judged(world)) == UNDECIDED

    def test_a_broken_rule_fails_beside_a_merge_that_is_undecided(self, world: World) -> None:
        self.hidden(world).merged(1, approved_by=[], approved_by_deleted=1).merged(2, approved_by=[])
        assert self.merge.judged(world)["facts"] == {"pull_requests": [2]}

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

    @pytest.mark.parametrize("missing", [False, True])
    def test_participants_that_were_not_sent_are_an_error_and_none_are_nobody(
        self, world: World, missing: bool
    ) -> None:
        self.hidden(world).merged().merged().merged().merged(9, approved_by=[])
        body = world.repositories[0].pull_requests[-1]
        if missing:
            body.pop("participants")
        else:
            body["participants"] = None
        verdict = self.merge.judged(world)
        assert outcome(verdict) == ("error", None, "extract_failed")
        assert "took part" in verdict["reason"]
        body["participants"] = []
        assert outcome(self.merge.judged(world)) == self.merge.broken

    def test_participants_that_were_not_sent_do_not_matter_where_rules_decide_nor_of_other_branches(
        self, world: World
    ) -> None:
        self.merge.require(world.repository("ruled")).rule("enforce_merge_checks").merged()
        other = self.hidden(world, "other").merged().merged().merged().merged(into="develop")
        for repository in world.repositories:
            repository.pull_requests[-1].pop("participants")
        found = {slug: verdict["reason_code"] for slug, verdict in world.judge(self.merge.test_id).items()}
        assert found == {"ruled": "rule_enforced", other.slug: self.merge.clean_code}

    def test_participants_that_were_not_sent_are_nothing_to_the_test_of_builds(self, world: World) -> None:
        self.hidden(world)
        for _ in range(3):
            world.repositories[0].merged(builds=["SUCCESSFUL"])
        for body in world.repositories[0].pull_requests:
            body.pop("participants")
        assert world.judge("status_checks_required")["payments"]["status"] == "passing"
