"""What may not matter does not: other repositories, names, the order of pages. And losing sight makes nothing pass."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.conftest import Database
from tests.security_tests.builders import TODAY, UNREADABLE, Repository, World, days_ago
from tests.security_tests.conftest import _EMPTY_EVERY_TABLE
from tests.security_tests.test_order_of_rules import REPOSITORY_TESTS

Verdicts = dict[tuple[str, str], dict[str, Any]]

some_worlds = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

KINDS = (
    "push",
    "force",
    "delete",
    "enforce_merge_checks",
    "require_passing_builds_to_merge",
    "require_approvals_to_merge",
    "require_default_reviewer_approvals_to_merge",
)


@pytest.fixture
def fill(world: World, administrator: Database) -> Callable[[Random], World]:
    """An empty world, filled at random, for each example."""

    def fresh(random: Random) -> World:
        administrator.execute(_EMPTY_EVERY_TABLE)
        world.repositories.clear()
        world.members.clear()
        world.confirmed.clear()
        world.lookup = None
        return any_world(world, random)

    return fresh


def any_world(world: World, random: Random) -> World:
    """Six repositories and four members of every kind; what people declare names some of them."""
    for number in range(6):
        world.repositories.append(any_repository(f"repo-{number}", random))
    for number in range(4):
        world.member(f"Member {number}", f"id-{number}", email=random.choice([None, f"m{number}@example.com"]))
    world.member("Bot", "bot", member_type="app_user")
    for number in random.sample(range(6), 3):
        kind = random.choice(["production", "non_production"])
        world.classify("repository", f"repo-{number}", kind, random.choice([None, "internal"]))
    world.roster(
        *({"account_id": f"id-{number}", "status": random.choice(["active", "terminated"])} for number in range(3))
    )
    world.mfa_export(
        *((None, f"id-{number}", random.random() < 0.5) for number in range(3)), captured_on=TODAY - timedelta(days=3)
    )
    return world


def any_repository(slug: str, random: Random) -> Repository:
    made = Repository(slug, random.choice(["main", "main", "main", "release/1", None]))
    made.private = random.choice([True, False])
    for kind in random.sample(KINDS, random.randrange(len(KINDS) + 1)):
        value = random.choice([None, 1, 2]) if kind.startswith("require") else None
        if random.random() < 0.8:
            made.rule(kind, random.choice(["main", "*", "release/*"]), value=value)
        else:
            made.model_rule(kind, random.choice(["production", "release"]), value=value)
    if random.random() < 0.7:
        made.branching_model(
            production={"name": "main", "use_mainbranch": random.random() < 0.5},
            branch_types=[{"kind": "release", "prefix": "release/"}],
        )
    for _ in range(random.randrange(6)):
        made.merged(
            age=random.randint(1, 120),
            into=random.choice(["main", "main", "release/1"]),
            builds=random.choice([None, ["SUCCESSFUL"], ["SUCCESSFUL"], ["FAILED"], []]),
            approved_by=random.choice([("bo",), ("bo",), ("ada",), ()]),
        )
    if random.random() < 0.6:
        made.pipeline(created_on=days_ago(random.randint(1, 200)))
    made.config = {"enabled": random.random() < 0.5}
    for resource in ("branch_restrictions", "pull_requests", "pipelines_config", "pipelines"):
        if random.random() < 0.15:
            made.call(resource, random.choice(["failed", "scope_missing", "permission_missing", "not_found"]))
    return made


def told(verdicts: Verdicts) -> dict[tuple[str, str], tuple[Any, ...]]:
    """All of a verdict but the name of its subject and when it was reached."""
    return {
        key: tuple(row[name] for name in ("status", "basis", "reason_code", "reason", "detail", "facts"))
        for key, row in verdicts.items()
    }


def without(verdicts: dict[tuple[str, str], Any], subject_id: str) -> dict[tuple[str, str], Any]:
    return {key: row for key, row in verdicts.items() if key[1] != subject_id}


@some_worlds
@given(st.randoms(use_true_random=False))
def test_an_unrelated_repository_changes_no_other_verdict(fill: Callable[[Random], World], random: Random) -> None:
    world = fill(random)
    before = told(world.judge_all())
    stranger = any_repository("stranger", random)
    stranger.project = "ELSEWHERE"
    world.repositories.insert(random.randrange(len(world.repositories) + 1), stranger)
    after = told(world.judge_all())
    assert without(after, stranger.repository_id) == before
    assert {key[0] for key in set(after) - set(before)} == {*REPOSITORY_TESTS, "repo_classified"}


@some_worlds
@given(st.randoms(use_true_random=False))
def test_a_repository_that_is_renamed_keeps_its_verdicts_and_changes_no_others(
    fill: Callable[[Random], World], random: Random
) -> None:
    world = fill(random)
    renamed = random.choice(world.repositories)
    # An entry by slug loses sight of it: name it by its uuid, which stays.
    world.classify("repository", renamed.repository_id.lower(), random.choice(["production", "non_production"]))
    before = told(world.judge_all())
    renamed.renamed("z-renamed")
    assert told(world.judge_all()) == before


@some_worlds
@given(st.randoms(use_true_random=False))
def test_the_order_of_pages_changes_nothing(fill: Callable[[Random], World], random: Random) -> None:
    world = fill(random)
    before = told(world.judge_all())
    shuffled: list[list[Any]] = [world.repositories, world.members, world.confirmed]
    for repository in world.repositories:
        shuffled += [repository.restrictions, repository.pull_requests]
        shuffled += [body["participants"] for body in repository.pull_requests]
        shuffled += list(repository.builds.values())
    for listing in shuffled:
        random.shuffle(listing)
    assert told(world.judge_all()) == before


@some_worlds
@given(st.randoms(use_true_random=False), st.sampled_from(UNREADABLE))
def test_losing_the_right_to_look_leaves_behaviour_or_waiting_and_never_makes_a_failure_pass_by_itself(
    fill: Callable[[Random], World], random: Random, unreadable: str
) -> None:
    world = fill(random)
    before = world.judge_all()
    for repository in world.repositories:
        repository.rules_hidden(unreadable)
    for key, row in world.judge_all().items():
        if key[0] not in REPOSITORY_TESTS:
            assert told({key: row}) == told({key: before[key]})
            continue
        assert row["basis"] != "configuration"
        if row["status"] == "passing":
            assert row["basis"] == "behaviour", key
            assert row["reason_code"] in ("merges_had_passing_builds", "merges_had_peer_approval", "pipeline_ran")
        if row["status"] == "failing":
            assert row["basis"] == "behaviour", key
        if before[key]["status"] == "not_applicable":
            assert row["status"] == "not_applicable"


@some_worlds
@given(st.randoms(use_true_random=False))
def test_losing_sight_of_everything_decides_nothing(fill: Callable[[Random], World], random: Random) -> None:
    world = fill(random)
    for repository in world.repositories:
        for resource in ("branch_restrictions", "pull_requests", "pipelines_config", "pipelines"):
            repository.call(resource, "scope_missing")
        repository.builds.clear()
    statuses = {row["status"] for key, row in world.judge_all().items() if key[0] in REPOSITORY_TESTS}
    assert statuses <= {"pending", "not_applicable"}
