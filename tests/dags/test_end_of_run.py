"""How a run ends in Airflow: as failed where it did not publish, whoever stopped it; being skipped is no failure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from local import environment
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline, bitbucket_connection
from tests.pipeline.small import ACME, FAST, extract, small_state, start, whole_run

Serve = Callable[[SandboxState], SandboxServer]


@pytest.fixture
def acme(pipeline: Pipeline, serve: Serve) -> SandboxServer:
    server = serve(small_state(2))
    pipeline.connect_to(server, "admin", **FAST)
    return server


def test_a_run_that_published_ends_well(pipeline: Pipeline, acme: SandboxServer) -> None:
    run_id = extract()
    pipeline.judge(run_id, ACME)
    tasks.publish(ACME, run_id)
    tasks.end_run(ACME, run_id)


def test_a_run_that_was_stopped_before_it_published_has_failed_and_gave_its_workspace_back(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    run_id = extract()
    with pytest.raises(AirflowFailException, match=f"run {run_id} of workspace {ACME} did not publish: it was stopped"):
        tasks.end_run(ACME, run_id)
    (row,) = pipeline.query("SELECT status, error FROM compliance.runs")
    assert row == {"status": "failed", "error": "it was stopped before it could publish"}
    assert pipeline.query("SELECT 1 FROM integration.workspace_leases") == []
    with pytest.raises(AirflowFailException, match="did not publish"):
        tasks.end_run(ACME, run_id)


@pytest.mark.gated
def test_the_end_of_a_run_that_failed_names_the_reason(pipeline: Pipeline, acme: SandboxServer) -> None:
    run_id = start()
    with pytest.raises(AirflowFailException):
        tasks.publish(ACME, run_id)
    (told,) = pipeline.query("SELECT error FROM compliance.runs")
    with pytest.raises(AirflowFailException) as caught:
        tasks.end_run(ACME, run_id)
    assert str(caught.value).endswith(told["error"]) and told["error"].startswith("publish: ")


def test_a_run_whose_place_a_later_one_took_was_skipped_and_did_not_fail(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    older = extract()
    pipeline.query("DELETE FROM integration.workspace_leases RETURNING 1")
    pipeline.query("UPDATE integration.runs SET opened_at = opened_at - interval '1 hour' RETURNING 1")
    newer = extract()
    pipeline.query("UPDATE integration.runs SET status = 'running' WHERE run_id = %s RETURNING 1", (older,))
    with pytest.raises(AirflowSkipException, match=f"run {newer} began later"):
        tasks.stage(ACME, older)
    tasks.end_run(ACME, older)
    (row,) = pipeline.query("SELECT status, error FROM compliance.runs WHERE run_id = %s", (older,))
    assert row["status"] == "superseded" and f"run {newer} began later" in row["error"]


def test_clearing_a_task_of_a_published_run_leaves_it_published(pipeline: Pipeline, acme: SandboxServer) -> None:
    older = whole_run(pipeline, acme)
    whole_run(pipeline, acme)
    with pytest.raises(AirflowSkipException):
        tasks.stage(ACME, older)
    tasks.end_run(ACME, older)
    assert {row["status"] for row in pipeline.query("SELECT status FROM compliance.runs")} == {"published"}


# A person presses "mark run as failed" once the workspace has been listed.
_MARKED = """
import json, sys
from airflow.api.common.mark_tasks import set_dag_run_state_to_failed
from airflow.dag_processing.dagbag import DagBag
from airflow.listeners import hookimpl
from airflow.sdk.listener import get_listener_manager
from airflow.serialization.serialized_objects import DagSerialization

bag = DagBag(sys.argv[1])
dag = bag.dags["bitbucket_compliance"]
stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))

class Person:
    @hookimpl
    def on_task_instance_success(self, previous_state, task_instance):
        if task_instance.task_id == "extract.list_workspace":
            set_dag_run_state_to_failed(dag=stored, run_id=task_instance.run_id, commit=True)

get_listener_manager().add_listener(Person())
run = dag.test(run_conf={"workspace": sys.argv[2], "full_refresh": False})
print(json.dumps({"run": str(run.state), "tasks": {i.task_id: str(i.state) for i in run.get_task_instances()}}))
"""


@pytest.mark.slow
def test_a_run_that_a_person_marks_as_failed_is_failed_in_airflow(
    pipeline: Pipeline, acme: SandboxServer, airflow_home: Path
) -> None:
    process = environment.airflow_environment(airflow_home) | {
        "AIRFLOW_CONN_COMPLIANCE_POSTGRES": pipeline.dsn,
        "AIRFLOW_CONN_BITBUCKET_DEFAULT": json.dumps(bitbucket_connection(acme.url, "admin", **FAST)),
    }
    done = subprocess.run(
        [sys.executable, "-c", _MARKED, os.environ["AIRFLOW__CORE__DAGS_FOLDER"], ACME],
        env=process,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["tasks"]["publish.publish_results"] == "skipped", "what was not begun is skipped by Airflow"
    assert (found["run"], found["tasks"]["finish_run"]) == ("failed", "failed"), found
    assert pipeline.query("SELECT status FROM compliance.runs") == [{"status": "failed"}]
    assert pipeline.query("SELECT 1 FROM integration.workspace_leases") == []
