"""Evidence as a basis of tests 4, 5, 6 and 8: what it decides, what goes before it, how long it holds."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.databases import unguarded
from tests.security_tests.builders import TODAY, UNREADABLE, Repository, World, outcome
from tests.security_tests.test_order_of_rules import (
    REPOSITORY_TESTS,
    configured,
    every_branch_test,
    every_test,
    misbehaved,
    well_behaved,
)

ACCEPTED = ("passing", "evidence", "evidence_accepted")
MERGE_TESTS = ("status_checks_required", "peer_review_required")
every_merge_test = pytest.mark.parametrize("test_id", MERGE_TESTS)
WEEK_AGO = TODAY - timedelta(days=7)


def shown(
    world: World,
    test_id: str,
    scope: str = "project",
    captured_on: date = WEEK_AGO,
    slug: str = "payments",
    **more: Any,
) -> str:
    """Accepted evidence about the project CORE (or the repository, or the workspace) that covers one repository."""
    targets = {"project": ["core"], "repository": [slug], "workspace": []}[scope]
    return world.evidence(test_id, captured_on, scope=scope, workspace="acme", covers=[slug], targets=targets, **more)


def judged(world: World, test_id: str, slug: str = "payments") -> dict[str, Any]:
    return world.judge(test_id)[slug]


# ------------------------------------------------------------------------ the configuration can be read


@every_branch_test
def test_without_a_rule_of_its_own_a_repository_may_inherit_one_that_evidence_shows(world: World, test_id: str) -> None:
    world.repository()
    evidence_id = shown(world, test_id)
    verdict = judged(world, test_id)
    assert outcome(verdict) == ACCEPTED
    assert verdict["facts"] == {"evidence_id": evidence_id}
    assert verdict["detail"]["evidence_id"] == evidence_id
    assert str(WEEK_AGO) in verdict["reason"]


@every_branch_test
@pytest.mark.parametrize("scope", ["repository", "workspace"])
def test_a_repository_whose_rules_can_be_read_is_shown_by_them_and_by_nothing_but_its_project(
    world: World, test_id: str, scope: str
) -> None:
    world.repository()
    shown(world, test_id, scope)
    assert judged(world, test_id)["status"] == "failing"


@every_branch_test
def test_configuration_that_passes_goes_before_evidence(world: World, test_id: str) -> None:
    configured(world.repository())
    shown(world, test_id)
    assert judged(world, test_id)["basis"] == "configuration"


def test_a_setting_that_can_be_read_goes_before_evidence(world: World) -> None:
    world.repository().config = {"enabled": False}
    shown(world, "pipelines_enabled")
    assert outcome(judged(world, "pipelines_enabled")) == ("failing", "configuration", "pipelines_disabled")


@pytest.mark.parametrize(
    ("test_id", "kind"),
    [
        ("status_checks_required", "require_passing_builds_to_merge"),
        ("peer_review_required", "require_default_reviewer_approvals_to_merge"),
    ],
)
@pytest.mark.parametrize(("value", "expected"), [(1, ("failing", "configuration", "no_matching_rule")), (2, ACCEPTED)])
def test_evidence_mends_a_rule_of_its_own_that_only_warns_and_none_that_asks_for_too_little(
    world: World, test_id: str, kind: str, value: int, expected: tuple[str, str, str]
) -> None:
    world.thresholds(min_passing_builds=2, min_approvals=2).repository().rule(kind, value=value)
    shown(world, test_id)
    assert outcome(judged(world, test_id)) == expected


def test_protections_that_the_repository_lacks_may_be_its_projects(world: World) -> None:
    world.repository().rule("push")
    shown(world, "branch_protection_enforced")
    assert outcome(judged(world, "branch_protection_enforced")) == ACCEPTED


@every_merge_test
@pytest.mark.parametrize(("days_after", "expected"), [(-1, "passing"), (0, "failing"), (2, "failing")])
def test_a_merge_that_breaks_the_rule_since_the_day_of_capture_beats_the_evidence(
    world: World, test_id: str, days_after: int, expected: str
) -> None:
    age = 7 - days_after
    world.repository().merged(3, age=age, builds=["FAILED"], approved_by=()).merged(4, age=1, builds=["SUCCESSFUL"])
    shown(world, test_id)
    verdict = judged(world, test_id)
    assert verdict["status"] == expected
    if expected == "failing":
        assert verdict["basis"] == "configuration"
        assert "#3" in verdict["reason"] and str(WEEK_AGO) in verdict["reason"]


def test_builds_of_merges_since_the_capture_have_to_be_known(world: World) -> None:
    world.repository().merged(3, age=9).merged(4, age=2)
    shown(world, "status_checks_required")
    assert outcome(judged(world, "status_checks_required")) == ("pending", None, "not_read_yet")


def test_builds_of_merges_before_the_capture_need_not_be_known(world: World) -> None:
    world.repository().merged(3, age=9)
    shown(world, "status_checks_required")
    assert outcome(judged(world, "status_checks_required")) == ACCEPTED


@every_merge_test
@pytest.mark.parametrize("failed", ["failed", "not_found"])
def test_merges_that_could_not_be_read_may_have_broken_the_rule(world: World, test_id: str, failed: str) -> None:
    world.repository().call("pull_requests", failed)
    shown(world, test_id)
    assert outcome(judged(world, test_id)) == ("error", None, "extract_failed")


@every_branch_test
def test_a_repository_that_moved_to_another_project_has_left_what_was_shown(world: World, test_id: str) -> None:
    world.repository(project="OTHER")
    shown(world, test_id)
    assert judged(world, test_id)["status"] == "failing"


# --------------------------------------------------------------------- the configuration can't be read


@every_test
@pytest.mark.parametrize("scope", ["repository", "project", "workspace"])
@pytest.mark.parametrize("unreadable", UNREADABLE)
def test_where_the_rules_cant_be_read_evidence_of_any_scope_decides(
    world: World, test_id: str, scope: str, unreadable: str
) -> None:
    world.repository().rules_hidden(unreadable)
    evidence_id = shown(world, test_id, scope)
    verdict = judged(world, test_id)
    assert outcome(verdict) == ACCEPTED
    assert verdict["facts"] == {"evidence_id": evidence_id}


@every_merge_test
def test_any_merge_that_breaks_the_rule_beats_evidence_where_the_rules_cant_be_read(world: World, test_id: str) -> None:
    misbehaved(world.repository().rules_hidden())
    shown(world, test_id, "repository", captured_on=TODAY)
    verdict = judged(world, test_id)
    assert (verdict["status"], verdict["basis"]) == ("failing", "behaviour")


@every_test
def test_evidence_goes_before_clean_behaviour(world: World, test_id: str) -> None:
    well_behaved(world.repository().rules_hidden())
    shown(world, test_id, "repository")
    assert outcome(judged(world, test_id)) == ACCEPTED


@every_test
def test_evidence_decides_also_where_behaviour_cant_be_read_for_want_of_a_scope(world: World, test_id: str) -> None:
    repository = world.repository().rules_hidden("scope_missing")
    repository.call("pull_requests", "scope_missing").call("pipelines", "scope_missing")
    shown(world, test_id, "repository")
    assert outcome(judged(world, test_id)) == ACCEPTED


# --------------------------------------------------------------------------------- what does not count


@every_test
@pytest.mark.parametrize("status", ["submitted", "rejected", "withdrawn"])
def test_only_accepted_evidence_counts(world: World, test_id: str, status: str) -> None:
    world.repository().rules_hidden()
    shown(world, test_id, "repository", status=status)
    assert judged(world, test_id)["status"] == "pending"


@every_test
def test_evidence_covers_only_what_was_frozen_when_it_was_accepted(world: World, test_id: str) -> None:
    world.repository("old").rules_hidden()
    world.repository("young").rules_hidden()
    shown(world, test_id, "workspace", slug="old")
    found = world.judge(test_id)
    assert {slug: verdict["status"] for slug, verdict in found.items()} == {"old": "passing", "young": "pending"}


def test_evidence_of_one_test_supports_no_other(world: World) -> None:
    world.repository().rules_hidden()
    for shown_test in REPOSITORY_TESTS:
        with unguarded(world.database):
            world.database.execute("DELETE FROM registry.evidence_subjects")
        shown(world, shown_test, "repository")
        passing = [test_id for test_id in REPOSITORY_TESTS if judged(world, test_id)["status"] == "passing"]
        assert passing == [shown_test]


@every_branch_test
def test_nothing_shows_what_is_not_applicable(world: World, test_id: str) -> None:
    world.repository("empty", main_branch=None)
    shown(world, test_id, slug="empty")
    assert judged(world, test_id, "empty")["status"] == "not_applicable"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    test_id=st.sampled_from(REPOSITORY_TESTS),
    age=st.integers(-2, 12),
    validity=st.integers(0, 10),
)
def test_evidence_holds_from_its_day_of_capture_for_the_days_of_the_policy(
    world: World, test_id: str, age: int, validity: int
) -> None:
    world.thresholds(evidence_validity_days=validity)
    with unguarded(world.database):
        world.database.execute(
            "TRUNCATE registry.evidence, registry.evidence_subjects, registry.evidence_decisions,"
            " registry.evidence_members"
        )
    world.repositories = [Repository("payments").rules_hidden()]
    shown(world, test_id, "repository", captured_on=TODAY - timedelta(days=age))
    expected = "passing" if 0 <= age < validity else "pending"
    assert judged(world, test_id)["status"] == expected


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    test_id=st.sampled_from([*REPOSITORY_TESTS, "workspace_mfa_enforced"]),
    zone=st.sampled_from(["UTC", "Pacific/Kiritimati", "America/Los_Angeles", "Asia/Kathmandu", "Europe/Berlin"]),
    seconds=st.sampled_from([-1, 0, 1]),
    validity=st.integers(1, 100),
)
def test_evidence_runs_out_on_the_second_at_midnight_of_the_policys_time_zone(
    world: World, test_id: str, zone: str, seconds: int, validity: int
) -> None:
    world.thresholds(evidence_validity_days=validity, time_zone=zone)
    with unguarded(world.database):
        world.database.execute(
            "TRUNCATE registry.evidence, registry.evidence_subjects, registry.evidence_decisions,"
            " registry.evidence_members"
        )
    world.database.execute("DELETE FROM integration.runs")  # the view asks the newest run for its policy
    world.repositories = [Repository("payments").rules_hidden()]
    world.now = datetime.combine(TODAY, time.min, tzinfo=ZoneInfo(zone)) + timedelta(seconds=seconds)
    captured_on = TODAY - timedelta(days=validity)
    if test_id == "workspace_mfa_enforced":
        world.evidence(test_id, captured_on, scope="workspace", workspace="acme")
        [verdict] = world.judge(test_id).values()
    else:
        shown(world, test_id, "repository", captured_on=captured_on)
        verdict = judged(world, test_id)
    assert verdict["status"] == ("passing" if seconds < 0 else "pending")
    row = world.database.execute("SELECT status, valid_until FROM compliance.evidence").fetchone()
    assert row is not None
    assert (row["valid_until"] > world.now) == (verdict["status"] == "passing")


@every_branch_test
def test_the_newest_of_several_pieces_is_named(world: World, test_id: str) -> None:
    world.repository()
    shown(world, test_id, captured_on=TODAY - timedelta(days=40))
    newest = shown(world, test_id, captured_on=TODAY - timedelta(days=3))
    shown(world, test_id, captured_on=TODAY - timedelta(days=30))
    shown(world, test_id, captured_on=TODAY, status="rejected")
    assert judged(world, test_id)["facts"] == {"evidence_id": newest}
