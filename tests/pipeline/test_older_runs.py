"""What an older run read is not published over what a later one did, whichever of its tasks is cleared."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from bitbucket_compliance.core.errors import RunNotNeeded
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.small import ACME, FAST, extract, history, results, small_state, whole_run

Serve = Callable[[SandboxState], SandboxServer]
TASKS: dict[str, Callable[[str], None]] = {
    "stage": lambda run_id: tasks.stage(ACME, run_id),
    "gate_staging": lambda run_id: tasks.gate(ACME, run_id, "staging"),
    "judge": lambda run_id: tasks.judge(ACME, run_id, "peer_review_required"),
    "gate_results": lambda run_id: tasks.gate(ACME, run_id, "results"),
    "publish": lambda run_id: tasks.publish(ACME, run_id),
}


@pytest.mark.parametrize("cleared", TASKS)
def test_a_task_of_an_older_run_is_skipped_and_says_which_run_came_after(
    pipeline: Pipeline, serve: Serve, caplog: pytest.LogCaptureFixture, cleared: str
) -> None:
    server = serve(small_state(2))
    older = whole_run(pipeline, server)
    server.state.repository("repo-1").restrictions = []
    newer = whole_run(pipeline, server)
    before = results(pipeline), history(pipeline)
    # Airflow runs the set-up task of a run again with any of its tasks.
    with pytest.raises(RunNotNeeded, match=f"run {newer} began later .* and was published: what run {older} read"):
        tasks.start_run(ACME, older, False)
    with pytest.raises(AirflowSkipException, match=f"run {newer} began later"):
        TASKS[cleared](older)
    assert "skipped: run" in caplog.text
    assert (results(pipeline), history(pipeline)) == before


def test_an_older_run_stages_nothing_over_a_later_one_that_was_not_published(pipeline: Pipeline, serve: Serve) -> None:
    server = serve(small_state(2))
    pipeline.connect_to(server, "admin", **FAST)
    older = extract()
    pipeline.release(ACME)
    newer = extract()
    pipeline.release(ACME)
    with pytest.raises(RunNotNeeded, match=f"run {newer} began later .* and has staged what it read"):
        tasks.start_run(ACME, older, False)


def test_the_newest_run_may_be_cleared_and_published_again(pipeline: Pipeline, serve: Serve) -> None:
    server = serve(small_state(2))
    whole_run(pipeline, server)
    newest = whole_run(pipeline, server)
    before = history(pipeline)
    tasks.start_run(ACME, newest, False)
    tasks.publish(ACME, newest)
    pipeline.release(ACME)
    assert history(pipeline) == before
