"""The DAG that events of webhooks start: when it listens, and one real run for what one of them touched."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bitbucket_compliance.tasks import bitbucket_events
from local import airflow_run, services
from sandbox.process import SandboxServer
from tests.harness import DEMO, Pipeline, bitbucket_connection
from tests.pipeline.announced import announce, waiting

ROOT = Path(__file__).resolve().parents[2]

_SCHEDULE = """
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
import json, sys
dag = DagBag(sys.argv[1]).dags["bitbucket_events"]
stored = DagSerialization.to_dict(dag)
print(json.dumps(stored, default=str))
"""


@pytest.mark.parametrize("address", ["", "https://hooks.example.com/webhooks/bitbucket"])
def test_it_listens_where_there_is_an_address_to_deliver_to(address: str, tmp_path: Path) -> None:
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "COMPLIANCE_WEBHOOK_URL": address,
        "PYTHONPATH": os.pathsep.join((str(ROOT / "include"), str(ROOT / "plugins"))),
    }
    done = subprocess.run(
        [sys.executable, "-c", _SCHEDULE, str(ROOT / "dags" / "bitbucket_events.py")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    stored = json.dumps(json.loads(done.stdout.strip().splitlines()[-1]))
    assert ("bitbucket_webhook_events" in stored) is bool(address)
    # What the triggerer makes the trigger of.
    assert ("bitbucket_cloud.triggers.webhook_events.WebhookEventTrigger" in stored) is bool(address)


@pytest.mark.slow
def test_a_run_of_the_compliance_dag_answers_an_event_and_one_without_any_is_skipped(
    pipeline: Pipeline, sandbox: SandboxServer, airflow_home: Path
) -> None:
    pipeline.run(sandbox)
    repository = sandbox.state.workspaces[0].repositories[0]
    announce(pipeline, repository.uuid, workspace=DEMO)
    connections = services.Connections(
        pipeline.dsn, json.dumps(bitbucket_connection(sandbox.url, requests_per_hour=0)), postgres_is_embedded=False
    )
    log_file = airflow_home.with_name("run.log")
    job = airflow_run.Job("bitbucket_compliance", {"workspace": DEMO, "incremental": True})

    sandbox.state.reset(faults=False)
    assert airflow_run.run_dags([job], connections, airflow_home, log_file).succeeded
    assert {record.slug for record in sandbox.state.requests if record.slug} == {repository.slug}
    assert waiting(pipeline) == 0
    newest = pipeline.query("SELECT kind, events, status, quality FROM compliance.runs ORDER BY started_at DESC")[0]
    assert (newest["kind"], newest["events"], newest["status"]) == ("events", 1, "published")
    assert newest["quality"] is not None
    with closing(sqlite3.connect(airflow_home / "airflow.db")) as metadata:
        done = metadata.execute("SELECT task_id FROM task_instance WHERE state = 'success'").fetchall()
        told = metadata.execute("SELECT extra FROM asset_event WHERE extra LIKE '%\"kind\"%'").fetchall()
    assert {task for (task,) in done} == {"start_run", "answer_events", "finish_run"}, "one task does it all"
    assert [json.loads(extra)["kind"] for (extra,) in told] == ["events"]

    skipped = airflow_run.run_dags([job], connections, airflow_home, log_file)
    assert not skipped.succeeded
    assert skipped.reason.startswith("no event of workspace demo-workspace waits")
    assert len(pipeline.query("SELECT 1 FROM integration.runs WHERE kind = 'events'")) == 1
    assert bitbucket_events.workspaces_with_events() == []
