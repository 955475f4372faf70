"""What webhooks told of pushes to main branches, in tests 4 to 6."""

from __future__ import annotations

from typing import Any

import pytest

from tests.security_tests.builders import TODAY, Repository, World, days_ago, outcome

REVIEW, PROTECTION = "peer_review_required", "branch_protection_enforced"
MERGE = "abcdef012345"
PUSHED = ("failing", "behaviour", "pushed_past_pull_requests")
REWRITTEN = ("failing", "behaviour", "history_rewritten")


def reviewed(repository: Repository) -> Repository:
    return repository.rule("require_approvals_to_merge", value=1).rule("enforce_merge_checks")


def protected(repository: Repository) -> Repository:
    return repository.rule("push").rule("force").rule("delete")


def judged(world: World, test_id: str = REVIEW) -> dict[str, Any]:
    return world.judge(test_id)["payments"]


# ------------------------------------------------------------------------------------------ direct pushes


def test_a_push_of_a_merge_is_none_past_pull_requests(world: World) -> None:
    world.thresholds(direct_pushes="fail")
    reviewed(world.repository()).merged(merge_commit=MERGE)
    world.pushed(new=MERGE + "0" * 28)
    assert outcome(judged(world)) == ("passing", "configuration", "rule_enforced")


@pytest.mark.parametrize(("policy", "kind", "fails"), [
    ("fail", "user", True), ("fail", None, True), ("fail", "app_user", False), ("report", "user", False),
])  # fmt: skip
def test_a_push_past_pull_requests_by_a_person_fails_where_the_policy_says_so(
    world: World, policy: str, kind: str | None, fails: bool
) -> None:
    world.thresholds(direct_pushes=policy)
    reviewed(world.repository()).merged(merge_commit=MERGE)
    world.pushed(kind=kind)
    verdict = judged(world)
    assert outcome(verdict) == (PUSHED if fails else ("passing", "configuration", "rule_enforced"))
    assert [one["new"] for one in verdict["detail"]["direct_pushes_told"]] == ["f" * 40]
    assert ("ffffffffffff on 2026-03-30" in verdict["reason"]) is fails
    assert (verdict["facts"] == {"pushes": ["ffffffffffff on 2026-03-30"]}) is fails


def test_without_a_policy_it_is_told_alone(world: World) -> None:
    reviewed(world.repository())
    world.pushed()
    assert judged(world)["status"] == "passing"


@pytest.mark.parametrize("age", [-0.001, 90.01])
def test_a_push_counts_in_the_window_and_once_pull_requests_were_listed_since(world: World, age: float) -> None:
    """One after the listing, one before the window."""
    world.thresholds(direct_pushes="fail")
    reviewed(world.repository())
    world.pushed(age=age)
    verdict = judged(world)
    assert (verdict["status"], verdict["detail"]["direct_pushes_told"]) == ("passing", [])


def test_a_push_is_judged_after_unapproved_merges_and_before_evidence(world: World) -> None:
    world.thresholds(direct_pushes="fail")
    world.repository().rules_hidden()
    world.repository("broken").rules_hidden().merged(5, approved_by=[])
    world.pushed().pushed("broken").evidence(REVIEW, TODAY, covers=["payments", "broken"])
    found = {slug: verdict["reason_code"] for slug, verdict in world.judge(REVIEW).items()}
    assert found == {"payments": "pushed_past_pull_requests", "broken": "merged_without_peer_approval"}


@pytest.mark.parametrize("test_id", [REVIEW, "status_checks_required", PROTECTION])
def test_the_count_is_null_unless_a_webhook_told_of_every_push_in_the_window(world: World, test_id: str) -> None:
    world.repository().rules_hidden()

    def count() -> int | None:
        counted: int | None = judged(world, test_id)["detail"]["direct_pushes"]
        return counted

    assert count() is None, "no webhook"
    world.watched(days_ago(100))
    assert count() is None, "the repository was not known in the whole window"
    world.first_seen(days_ago(120))
    assert count() == 0
    world.pushed()
    assert count() == 1
    world.database.execute("UPDATE integration.webhooks SET registered_at = %s", (days_ago(80),))
    assert count() is None, "registered in the window"
    world.database.execute("UPDATE integration.webhooks SET registered_at = %s, state = 'disabled'", (days_ago(100),))
    assert count() is None, "switched off"
    world.database.execute("UPDATE integration.webhooks SET state = 'active', events = '{pullrequest:fulfilled}'")
    assert count() is None, "not subscribed"
    world.database.execute("UPDATE integration.webhooks SET events = '{repo:push}'")
    assert count() == 1
    world.database.execute(
        "INSERT INTO integration.webhook_gaps (workspace, kind, repository_id, object_key, changed_at, run_id)"
        " VALUES ('acme', 'pull_request', 'other', '1', %s, 'r')",
        (days_ago(10),),
    )
    assert count() is None, "something was never announced"


def test_the_count_is_null_where_pull_requests_can_not_be_listed(world: World) -> None:
    world.repository().rules_hidden().call("pull_requests", "scope_missing")
    judged(world)
    world.watched(days_ago(100)).first_seen(days_ago(120)).pushed()
    assert judged(world)["detail"]["direct_pushes"] is None


# ------------------------------------------------------------------------------------- rewritten history


@pytest.mark.parametrize("how", [{"forced": True}, {"removed": True}, {"forced": True, "kind": "app_user"}])
def test_rewritten_history_fails_also_where_the_configuration_passes(world: World, how: dict[str, Any]) -> None:
    protected(world.repository())
    assert judged(world, PROTECTION)["status"] == "passing"
    world.pushed(**how)
    verdict = judged(world, PROTECTION)
    assert outcome(verdict) == REWRITTEN
    assert "2026-03-30" in verdict["reason"]


def test_rewritten_history_stands_before_evidence_where_rules_can_not_be_read(world: World) -> None:
    world.repository().rules_hidden()
    world.evidence(PROTECTION, TODAY, covers=["payments"])
    assert judged(world, PROTECTION)["status"] == "passing"
    world.pushed(age=40, forced=True)
    assert outcome(judged(world, PROTECTION)) == REWRITTEN


@pytest.mark.parametrize(("age", "expected"), [(0, "missing_protection"), (40, "history_rewritten")])
def test_rewritten_history_contradicts_evidence_about_the_project(world: World, age: float, expected: str) -> None:
    world.repository().rule("push").rule("force")
    world.evidence(PROTECTION, TODAY, scope="project", workspace="acme", covers=["payments"], targets=["core"])
    assert judged(world, PROTECTION)["reason_code"] == "evidence_accepted"
    world.pushed(age=age, forced=True)
    assert judged(world, PROTECTION)["reason_code"] == expected


def test_a_missing_protection_stays_one(world: World) -> None:
    world.repository().rule("push")
    world.pushed(forced=True)
    assert judged(world, PROTECTION)["reason_code"] == "missing_protection"


def test_a_plain_push_rewrites_nothing_and_none_told_proves_nothing(world: World) -> None:
    world.repository().rules_hidden("scope_missing")
    world.watched(days_ago(100)).pushed()
    assert outcome(judged(world, PROTECTION)) == ("pending", None, "scope_missing")
    protected(world.repository("other"))
    world.pushed("other", age=91, forced=True)
    assert world.judge(PROTECTION)["other"]["status"] == "passing", "before the window"
