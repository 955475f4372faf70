"""The demo workspace told otherwise: shuffled, with a stranger, with a new name, with less to see."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from bitbucket_compliance.security_tests import CATALOGUE
from sandbox.process import SandboxServer
from tests.harness import DEMO, Pipeline
from tests.pipeline.small import people, repository, touch

Key = tuple[str, str]


@pytest.fixture
def demo(pipeline: Pipeline, sandbox: SandboxServer) -> Iterator[SandboxServer]:
    """The demo, read and judged once."""
    pipeline.take_demo()
    pipeline.run(sandbox)
    yield sandbox


def told(pipeline: Pipeline) -> dict[Key, tuple[Any, ...]]:
    """What is published of each test and subject, but for names and times."""
    rows = pipeline.query("SELECT * FROM compliance.current_results WHERE workspace = %s", (DEMO,))
    kept = ("status", "basis", "reason_code", "reason", "facts_hash", "status_since", "failing_since", "exception_id")
    return {(row["test_id"], row["subject_id"]): tuple(row[name] for name in kept) for row in rows}


def intervals(pipeline: Pipeline) -> int:
    return int(pipeline.query("SELECT count(*) AS n FROM compliance.result_history")[0]["n"])


def again(pipeline: Pipeline, server: SandboxServer, grant: str = "admin") -> dict[Key, tuple[Any, ...]]:
    touch(server)
    pipeline.run(server, grant=grant)
    return told(pipeline)


def test_the_order_in_which_bitbucket_answers_changes_neither_verdicts_nor_history(
    pipeline: Pipeline, demo: SandboxServer
) -> None:
    before, rows, random = told(pipeline), intervals(pipeline), Random(7)  # noqa: S311, an order and no secret
    workspace = demo.state.workspaces[0]
    listings: list[list[Any]] = [workspace.repositories, workspace.members]
    for one in workspace.repositories:
        listings += [one.restrictions, one.pull_requests, one.pipelines]
        listings += [pull.participants for pull in one.pull_requests]
        listings += [pull.statuses for pull in one.pull_requests]
        listings += [rule.users for rule in one.restrictions] + [rule.groups for rule in one.restrictions]
    for listing in listings:
        random.shuffle(listing)
    assert again(pipeline, demo) == before
    assert intervals(pipeline) == rows


def test_an_unrelated_repository_adds_its_own_verdicts_and_touches_no_other(
    pipeline: Pipeline, demo: SandboxServer
) -> None:
    before, rows = told(pipeline), intervals(pipeline)
    stranger = repository("zz-stranger", people(), number=777)
    demo.state.workspaces[0].repositories.append(stranger)
    after = again(pipeline, demo)
    assert {key: row for key, row in after.items() if key[1] != stranger.uuid} == before
    own = len(after) - len(before)
    assert own == sum(test.subject_type == "repository" and test.test_id != "pipelines_enabled" for test in CATALOGUE)
    assert intervals(pipeline) == rows + own


def test_a_renamed_repository_touches_no_other_verdict(pipeline: Pipeline, demo: SandboxServer) -> None:
    before = told(pipeline)
    renamed = demo.state.workspaces[0].repositories[0]
    renamed.slug, renamed.name = "zz-renamed", "Renamed"
    after = again(pipeline, demo)
    assert set(after) == set(before)
    assert {key for key in before if after[key] != before[key]} <= {key for key in before if key[1] == renamed.uuid}
    assert pipeline.query(
        "SELECT DISTINCT subject_name FROM compliance.current_results WHERE subject_id = %s", (renamed.uuid,)
    ) == [{"subject_name": "zz-renamed"}]


def test_without_repository_admin_verdicts_rest_on_behaviour_or_wait(pipeline: Pipeline, demo: SandboxServer) -> None:
    before = told(pipeline)
    after = again(pipeline, demo, grant="five")
    assert set(after) == set(before)
    changed = {key: (before[key], after[key]) for key in before if after[key][:3] != before[key][:3]}
    assert {key[0] for key in changed} == {
        "status_checks_required",
        "peer_review_required",
        "branch_protection_enforced",
    }
    for (was, *_), (status, basis, code, *_) in changed.values():
        by_pull_request = (basis, code) == ("configuration", "rule_in_effect")
        assert status == "pending" or basis == "behaviour" or code == "extract_failed" or by_pull_request
        assert not (was == "failing" and status == "passing" and basis != "behaviour")
    assert any(was[0] == "failing" and now[0] == "pending" for was, now in changed.values())
