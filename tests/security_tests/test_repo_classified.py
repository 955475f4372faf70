"""Rules of repo_classified."""

from __future__ import annotations

from typing import Any

import pytest

from tests.security_tests.builders import NOW, READ_AT, World, identity, outcome

TEST = "repo_classified"


def judged(world: World, slug: str = "payments") -> dict[str, Any]:
    return world.judge(TEST)[slug]


@pytest.mark.parametrize("classification", ["production", "non_production"])
def test_a_declared_repository_passes_whatever_it_is_declared(world: World, classification: str) -> None:
    world.repository()
    world.classify("repository", "payments", classification)
    verdict = judged(world)
    assert outcome(verdict) == ("passing", "registry", "classified")
    assert verdict["detail"]["classification"] == classification
    assert verdict["subject_type"] == "repository"
    assert verdict["subject_id"] == identity("payments")


def test_an_undeclared_repository_fails(world: World) -> None:
    world.repository()
    assert outcome(judged(world)) == ("failing", "registry", "unclassified")


def test_an_entry_may_name_slug_uuid_project_or_a_glob_of_the_slug(world: World) -> None:
    for slug in ("by-slug", "by-uuid", "by-project", "by-pattern", "by-nothing"):
        world.repository(slug, project="OPS" if slug == "by-project" else None)
    world.classify("repository", "by-slug", "production")
    world.classify("repository", identity("by-uuid"), "production")
    world.classify("project", "ops", "production")
    world.classify("pattern", "*-pattern", "production")
    found = {slug: row["reason_code"] for slug, row in world.judge(TEST).items()}
    assert found == {
        "by-slug": "classified",
        "by-uuid": "classified",
        "by-project": "classified",
        "by-pattern": "classified",
        "by-nothing": "unclassified",
    }


def test_a_repository_entry_goes_before_its_project_and_that_before_a_pattern(world: World) -> None:
    for slug in ("all-three", "two", "one"):
        world.repository(slug, project=None if slug == "one" else "CORE")
    world.classify("repository", "all-three", "production", "restricted")
    world.classify("project", "core", "production", "confidential")
    world.classify("pattern", "*", "production", "internal")
    found = {slug: row["detail"]["sensitivity"] for slug, row in world.judge(TEST).items()}
    assert found == {"all-three": "restricted", "two": "confidential", "one": "internal"}


def test_among_patterns_the_one_with_most_literal_characters_decides(world: World) -> None:
    world.repository("legacy-billing-core")
    world.classify("pattern", "*************", "production", "public")
    world.classify("pattern", "legacy-*", "production", "internal")
    world.classify("pattern", "legacy-billing-*", "production", "restricted")
    assert judged(world, "legacy-billing-core")["detail"]["entry"] == "pattern legacy-billing-*"


def test_of_patterns_with_as_many_literal_characters_the_stricter_decides(world: World) -> None:
    world.repository("web-old")
    world.classify("pattern", "*-old", "non_production")
    world.classify("pattern", "web-*", "production")
    assert judged(world, "web-old")["detail"]["entry"] == "pattern web-*"
    world.classify("pattern", "*-ol*", "non_production", "internal")
    world.classify("pattern", "we*ol*", "non_production", "internal")
    assert judged(world, "web-old")["detail"]["entry"] == "pattern we*ol*"


def test_the_newest_declaration_of_a_target_is_in_force(world: World) -> None:
    world.repository()
    world.classify("repository", "payments", "non_production")
    world.classify("repository", "payments", "production")
    assert judged(world)["detail"]["classification"] == "production"


def test_slug_and_uuid_name_one_repository_of_which_the_newest_declaration_is_in_force(world: World) -> None:
    world.repository()
    names = ("payments", identity("payments"))
    for target, classification in zip((*names, *names), ("production", "non_production") * 2, strict=True):
        world.classify("repository", target, classification)
        assert judged(world)["detail"]["classification"] == classification
    world.classify("repository", "payments", "non_production")
    world.classify("repository", identity("payments"), "production")
    assert judged(world)["detail"]["classification"] == "production"


def test_an_entry_of_another_workspace_counts_for_nothing(world: World) -> None:
    world.repository()
    world.classify("repository", "payments", "production", workspace="elsewhere")
    assert judged(world)["reason_code"] == "unclassified"


@pytest.mark.parametrize("sensitivity", ["internal", "confidential", "restricted"])
def test_a_public_repository_declared_anything_but_public_fails(world: World, sensitivity: str) -> None:
    world.repository(private=False)
    world.classify("repository", "payments", "production", sensitivity)
    verdict = judged(world)
    assert outcome(verdict) == ("failing", "registry", "visibility_conflict")
    assert sensitivity in verdict["reason"]


@pytest.mark.parametrize(
    ("private", "sensitivity"),
    [(False, "public"), (False, None), (True, "restricted"), (True, "public"), (None, "restricted")],
)
def test_no_conflict_without_a_public_repository_and_a_declared_secret(
    world: World, private: bool | None, sensitivity: str | None
) -> None:
    world.repository(private=private)
    world.classify("repository", "payments", "production", sensitivity)
    assert outcome(judged(world)) == ("passing", "registry", "classified")


def test_non_production_is_no_excuse_for_a_visibility_conflict(world: World) -> None:
    world.repository(private=False)
    world.classify("repository", "payments", "non_production", "internal")
    assert judged(world)["reason_code"] == "visibility_conflict"


def test_failed_calls_do_not_keep_a_repository_from_being_judged(world: World) -> None:
    world.repository().vanished()
    world.classify("repository", "payments", "production")
    assert outcome(judged(world)) == ("passing", "registry", "classified")


def test_facts_are_the_entry_and_the_conflict_and_nothing_else(world: World) -> None:
    repository = world.repository(private=True)
    world.classify("repository", "payments", "production", "internal")
    before = judged(world)
    repository.rule("push").merged()
    repository.main_branch = "trunk"
    world.classify("repository", "something-else", "non_production")
    after = judged(world)
    assert after["facts"] == before["facts"]
    repository.private = False
    assert judged(world)["facts"] != before["facts"]


def test_data_is_as_old_as_the_listing(world: World) -> None:
    repository = world.repository()
    repository.call("pipelines", "ok", NOW)
    verdict = judged(world)
    assert verdict["data_as_of"] == READ_AT
    assert verdict["evaluated_at"] == NOW


def test_names_reach_the_verdict_exactly_as_they_are(world: World) -> None:
    nasty = "o'hara\"); DROP TABLE x;-- <b>%s</b> %(run_id)s =1+1 🚀 \u200f"
    world.repository(nasty)
    assert world.judge(TEST)[nasty]["reason_code"] == "unclassified"
