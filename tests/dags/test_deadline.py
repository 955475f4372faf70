"""The DAG of a workspace's run has a deadline, as Airflow itself keeps it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bitbucket_compliance.tasks import deadline
from local import environment

pytestmark = pytest.mark.slow


def test_airflow_keeps_the_deadline_and_sees_no_new_version_of_the_dag_when_it_parses_it_again(
    airflow_home: Path,
) -> None:
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "airflow", "dags", "reserialize"],
            env=environment.airflow_environment(airflow_home) | {deadline.HOURS: "24"},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(airflow_home / "airflow.db")) as metadata:
        alerts = metadata.execute("SELECT reference, interval, callback_def FROM deadline_alert").fetchall()
        versions = metadata.execute("SELECT count(*) FROM dag_version WHERE dag_id = 'bitbucket_compliance'").fetchall()
    [(reference, interval, callback)] = alerts
    assert "DagRunQueuedAt" in str(reference)
    assert "86400" in str(interval)
    assert "bitbucket_compliance.tasks.deadline.tell_late_run" in json.dumps(callback)
    assert versions == [(1,)]


@pytest.mark.parametrize(
    ("text", "hours"), [("", 0.0), ("6.5", 6.5), ("0", 0.0), ("soon", 0.0), ("nan", 0.0), ("1e9", 0.0), ("-1", 0.0)]
)
def test_the_environment_says_how_long_a_run_may_take(monkeypatch: pytest.MonkeyPatch, text: str, hours: float) -> None:
    monkeypatch.setenv(deadline.HOURS, text)
    assert deadline.deadline_hours() == hours
    assert (deadline.deadline_alert() is None) == (hours == 0)


def test_an_airflow_that_knows_no_deadlines_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "_of_airflow", lambda name: None)
    assert deadline.deadline_alert() is None
