"""The workspace that ``make bench-verdicts`` judges: mixed enough to be worth timing, and the same each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from tests.bench.verdicts import POLICY
from tests.bench.verdicts_workspace import WORKSPACE, MadeUp
from tests.harness import Pipeline
from tests.pipeline.small import history

#: What the workspace shows of each test; the workspace itself is one subject.
MIXED = {"passing", "failing", "pending", "not_applicable"}
SHOWN = {
    "repo_classified": {"passing", "failing"},
    "user_mfa_enabled": MIXED,
    "workspace_mfa_enforced": {"passing"},
    "status_checks_required": MIXED | {"error"},
    "peer_review_required": MIXED | {"error"},
    "branch_protection_enforced": MIXED | {"error"},
    "offboarded_access_removed": MIXED,
    "pipelines_enabled": MIXED,
}


def _judge(made_up: MadeUp, run_id: str, *, full_refresh: bool = False) -> int:
    """A run without gates; returns how many repositories it read."""
    tasks.start_run(WORKSPACE, run_id, full_refresh)
    landed = made_up.land(run_id)
    tasks.stage(WORKSPACE, run_id)
    for test in CATALOGUE:
        tasks.judge(WORKSPACE, run_id, test.test_id)
    tasks.publish(WORKSPACE, run_id)
    tasks.finish_run(WORKSPACE, run_id)
    return landed.read


def test_the_made_up_workspace_shows_every_outcome_and_learns_only_what_changed(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY, encoding="utf-8")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    made_up = MadeUp(pipeline.dsn, repositories=50, members=60)
    made_up.create()

    assert _judge(made_up, "first") == 50
    shown: dict[str, set[str]] = {}
    for (test_id, _), (status, _, _) in pipeline.verdicts(WORKSPACE).items():
        shown.setdefault(test_id, set()).add(status)
    assert {test_id: shown[test_id] for test_id in SHOWN} == SHOWN
    covered = pipeline.query("SELECT 1 FROM compliance.current_results WHERE exception_id IS NOT null")
    assert covered
    first = history(pipeline)

    assert _judge(made_up, "nothing changed") == 1, "a repository of which a call failed is read again"
    assert history(pipeline) == first
    assert _judge(made_up, "all read again", full_refresh=True) == 50
    assert history(pipeline) == first

    made_up.a_day_passes()
    verdicts = made_up.change(day=1, repositories=2)
    assert _judge(made_up, "two changed") == 50
    assert verdicts == 3
    assert len(history(pipeline)) == len(first) + verdicts
