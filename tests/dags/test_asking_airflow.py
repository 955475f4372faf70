"""The first task of a real run asks the real Airflow whether the run that has its workspace is over."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from local import airflow_run, services
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline, bitbucket_connection
from tests.pipeline.small import ACME, FAST, small_state

Serve = Callable[[SandboxState], SandboxServer]


@pytest.mark.slow
def test_a_run_takes_the_workspace_of_one_that_has_ended_and_is_skipped_beside_one_that_has_not(
    pipeline: Pipeline, serve: Serve, airflow_home: Path
) -> None:
    server = serve(small_state(1))
    connections = services.Connections(
        pipeline.dsn, json.dumps(bitbucket_connection(server.url, "admin", **FAST)), postgres_is_embedded=False
    )
    job = airflow_run.Job("bitbucket_compliance", {"workspace": ACME, "full_refresh": False})

    def run() -> airflow_run.Outcome:
        return airflow_run.run_dags([job], connections, airflow_home, airflow_home.with_name("run.log"))

    assert run().succeeded
    [first] = pipeline.query("SELECT run_id FROM integration.runs")
    held = "INSERT INTO integration.workspace_leases VALUES (%s, %s, now(), null, 'bitbucket_compliance') RETURNING 1"
    pipeline.query(held, (ACME, first["run_id"]))
    assert run().succeeded, "Airflow says that the first one is over"
    pipeline.query(held, (ACME, first["run_id"]))
    with closing(sqlite3.connect(airflow_home / "airflow.db")) as metadata:
        metadata.execute("UPDATE dag_run SET state = 'running' WHERE run_id = ?", (first["run_id"],))
        metadata.commit()
    skipped = run()
    assert not skipped.succeeded and "is not finished: this run is skipped" in skipped.reason
    assert len(pipeline.query("SELECT 1 FROM integration.runs WHERE status = 'published'")) == 2
