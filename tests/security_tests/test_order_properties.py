"""The order of rules, checks, evidence and merges for any repository, against a reading of it in a few lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.security_tests.builders import TODAY, UNREADABLE, Repository, World, days_ago
from tests.security_tests.test_properties import quick

BUILDS, PEERS = "status_checks_required", "peer_review_required"
OWN_KINDS = {
    BUILDS: {"require_passing_builds_to_merge"},
    PEERS: {"require_approvals_to_merge", "require_default_reviewer_approvals_to_merge"},
}
CHECK_KINDS = {
    BUILDS: {"minimum_successful_builds"},
    PEERS: {"minimum_approvals", "minimum_default_reviewer_approvals"},
}
REVIEWERS = {"require_default_reviewer_approvals_to_merge", "minimum_default_reviewer_approvals"}
AT_LEAST = 2
CAPTURED = TODAY - timedelta(days=10)


@dataclass
class Case:
    """A repository as it was made, for the reading below."""

    repository: Repository
    rules: list[tuple[str, str, int | None]] = field(default_factory=list)
    checks: list[tuple[str, int | None, bool]] | None = None
    reviewers: int | None = None
    bad_merges: list[float] = field(default_factory=list)
    good_merges: int = 0
    evidence: str | None = None


def any_case(random: Random, slug: str) -> Case:
    case = Case(Repository(slug))
    repository = case.repository
    for _ in range(random.randrange(4)):
        kind = random.choice([*OWN_KINDS[BUILDS], *OWN_KINDS[PEERS], "enforce_merge_checks", "enforce_merge_checks"])
        rule = (kind, random.choice(["main", "*", "develop"]), random.choice([None, 0, 1, 2, 2, 3]))
        case.rules.append(rule)
        repository.rule(kind, rule[1], value=rule[2])
    if random.random() < 0.5:
        kinds = sorted([*CHECK_KINDS[BUILDS], *CHECK_KINDS[PEERS], "resolved_tasks"])
        enforced = random.random() < 0.6
        case.checks = [(kind, random.choice([None, 0, 1, 2, 3]), enforced) for kind in random.sample(kinds, 3)]
        repository.checks(*case.checks)
    case.reviewers = random.choice([None, 0, 1])
    if case.reviewers is not None:
        repository.default_reviewers(*["bo"] * case.reviewers)
    if random.random() < 0.4:
        repository.rules_hidden(random.choice(UNREADABLE))
    if random.random() < 0.2:
        repository.call("pull_requests", "failed")
    case.good_merges = random.choice([0, 2, 3])
    for _ in range(case.good_merges):
        repository.merged(age=1, builds=["SUCCESSFUL"] * 2, approved_by=["bo", "cy"])
    case.bad_merges = [age for age in (2.0, 30.0) if random.random() < 0.25]
    for age in case.bad_merges:
        repository.merged(age=age, builds=["FAILED"], approved_by=[])
    case.evidence = random.choice([None, None, "project", "repository"])
    return case


def worth(asked: list[tuple[str, int, bool]], reviewers: int | None) -> str:
    """What requirements are worth: kind, how much, and whether it is enforced."""
    enough = [one for one in asked if one[1] >= AT_LEAST]
    enforced = {kind for kind, _, blocks in enough if blocks}
    if enforced:
        if enforced - REVIEWERS or reviewers:
            return "enforced"
        return "unknown" if reviewers is None else "nobody"
    return "advisory" if enough else "low" if any(count for _, count, _ in asked) else "none"


CODES = {"nobody": "no_default_reviewers", "advisory": "advisory_only", "unknown": "not_read_yet"}


def expected(case: Case, test_id: str) -> str:
    """Design §5, rules 2 to 4."""
    hidden = case.repository.outcomes["branch_restrictions"] in UNREADABLE
    listed = case.repository.outcomes["pull_requests"] == "ok"
    matching = [rule for rule in case.rules if rule[1] != "develop"]
    blocks = any(kind == "enforce_merge_checks" for kind, _, _ in matching)
    of_own = [(kind, value or 0, blocks) for kind, _, value in matching if kind in OWN_KINDS[test_id]]
    own = None if hidden else worth(of_own, case.reviewers)
    of_checks = [(kind, count or 0, on) for kind, count, on in case.checks or () if kind in CHECK_KINDS[test_id]]
    seen = worth(of_checks, case.reviewers) if case.checks is not None and listed else None
    if hidden and not listed:
        return "extract_failed"
    if "enforced" in (own, seen):
        return "rule_enforced" if own == "enforced" else "rule_in_effect"
    code = CODES.get("unknown" if own == "unknown" else seen or own or "", "no_matching_rule")
    if seen or (own and (own not in ("none", "advisory") or case.evidence != "project")):
        return code
    if own:
        broken_since = any(days_ago(age).date() >= CAPTURED for age in case.bad_merges)
        return "extract_failed" if not listed else code if broken_since else "evidence_accepted"
    return by_merges(case, test_id)


def by_merges(case: Case, test_id: str) -> str:
    """Rule 4, where nothing tells of any rules."""
    if case.bad_merges:
        return "merged_without_passing_build" if test_id == BUILDS else "merged_without_peer_approval"
    if case.evidence:
        return "evidence_accepted"
    if case.good_merges >= 3:
        return "merges_had_passing_builds" if test_id == BUILDS else "merges_had_peer_approval"
    return "too_few_merges"


@settings(quick, max_examples=4)
@given(st.randoms(use_true_random=True))
@pytest.mark.parametrize("test_id", [BUILDS, PEERS])
def test_the_order_is_as_the_design_reads(world: World, test_id: str, random: Random) -> None:
    from tests.security_tests.conftest import empty

    empty(world.database)
    world.thresholds(min_approvals=AT_LEAST, min_passing_builds=AT_LEAST)
    cases = {f"case-{number}": any_case(random, f"case-{number}") for number in range(60)}
    world.repositories[:] = [case.repository for case in cases.values()]
    for scope in ("project", "repository"):
        covered = [slug for slug, case in cases.items() if case.evidence == scope]
        world.evidence(test_id, CAPTURED, scope=scope, covers=covered, targets=["core"])
    found = {slug: verdict["reason_code"] for slug, verdict in world.judge(test_id).items()}
    assert found == {slug: expected(case, test_id) for slug, case in cases.items()}
