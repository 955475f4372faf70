"""Merges over several runs: when they count, which are looked up, which builds are asked for again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.build import Pulls, midnight
from sandbox.model import CommitStatus, PullRequest
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.small import ACME, people, small_state, whole_run

Serve = Callable[[SandboxState], SandboxServer]
REVIEW, BUILDS = "peer_review_required", "status_checks_required"
CLEAN = {
    REVIEW: ("passing", "behaviour", "merges_had_peer_approval"),
    BUILDS: ("passing", "behaviour", "merges_had_passing_builds"),
}
BROKEN = {
    REVIEW: ("failing", "behaviour", "merged_without_peer_approval"),
    BUILDS: ("failing", "behaviour", "merged_without_passing_build"),
}
UNDECIDED = ("pending", None, "merges_undecided")
TOO_FEW = ("pending", None, "too_few_merges")


@pytest.fixture
def acme(serve: Serve) -> SandboxServer:
    """One repository with three clean merges; nobody may read its rules."""
    return serve(small_state(1))


def run(pipeline: Pipeline, server: SandboxServer, **options: Any) -> dict[str, tuple[str, str | None, str]]:
    """A run with five scopes; what it says of the two tests of merging."""
    server.state.reset(faults=False)
    whole_run(pipeline, server, grant="five", **options)
    found = pipeline.verdicts(ACME)
    return {test: found[test, "repo-0"] for test in (REVIEW, BUILDS)}


def pulls(server: SandboxServer) -> list[PullRequest]:
    return server.state.repository("repo-0").pull_requests


def commented(
    server: SandboxServer, *, merged: float, created: float = 120, count: int = 1, **more: Any
) -> list[PullRequest]:
    """Further pull requests that were commented on today; ``created`` and ``merged``: so many days ago."""
    crew, now = people(), datetime.now(UTC)
    made = Pulls("repo-0", midnight())
    made.made = pulls(server)
    added = []
    for number in range(count):
        pull = made.add(age=0, author=crew[0], **{"approved_by": [], **more})
        pull.created_on = now - timedelta(days=created)
        pull.closed_on = now - timedelta(days=merged)
        pull.updated_on = now - timedelta(minutes=1 + number)
        for status in pull.statuses:
            status.created_on = status.updated_on = pull.created_on
        added.append(pull)
    return added


def policy(monkeypatch: pytest.MonkeyPatch, folder: Path, **thresholds: Any) -> None:
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump({"thresholds": thresholds}))
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(path))


def lookups(server: SandboxServer) -> int:
    return server.state.count("pull_request_activity")


# ------------------------------------------------------------------------------------------ when a merge counts


def test_a_merge_of_before_the_window_that_was_commented_on_counts_for_nothing(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    commented(acme, merged=100, builds=["FAILED"])
    assert run(pipeline, acme) == CLEAN
    assert lookups(acme) == 1
    assert run(pipeline, acme) == CLEAN
    assert lookups(acme) == 0, "each is looked up once"
    assert run(pipeline, acme, full_refresh=True) == CLEAN
    assert lookups(acme) == 0, "also where everything is read again"


def test_one_created_before_the_window_and_merged_in_it_counts(pipeline: Pipeline, acme: SandboxServer) -> None:
    commented(acme, merged=10, builds=["FAILED"])
    assert run(pipeline, acme) == BROKEN
    assert lookups(acme) == 1
    assert run(pipeline, acme, full_refresh=True) == BROKEN


def test_five_of_a_repository_are_looked_up_in_a_run_for_both_tests_together(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    commented(acme, merged=100, builds=["FAILED"], count=7)
    assert run(pipeline, acme) == {REVIEW: UNDECIDED, BUILDS: UNDECIDED}
    assert lookups(acme) == 5
    assert run(pipeline, acme) == CLEAN
    assert lookups(acme) == 2


@pytest.mark.parametrize(("merged", "expected"), [(100, {REVIEW: TOO_FEW, BUILDS: TOO_FEW}), (10, CLEAN)])
def test_a_clean_record_may_not_rest_on_merges_of_before_the_window(
    pipeline: Pipeline, acme: SandboxServer, merged: float, expected: dict[str, Any]
) -> None:
    del pulls(acme)[1:]
    commented(acme, merged=merged, count=2, approved_by=[people()[1]])
    assert run(pipeline, acme) == expected
    assert lookups(acme) == (2 if merged == 10 else 1), "after one of before, the other alone is not enough"


def test_clean_ones_are_not_looked_up_where_the_record_does_not_rest_on_them(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    commented(acme, merged=100, count=3, approved_by=[people()[1]])
    assert run(pipeline, acme) == CLEAN
    assert lookups(acme) == 0


@pytest.mark.parametrize("status", [404, 500])
def test_one_that_can_not_be_looked_up_stays_undecided_and_spares_the_others(
    pipeline: Pipeline, acme: SandboxServer, status: int
) -> None:
    commented(acme, merged=100, builds=["FAILED"], count=2)
    fault = acme.state.add_fault("pull_request_activity", status=status, remaining=1 if status == 404 else 3)
    assert run(pipeline, acme) == {REVIEW: UNDECIDED, BUILDS: UNDECIDED}
    fault.remaining = 0
    assert run(pipeline, acme, touched=False) == CLEAN, "the repository is due at once"


def test_a_comment_on_a_merge_that_was_read_before_changes_nothing(pipeline: Pipeline, acme: SandboxServer) -> None:
    broken = commented(acme, merged=80, created=85, builds=["FAILED"])[0]
    broken.updated_on = broken.closed_on or broken.updated_on
    for _ in range(5):
        made = Pulls("repo-0", midnight())
        made.made = pulls(acme)
        made.add(age=20, author=people()[0], approved_by=[people()[1]])
    assert run(pipeline, acme) == {REVIEW: BROKEN[REVIEW], BUILDS: CLEAN[BUILDS]}, "builds: of the newest five"
    broken.updated_on = datetime.now(UTC)
    assert run(pipeline, acme) == {REVIEW: BROKEN[REVIEW], BUILDS: CLEAN[BUILDS]}
    for pull in pulls(acme):
        if pull is not broken:
            pull.updated_on = datetime.now(UTC)
    assert run(pipeline, acme, full_refresh=True) == {REVIEW: BROKEN[REVIEW], BUILDS: CLEAN[BUILDS]}


def test_one_that_was_opened_again_counts_as_merged_when_it_was_merged_again(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    pull = pulls(acme)[0]
    whole_run(pipeline, acme)
    pull.state, pull.updated_on = "OPEN", datetime.now(UTC)
    whole_run(pipeline, acme)
    pull.state, pull.updated_on, pull.participants = "MERGED", datetime.now(UTC), []
    whole_run(pipeline, acme)
    assert pipeline.verdicts(ACME)[REVIEW, "repo-0"] == ("failing", "behaviour", "enforced_but_bypassed")


def test_a_merge_that_left_the_window_does_not_come_back_with_a_comment(
    pipeline: Pipeline, acme: SandboxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = commented(acme, merged=50, created=51)[0]
    broken.updated_on = broken.closed_on or broken.updated_on
    assert run(pipeline, acme)[REVIEW] == BROKEN[REVIEW]
    policy(monkeypatch, tmp_path, behaviour_window_days=40)
    assert run(pipeline, acme)[REVIEW] == CLEAN[REVIEW]
    broken.updated_on = datetime.now(UTC)
    assert run(pipeline, acme)[REVIEW] == CLEAN[REVIEW]
    assert lookups(acme) == 0, "when it was merged is known"


# --------------------------------------------------------------------------------------------------- builds


def build(pull: PullRequest, *statuses: tuple[str, str, float]) -> None:
    """Build statuses: key, state, hours before the pull request was merged."""
    merged = pull.closed_on or pull.updated_on
    pull.statuses = [
        CommitStatus(key, state, merged - timedelta(hours=hours), merged) for key, state, hours in statuses
    ]


def test_a_build_under_way_is_asked_for_again_until_it_ended(pipeline: Pipeline, acme: SandboxServer) -> None:
    newest = pulls(acme)[-1]
    newest.updated_on = datetime.now(UTC) - timedelta(hours=5)
    build(newest, ("a", "INPROGRESS", 1))
    assert run(pipeline, acme)[BUILDS] == TOO_FEW
    assert run(pipeline, acme)[BUILDS] == TOO_FEW
    assert acme.state.count("pull_request_statuses") == 1, "the others are decided"
    build(newest, ("a", "FAILED", 1))
    assert run(pipeline, acme)[BUILDS] == BROKEN[BUILDS]
    build(newest, ("a", "SUCCESSFUL", 1))
    assert run(pipeline, acme, full_refresh=True)[BUILDS] == BROKEN[BUILDS]
    assert acme.state.count("pull_request_statuses") == 0, "once decided it is never asked again"


def test_a_build_that_is_under_way_two_days_after_the_merge_did_not_pass(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    newest = pulls(acme)[-1]
    newest.updated_on = datetime.now(UTC) - timedelta(days=1.9)
    build(newest, ("a", "INPROGRESS", 1))
    assert run(pipeline, acme)[BUILDS] == TOO_FEW
    pipeline.query("UPDATE staging.pull_requests SET merged_on = merged_on - interval '5 hours' RETURNING 1")
    assert run(pipeline, acme)[BUILDS] == BROKEN[BUILDS]
    assert acme.state.count("pull_request_statuses") == 0


def test_a_status_that_came_after_the_merge_mends_and_breaks_nothing(pipeline: Pipeline, acme: SandboxServer) -> None:
    for pull in pulls(acme)[1:]:
        build(pull, ("a", "SUCCESSFUL", 1), ("b", "FAILED", -1))
    assert run(pipeline, acme)[BUILDS] == CLEAN[BUILDS]
    crew = people()
    made = Pulls("repo-0", midnight())
    made.made = pulls(acme)
    build(made.add(age=0.1, author=crew[0], approved_by=[crew[1]]), ("a", "FAILED", 1), ("a", "SUCCESSFUL", -1))
    assert run(pipeline, acme)[BUILDS] == BROKEN[BUILDS]


# --------------------------------------------------------------------------------------- former main branches


def into(server: SandboxServer, branch: str, merges: Iterable[PullRequest]) -> None:
    for pull in merges:
        pull.destination_branch = branch
    server.state.repository("repo-0").mainbranch = branch


def test_a_renamed_main_branch_forgives_nothing(pipeline: Pipeline, acme: SandboxServer) -> None:
    into(acme, "master", pulls(acme))
    pulls(acme)[-1].participants = []
    build(pulls(acme)[-1], ("a", "FAILED", 1))
    assert run(pipeline, acme) == BROKEN
    crew, made = people(), Pulls("repo-0", midnight())
    made.made = pulls(acme)
    into(acme, "main", [made.add(age=0.1, author=crew[0], approved_by=[crew[1]]) for _ in range(3)])
    assert run(pipeline, acme) == BROKEN
    assert run(pipeline, acme, full_refresh=True) == BROKEN


def test_clean_merges_into_the_former_main_branch_count_too(pipeline: Pipeline, acme: SandboxServer) -> None:
    into(acme, "master", pulls(acme))
    assert run(pipeline, acme) == CLEAN
    into(acme, "main", [])
    assert run(pipeline, acme) == CLEAN


def test_merges_into_the_former_main_branch_of_before_count_that_were_not_read_before(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    into(acme, "master", pulls(acme))
    assert run(pipeline, acme) == CLEAN
    crew, made = people(), Pulls("repo-0", midnight())
    made.made = pulls(acme)
    made.add(age=0, author=crew[0], into="master", builds=["FAILED"]).updated_on = datetime.now(UTC)
    into(acme, "main", [])
    assert run(pipeline, acme) == BROKEN


def test_what_is_merged_into_it_once_it_is_another_branch_does_not_count(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    into(acme, "master", pulls(acme))
    run(pipeline, acme)
    into(acme, "main", [])
    assert run(pipeline, acme) == CLEAN
    crew, made = people(), Pulls("repo-0", midnight())
    made.made = pulls(acme)
    late = made.add(age=0, author=crew[0], into="master", builds=["FAILED"])
    late.created_on = late.updated_on = datetime.now(UTC)
    assert run(pipeline, acme) == CLEAN


# ---------------------------------------------------------------------------------------------- no peers


def test_an_approving_bot_with_an_ordinary_account_is_no_peer_once_it_is_named(
    pipeline: Pipeline, acme: SandboxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert run(pipeline, acme) == CLEAN
    policy(monkeypatch, tmp_path, not_peers=[people()[1].account_id])
    assert run(pipeline, acme) == {REVIEW: BROKEN[REVIEW], BUILDS: CLEAN[BUILDS]}


def test_a_bot_that_left_or_took_another_nickname_is_no_peer_either(
    pipeline: Pipeline, acme: SandboxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    members = acme.state.workspaces[0].members
    [bot] = [member for member in members if member.account.nickname == "person-1"]
    policy(monkeypatch, tmp_path, not_peers=["Person-1"])
    broken = {REVIEW: BROKEN[REVIEW], BUILDS: CLEAN[BUILDS]}
    assert run(pipeline, acme) == broken
    bot.account.nickname = "helper"
    assert run(pipeline, acme) == broken
    members.remove(bot)
    assert run(pipeline, acme) == broken
