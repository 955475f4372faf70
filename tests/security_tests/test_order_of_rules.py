"""The order of the rules that tests 4 to 6 and 8 share: not applicable, not collected, configuration, behaviour."""

from __future__ import annotations

import pytest

from tests.security_tests.builders import NOT_COLLECTED, NOW, UNREADABLE, Repository, World, days_ago, outcome

REPOSITORY_TESTS = (
    "status_checks_required",
    "peer_review_required",
    "branch_protection_enforced",
    "pipelines_enabled",
)
BRANCH_TESTS = REPOSITORY_TESTS[:3]
every_test = pytest.mark.parametrize("test_id", REPOSITORY_TESTS)
every_branch_test = pytest.mark.parametrize("test_id", BRANCH_TESTS)

# The call that shows the configuration of each test, and a word of it that its reason has to name.
CONFIGURATION_CALL = {
    **dict.fromkeys(BRANCH_TESTS, ("branch_restrictions", "branch restrictions")),
    "pipelines_enabled": ("pipelines_config", "configuration of Pipelines"),
}
BEHAVIOUR_CALL = {
    "status_checks_required": ("pull_requests", "pull requests"),
    "peer_review_required": ("pull_requests", "pull requests"),
    "pipelines_enabled": ("pipelines", "pipeline"),
}


def configured(repository: Repository) -> Repository:
    """Everything a configuration can ask for."""
    for kind in ("push", "force", "delete", "enforce_merge_checks"):
        repository.rule(kind)
    repository.rule("require_passing_builds_to_merge", value=1).rule("require_approvals_to_merge", value=1)
    repository.config = {"enabled": True}
    return repository


def well_behaved(repository: Repository) -> Repository:
    """Behaviour that passes wherever behaviour decides."""
    for _ in range(5):
        repository.merged(builds=["SUCCESSFUL"])
    return repository.pipeline(created_on=days_ago(1))


def misbehaved(repository: Repository) -> Repository:
    return repository.merged(builds=["FAILED"], approved_by=())


@every_test
def test_non_production_is_decided_before_anything_else(world: World, test_id: str) -> None:
    world.repository("failed", main_branch=None).vanished()
    misbehaved(world.repository("hidden").rules_hidden())
    configured(world.repository("configured"))
    world.classify("pattern", "*", "non_production")
    found = {outcome(verdict) for verdict in world.judge(test_id).values()}
    assert found == {("not_applicable", "registry", "non_production")}


@every_test
def test_unclassified_and_production_repositories_are_judged_alike(world: World, test_id: str) -> None:
    configured(world.repository("declared"))
    configured(world.repository("undeclared"))
    world.classify("repository", "declared", "production")
    found = world.judge(test_id)
    assert outcome(found["declared"]) == outcome(found["undeclared"])
    assert found["declared"]["status"] == "passing"


@every_branch_test
def test_no_main_branch_comes_before_a_failed_call(world: World, test_id: str) -> None:
    world.repository("empty", main_branch=None).rule("push", "*")
    world.repository("empty-and-unread", main_branch=None).vanished()
    world.repository("empty-and-hidden", main_branch=None).rules_hidden()
    found = {outcome(verdict) for verdict in world.judge(test_id).values()}
    assert found == {("not_applicable", None, "no_main_branch")}


def test_pipelines_are_judged_without_a_main_branch(world: World) -> None:
    world.repository(main_branch=None)
    assert world.judge("pipelines_enabled")["payments"]["reason_code"] == "pipelines_enabled"


@every_test
@pytest.mark.parametrize("failure", NOT_COLLECTED)
def test_a_failed_call_for_the_configuration_is_an_error_that_names_it(
    world: World, test_id: str, failure: str
) -> None:
    call, words = CONFIGURATION_CALL[test_id]
    repository = configured(world.repository()).merged(approved_by=())
    for resource in tuple(repository.outcomes):
        # a 404 of pipelines_config alone would mean "never configured"
        if resource == call or failure == "not_found":
            repository.call(resource, failure)
    verdict = world.judge(test_id)["payments"]
    assert outcome(verdict) == ("error", None, "extract_failed")
    assert words in verdict["reason"]
    assert "branching model" not in verdict["reason"]


@every_test
def test_a_repository_that_vanished_after_it_was_listed_is_an_error(world: World, test_id: str) -> None:
    world.repository().vanished()
    assert outcome(world.judge(test_id)["payments"]) == ("error", None, "extract_failed")


@every_test
def test_a_repository_that_nobody_asked_about_is_an_error(world: World, test_id: str) -> None:
    world.repository().outcomes.clear()
    assert outcome(world.judge(test_id)["payments"]) == ("error", None, "extract_failed")


@pytest.mark.parametrize("test_id", BEHAVIOUR_CALL)
@pytest.mark.parametrize("failure", NOT_COLLECTED)
def test_a_failed_call_for_behaviour_is_an_error_only_where_behaviour_decides(
    world: World, test_id: str, failure: str
) -> None:
    call, words = BEHAVIOUR_CALL[test_id]
    configured(world.repository("readable")).call(call, failure)
    world.repository("hidden").rules_hidden().call(call, failure)
    found = world.judge(test_id)
    assert found["readable"]["basis"] == "configuration"
    assert outcome(found["hidden"]) == ("error", None, "extract_failed")
    assert words in found["hidden"]["reason"]


