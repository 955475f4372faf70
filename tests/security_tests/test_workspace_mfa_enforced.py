"""Rules of workspace_mfa_enforced."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.security_tests.builders import NOW, TODAY, WORKSPACE, WORKSPACE_ID, World, outcome

TEST = "workspace_mfa_enforced"
ACCEPTED = ("passing", "evidence", "evidence_accepted")
MISSING = ("pending", None, "evidence_missing")
EXPIRED = ("pending", None, "evidence_expired")


def judged(world: World) -> dict[str, Any]:
    verdicts = world.judge(TEST)
    assert list(verdicts) == [WORKSPACE]
    return verdicts[WORKSPACE]


def test_accepted_evidence_for_the_workspace_passes(world: World) -> None:
    evidence_id = world.evidence(TEST, TODAY, workspace=WORKSPACE)
    verdict = judged(world)
    assert outcome(verdict) == ACCEPTED
    assert (verdict["subject_type"], verdict["subject_id"]) == ("workspace", WORKSPACE_ID)
    assert verdict["facts"] == {"evidence_id": evidence_id}


def test_without_evidence_it_is_missing(world: World) -> None:
    assert outcome(judged(world)) == MISSING


def test_an_export_of_members_proves_nothing_about_the_workspace(world: World) -> None:
    world.member("Ada", "id-ada").mfa_export((None, "id-ada", True))
    assert outcome(judged(world)) == MISSING


@pytest.mark.parametrize("status", ["submitted", "rejected", "withdrawn"])
def test_only_accepted_evidence_counts(world: World, status: str) -> None:
    world.evidence(TEST, TODAY, status=status)
    assert outcome(judged(world)) == MISSING


def test_evidence_for_another_workspace_does_not_count(world: World) -> None:
    world.evidence(TEST, TODAY, workspace="elsewhere")
    assert outcome(judged(world)) == MISSING


@pytest.mark.parametrize(("age", "expected"), [(0, ACCEPTED), (89, ACCEPTED), (90, EXPIRED)])
def test_evidence_holds_for_the_days_of_the_policy_the_day_of_capture_included(
    world: World, age: int, expected: tuple[str, str | None, str]
) -> None:
    world.evidence(TEST, TODAY - timedelta(days=age))
    assert outcome(judged(world)) == expected


def test_the_day_it_expires_is_a_day_of_the_policys_time_zone(world: World) -> None:
    world.thresholds(time_zone="America/Los_Angeles", evidence_validity_days=1)
    world.evidence(TEST, TODAY)
    world.now = datetime.fromisoformat("2026-04-01T06:59:00+00:00")
    assert outcome(judged(world)) == ACCEPTED
    world.now = datetime.fromisoformat("2026-04-01T07:00:00+00:00")
    assert outcome(judged(world)) == EXPIRED


def test_evidence_is_valid_only_from_the_day_it_was_captured(world: World) -> None:
    world.evidence(TEST, TODAY + timedelta(days=1))
    assert outcome(judged(world)) == MISSING


def test_evidence_of_a_day_to_come_does_not_hide_what_is_valid_today(world: World) -> None:
    valid = world.evidence(TEST, TODAY)
    world.evidence(TEST, TODAY + timedelta(days=1))
    assert judged(world)["facts"] == {"evidence_id": valid}


def test_the_newest_accepted_evidence_wins(world: World) -> None:
    newest = world.evidence(TEST, TODAY - timedelta(days=1))
    world.evidence(TEST, TODAY - timedelta(days=200))
    world.evidence(TEST, TODAY, status="rejected")
    verdict = judged(world)
    assert outcome(verdict) == ACCEPTED
    assert verdict["facts"] == {"evidence_id": newest}


def test_facts_do_not_change_while_the_evidence_stays(world: World) -> None:
    world.evidence(TEST, TODAY)
    before = judged(world)["facts"]
    world.member("Ada").repository()
    world.evidence("user_mfa_enabled", TODAY)
    world.now = NOW + timedelta(days=5)
    assert judged(world)["facts"] == before


def test_data_is_as_old_as_the_reading_of_the_workspace(world: World) -> None:
    assert judged(world)["data_as_of"] == NOW + timedelta(minutes=1)
