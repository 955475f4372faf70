"""A workspace belongs to one run until that run ends: Airflow says when, not a silence between two of its tasks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from bitbucket_compliance.core.errors import RunNotNeeded
from bitbucket_compliance.pipeline.run.task_frame import task_frame
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.announced import announce
from tests.pipeline.small import ACME, FAST, small_state, whole_run

Serve = Callable[[SandboxState], SandboxServer]


class Airflow:
    """Says of every run what it is told to; None: it knows no such run."""

    def __init__(self, ended: bool | None, dag_id: str | None = "bitbucket_compliance") -> None:
        self.ended = ended
        self.dag_id = dag_id
        self.asked: list[tuple[str, str]] = []

    def has_ended(self, dag_id: str, run_id: str) -> bool | None:
        self.asked.append((dag_id, run_id))
        return self.ended


@pytest.fixture
def holder(pipeline: Pipeline, serve: Serve) -> str:
    """The id of a run of Airflow's that has the workspace."""
    pipeline.connect_to(serve(small_state(2)), "admin", **FAST)
    begin("holder", Airflow(None))
    return "holder"


def begin(run_id: str, airflow: Airflow | None, *, incremental: bool = False) -> None:
    tasks.start_run(ACME, run_id, False, incremental, datetime.now(UTC), airflow)


def silent(pipeline: Pipeline, since: str, waits: str | None = None) -> None:
    """The holder gave no sign of life since so long ago."""
    pipeline.query(
        "UPDATE integration.workspace_leases SET renewed_at = now() - %s::interval,"
        " waits_until = now() + %s::interval RETURNING 1",
        (since, waits),
    )


def held_by(pipeline: Pipeline) -> list[str]:
    return [row["run_id"] for row in pipeline.query("SELECT run_id FROM integration.workspace_leases")]


@pytest.mark.parametrize("since", ["0 seconds", "99 seconds", "3 hours"])
def test_a_run_whose_tasks_wait_in_the_queue_keeps_its_workspace_and_the_later_one_is_skipped_at_once(
    pipeline: Pipeline, holder: str, since: str
) -> None:
    silent(pipeline, since)
    with pytest.raises(RunNotNeeded, match=f"run {holder} of workspace {ACME}, at work since .* is not finished"):
        begin("later", Airflow(ended=False))
    assert held_by(pipeline) == [holder]
    tasks.preflight(ACME, holder)
    assert [row["run_id"] for row in pipeline.query("SELECT run_id FROM integration.runs")] == [holder]


@pytest.mark.parametrize("waits", [None, "50 minutes"])
def test_a_run_that_ended_without_giving_its_workspace_back_loses_it_at_once(
    pipeline: Pipeline, holder: str, waits: str | None
) -> None:
    silent(pipeline, "0 seconds", waits)
    airflow = Airflow(ended=True)
    begin("later", airflow)
    assert airflow.asked == [("bitbucket_compliance", holder)]
    assert held_by(pipeline) == ["later"]
    rows = {row["run_id"]: row for row in pipeline.query("SELECT run_id, status, error FROM compliance.runs")}
    assert (rows[holder]["status"], rows[holder]["error"]) == ("failed", "the run was interrupted")
    assert rows["later"]["status"] == "running"


def test_a_task_that_hangs_though_its_run_has_ended_keeps_nobody_waiting(pipeline: Pipeline, holder: str) -> None:
    with task_frame("frozen", ACME, holder) as (connection, _):
        begin("later", Airflow(ended=True))
        connection.commit()
        # So that the frame's own end does not complain.
        pipeline.query("UPDATE integration.workspace_leases SET run_id = %s RETURNING 1", (holder,))


@pytest.mark.parametrize(("since", "is_taken"), [("5 minutes", False), ("16 minutes", True)])
def test_a_run_that_airflow_does_not_know_is_dead_once_it_is_silent_for_longer_than_a_queue_takes(
    pipeline: Pipeline, holder: str, since: str, is_taken: bool
) -> None:
    silent(pipeline, since)
    if is_taken:
        begin("later", Airflow(None))
    else:
        with pytest.raises(RunNotNeeded, match="is not finished"):
            begin("later", Airflow(None))
    assert held_by(pipeline) == ["later" if is_taken else holder]


def test_a_run_that_nobody_ends_does_not_hold_its_workspace_for_ever(pipeline: Pipeline, holder: str) -> None:
    silent(pipeline, "13 hours")
    begin("later", Airflow(ended=False))
    assert held_by(pipeline) == ["later"]


@pytest.mark.parametrize("ended", [False, True])
def test_a_run_for_events_asks_as_well(pipeline: Pipeline, serve: Serve, ended: bool) -> None:
    server = serve(small_state(2))
    whole_run(pipeline, server)
    begin("holder", Airflow(None))
    announce(pipeline, server.state.repository("repo-0").uuid)
    if ended:
        begin("events", Airflow(ended), incremental=True)
    else:
        with pytest.raises(RunNotNeeded, match="the events wait until it ends"):
            begin("events", Airflow(ended), incremental=True)
    assert held_by(pipeline) == ["events" if ended else "holder"]
    pipeline.release(ACME)


def test_a_run_that_no_scheduler_stands_behind_is_known_by_its_tasks_alone(pipeline: Pipeline, holder: str) -> None:
    pipeline.release(ACME)
    begin("local", Airflow(None, dag_id=None))
    silent(pipeline, "2 minutes")
    airflow = Airflow(ended=False)
    begin("later", airflow)
    assert (airflow.asked, held_by(pipeline)) == ([], ["later"])
