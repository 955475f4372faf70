"""Runs started by the console, in an Airflow of its own: its metadata database and our DAGs, no scheduler."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import json
from airflow.cli import cli_parser
parsed = cli_parser.get_parser().parse_args(["dags", "reserialize"])
parsed.func(parsed)
from airflow.api.common.trigger_dag import trigger_dag
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from airflow.utils.types import DagRunTriggeredByType
from sqlalchemy import select
from compliance_console_app.services import dag_runs
from compliance_console_app.permissions import DAG_ID, Person

found = {"before": dag_runs.under_way("demo")}
with create_session() as session:
    session.get(DagModel, DAG_ID).is_paused = True
try:
    dag_runs.start("demo", Person("ann"))
except dag_runs.RunNotStarted as refusal:
    found["paused"] = str(refusal)
with create_session() as session:
    session.get(DagModel, DAG_ID).is_paused = False
conf = {"workspace": "demo", "incremental": True}
of_events = trigger_dag(DAG_ID, triggered_by=DagRunTriggeredByType.OPERATOR, conf=conf)
found["of_events"] = [dag_runs.under_way("demo") == of_events.run_id, dag_runs.under_way("demo", whole=True)]
with create_session() as session:
    session.scalar(select(DagRun).where(DagRun.run_id == of_events.run_id)).state = "success"
run_id = dag_runs.start("demo", Person("ann"))
other = dag_runs.start("other", Person("ann"))
found["apart"] = run_id != other
found["under_way"] = dag_runs.under_way("demo") == run_id and dag_runs.under_way("other") == other
found["nobody"] = dag_runs.under_way("nobody")
found["state"] = dag_runs.state(run_id)
found["unknown"] = dag_runs.state("unknown")
with create_session() as session:
    run = session.scalar(select(DagRun).where(DagRun.run_id == run_id))
    found["by"], found["conf"] = run.triggering_user_name, run.conf
    run.state = "success"
found["after"] = [dag_runs.under_way("demo"), dag_runs.state(run_id)]
webhooks = dag_runs.start_webhooks("ensure", "demo", Person("ann"))
with create_session() as session:
    run = session.scalar(select(DagRun).where(DagRun.run_id == webhooks, DagRun.dag_id == dag_runs.WEBHOOKS_DAG_ID))
    found["webhooks"] = [run.triggering_user_name, run.conf]
dag_runs.start_audit_package(
    "manual__of_ann", "demo", Person("ann"), {"from": "2026-01-01", "to": "2026-01-31", "people": True}
)
found["package"] = dag_runs.states("audit_package", ["manual__of_ann", "unknown"])
dag_runs.WEBHOOKS_DAG_ID = "no_such_dag"
try:
    dag_runs.start_webhooks("ensure", "demo", Person("ann"))
except dag_runs.RunNotStarted as refusal:
    found["absent"] = str(refusal)
print("found:", json.dumps(found))
"""


def test_a_run_is_started_found_while_it_is_under_way_and_asked_for_its_state(
    airflow_home: Path, tmp_path: Path
) -> None:
    environment = os.environ | {
        "AIRFLOW_HOME": str(airflow_home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(tmp_path / "none"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{airflow_home}/airflow.db",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "include"), str(ROOT / "plugins")]),
    }

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    [line] = [line for line in done.stdout.splitlines() if line.startswith("found: ")]
    found = json.loads(line.removeprefix("found: "))
    assert "is paused: unpause it" in found.pop("paused")
    assert "no_such_dag" in found.pop("absent")
    assert found == {
        "of_events": [True, None],
        "package": {"manual__of_ann": "queued"},
        "webhooks": ["ann", {"action": "ensure", "workspace": "demo", "reactivate": True}],
        "before": None,
        "apart": True,
        "under_way": True,
        "nobody": None,
        "state": "queued",
        "unknown": None,
        "by": "ann",
        "conf": {"workspace": "demo", "full_refresh": False},
        "after": [None, "success"],
    }
