"""Rules of pipelines_enabled."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.security_tests.builders import NOW, UNREADABLE, World, days_ago, outcome

TEST = "pipelines_enabled"
ENABLED = ("passing", "configuration", "pipelines_enabled")
DISABLED = ("failing", "configuration", "pipelines_disabled")
RAN = ("passing", "behaviour", "pipeline_ran")
NO_RUNS = ("pending", None, "no_pipeline_runs")


def judged(world: World) -> dict[str, Any]:
    return world.judge(TEST)["payments"]


def test_it_is_off_unless_the_policy_asks_for_it(world: World) -> None:
    world.repository()
    world.switch_off(TEST)
    assert world.judge(TEST) == {}


def test_switched_on_passes(world: World) -> None:
    world.repository().config = {"enabled": True}
    assert outcome(judged(world)) == ENABLED


def test_switched_off_fails_even_where_pipelines_ran(world: World) -> None:
    world.repository().pipeline(created_on=days_ago(1)).config = {"enabled": False}
    assert outcome(judged(world)) == DISABLED


def test_never_configured_fails(world: World) -> None:
    world.repository().call("pipelines_config", "not_found")
    verdict = judged(world)
    assert outcome(verdict) == DISABLED
    assert "never configured" in verdict["reason"]


@pytest.mark.parametrize("succeeds", ["branch_restrictions", "pull_requests", "pipelines"])
def test_any_other_call_that_succeeded_tells_never_configured_from_vanished(world: World, succeeds: str) -> None:
    world.repository().vanished().call(succeeds, "ok")
    assert outcome(judged(world)) == DISABLED


@pytest.mark.parametrize("others", ["not_found", "failed", "scope_missing", "permission_missing"])
def test_not_found_is_an_error_where_no_other_call_on_the_repository_succeeded(world: World, others: str) -> None:
    repository = world.repository()
    for resource in tuple(repository.outcomes):
        repository.call(resource, "not_found" if resource == "pipelines_config" else others)
    world.repository("neighbour")
    assert outcome(judged(world)) == ("error", None, "extract_failed")


def test_never_configured_before_is_switched_on_later(world: World) -> None:
    repository = world.repository().call("pipelines_config", "not_found")
    before = judged(world)
    assert outcome(before) == DISABLED
    repository.call("pipelines_config", "ok")
    after = judged(world)
    assert outcome(after) == ENABLED
    repository.call("pipelines_config", "not_found")
    assert judged(world)["facts"] == before["facts"]


def test_an_answer_without_the_setting_is_an_error(world: World) -> None:
    world.repository().config = {}
    assert outcome(judged(world)) == ("error", None, "extract_failed")


@pytest.mark.parametrize("hidden", UNREADABLE)
@pytest.mark.parametrize("state", ["COMPLETED", "IN_PROGRESS", "PENDING"])
def test_any_run_in_the_window_passes_where_the_setting_is_hidden(world: World, hidden: str, state: str) -> None:
    world.repository().rules_hidden(hidden).pipeline(created_on=days_ago(3), state=state)
    assert outcome(judged(world)) == RAN


def test_the_window_holds_ninety_days_its_first_instant_included(world: World) -> None:
    instants = {
        "first": days_ago(90),
        "too-old": days_ago(90) - timedelta(microseconds=1),
        "now": NOW,
    }
    for slug, created_on in instants.items():
        world.repository(slug).rules_hidden().pipeline(created_on=created_on)
    found = {slug: outcome(verdict) for slug, verdict in world.judge(TEST).items()}
    assert found == {"first": RAN, "too-old": NO_RUNS, "now": RAN}


def test_the_window_is_policy(world: World) -> None:
    world.repository().rules_hidden().pipeline(created_on=days_ago(8))
    world.thresholds(behaviour_window_days=7)
    assert outcome(judged(world)) == NO_RUNS


def test_no_run_at_all_is_pending(world: World) -> None:
    world.repository().rules_hidden()
    assert outcome(judged(world)) == NO_RUNS


def test_a_run_of_an_earlier_reading_does_not_count_once_runs_can_not_be_read(world: World) -> None:
    repository = world.repository().rules_hidden().pipeline(created_on=days_ago(1))
    assert outcome(judged(world)) == RAN
    repository.call("pipelines", "scope_missing")
    assert outcome(judged(world)) == ("pending", None, "scope_missing")


def test_merges_and_rules_are_nothing_to_this_test(world: World) -> None:
    repository = world.repository().rules_hidden().merged(builds=["SUCCESSFUL"]).call("branch_restrictions", "ok")
    repository.rule("push")
    assert outcome(judged(world)) == NO_RUNS


def test_facts_are_the_setting_and_nothing_else(world: World) -> None:
    repository = world.repository()
    before = judged(world)["facts"]
    repository.pipeline(created_on=days_ago(1)).rule("push").merged()
    assert judged(world)["facts"] == before
    repository.config = {"enabled": False}
    assert judged(world)["facts"] != before


def test_a_newer_run_changes_no_facts(world: World) -> None:
    repository = world.repository().rules_hidden().pipeline(created_on=days_ago(5))
    before = judged(world)["facts"]
    repository.pipeline(created_on=days_ago(1))
    assert judged(world)["facts"] == before