@every_test
def test_a_failed_call_of_another_test_changes_nothing(world: World, test_id: str) -> None:
    repository = configured(world.repository())
    needed = {CONFIGURATION_CALL[test_id][0]}
    for resource in tuple(repository.outcomes):
        if resource not in needed:
            repository.call(resource, "failed")
    assert world.judge(test_id)["payments"]["status"] == "passing"


@every_test
def test_configuration_decides_where_it_can_be_read_whatever_happened(world: World, test_id: str) -> None:
    misbehaved(configured(world.repository("configured")))
    bare = well_behaved(world.repository("bare"))
    bare.config = {"enabled": False}
    found = world.judge(test_id)
    assert (found["configured"]["status"], found["configured"]["basis"]) == ("passing", "configuration")
    assert (found["bare"]["status"], found["bare"]["basis"]) == ("failing", "configuration")


@pytest.mark.parametrize("test_id", BEHAVIOUR_CALL)
@pytest.mark.parametrize("hidden", UNREADABLE)
def test_behaviour_decides_where_configuration_can_not_be_read(world: World, test_id: str, hidden: str) -> None:
    well_behaved(world.repository().rules_hidden(hidden))
    verdict = world.judge(test_id)["payments"]
    assert (verdict["status"], verdict["basis"]) == ("passing", "behaviour")


@pytest.mark.parametrize("test_id", BEHAVIOUR_CALL)
@pytest.mark.parametrize("hidden", UNREADABLE)
@pytest.mark.parametrize("behaviour_hidden", UNREADABLE)
def test_pending_where_neither_configuration_nor_behaviour_can_be_read(
    world: World, test_id: str, hidden: str, behaviour_hidden: str
) -> None:
    well_behaved(world.repository().rules_hidden(hidden)).call(BEHAVIOUR_CALL[test_id][0], behaviour_hidden)
    assert outcome(world.judge(test_id)["payments"]) == ("pending", None, behaviour_hidden)


@every_test
def test_not_allowed_to_look_is_never_unprotected(world: World, test_id: str) -> None:
    for hidden in UNREADABLE:
        world.repository(hidden).rules_hidden(hidden)
    assert {verdict["status"] for verdict in world.judge(test_id).values()} == {"pending"}


@every_test
def test_rules_of_an_earlier_run_do_not_count_once_they_can_not_be_read(world: World, test_id: str) -> None:
    repository = configured(world.repository())
    assert world.judge(test_id)["payments"]["status"] == "passing"
    repository.rules_hidden()
    verdict = world.judge(test_id)["payments"]
    assert verdict["status"] == "pending"
    assert verdict["detail"].get("rules") is None, "not readable is another thing than none"


@every_test
def test_every_repository_gets_exactly_one_verdict_also_when_the_test_runs_twice(world: World, test_id: str) -> None:
    from bitbucket_compliance.pipeline.run.lifecycle import finish_run, start_run
    from bitbucket_compliance.tasks.bitbucket_compliance import judge

    for number in range(3):
        configured(world.repository(f"repository-{number}"))
    world.judge(test_id)
    start_run("acme", "twice")
    for _ in range(2):
        judge("acme", "twice", test_id)
    finish_run("acme", "twice")
    rows = world.database.execute("SELECT subject_id FROM judged.verdicts WHERE run_id = 'twice'").fetchall()
    assert sorted(row["subject_id"] for row in rows) == sorted(r.repository_id for r in world.repositories)


@every_test
def test_a_test_that_the_policy_switched_off_judges_nobody(world: World, test_id: str) -> None:
    world.repository()
    assert world.switch_off(test_id).judge(test_id) == {}
    assert world.database.execute("SELECT * FROM judged.enabled_tests").fetchall() == []


@every_test
def test_data_is_as_old_as_the_oldest_call_on_the_repository(world: World, test_id: str) -> None:
    repository = configured(world.repository())
    for minutes, resource in enumerate(sorted(repository.outcomes)):
        repository.call(resource, "ok", NOW.replace(minute=minutes))
    verdict = world.judge(test_id)["payments"]
    assert verdict["data_as_of"] == NOW
    assert verdict["evaluated_at"] == NOW


@every_test
def test_every_reason_code_is_in_the_catalogue_with_the_status_it_stands_for(world: World, test_id: str) -> None:
    from bitbucket_compliance.security_tests import BY_ID

    configured(world.repository("passes"))
    world.repository("fails").config = {"enabled": False}
    configured(world.repository("vanished")).vanished()
    world.repository("scope").rules_hidden("scope_missing")
    well_behaved(world.repository("good").rules_hidden())
    misbehaved(world.repository("bad").rules_hidden())
    world.repository("blind").rules_hidden().call("pull_requests", "scope_missing").call("pipelines", "scope_missing")
    world.repository("empty", main_branch=None)
    world.repository("toy")
    world.classify("repository", "toy", "non_production")
    for verdict in world.judge(test_id).values():
        assert BY_ID[test_id].reasons[verdict["reason_code"]].status == verdict["status"]


@every_test
def test_a_public_reason_is_one_sentence_of_text_without_placeholders(world: World, test_id: str) -> None:
    configured(world.repository("passes", main_branch="100%-done"))
    world.repository("fails", main_branch="100%s").config = {"enabled": False}
    for verdict in world.judge(test_id).values():
        assert verdict["reason"].endswith(".")
        assert "%%" not in verdict["reason"]
        branch = verdict["detail"].get("main_branch")
        if verdict["reason_code"] in ("no_matching_rule", "missing_protection"):
            assert branch in verdict["reason"]
