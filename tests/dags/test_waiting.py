"""The real DAG where Bitbucket limits the rate: its tasks give their worker back, come back, and finish the run."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from local import airflow_run, services
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline, bitbucket_connection
from tests.pipeline.small import ACME, small_state, statuses

Serve = Callable[[SandboxState], SandboxServer]


@pytest.mark.slow
def test_a_task_that_may_not_ask_now_defers_and_goes_on_where_it_stopped(
    pipeline: Pipeline,
    serve: Serve,
    airflow_home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = serve(small_state(6))
    # Listing and reading each meet a limit; none is waited out, so each is a deferral of some three seconds.
    for endpoint in ("workspace_members", "branch_restrictions"):
        server.state.add_fault(endpoint, status=429, remaining=1)
    extra = {"rate_limit_pauses": 0, "rate_limit_wait": 3, "connections": 2}
    connections = services.Connections(
        pipeline.dsn, json.dumps(bitbucket_connection(server.url, "admin", **extra)), postgres_is_embedded=False
    )
    log_file = airflow_home.with_name("run.log")
    job = airflow_run.Job("bitbucket_compliance", {"workspace": ACME, "full_refresh": False})
    outcome = airflow_run.run_dags([job], connections, airflow_home, log_file)
    printed = capsys.readouterr().out
    assert outcome.succeeded, printed + log_file.read_text()[-3000:]
    assert printed.count("goes on at") == 2, printed
    assert "retry" not in printed, "waiting is no failure"
    asked = Counter((record.endpoint, record.slug) for record in server.state.requests if record.status == 200)
    twice = {call: count for call, count in asked.items() if count > 1 and call[0] != "access_token"}
    assert twice == {}
    assert set(statuses(pipeline, "repo-5").values()) == {"passing", "failing"}
    assert_the_asset_tells_what_was_published(pipeline, airflow_home)
    with closing(sqlite3.connect(airflow_home / "airflow.db")) as metadata:
        skipped = metadata.execute("SELECT task_id FROM task_instance WHERE state = 'skipped'").fetchall()
    assert skipped == [("answer_events",)], "a whole run takes its steps one by one"


def assert_the_asset_tells_what_was_published(pipeline: Pipeline, airflow_home: Path) -> None:
    """Whoever is scheduled by the asset need not look into the database to learn what it is about."""
    with closing(sqlite3.connect(airflow_home / "airflow.db")) as metadata:
        ((uri, told),) = metadata.execute(
            "SELECT asset.uri, asset_event.extra FROM asset_event JOIN asset ON asset.id = asset_event.asset_id"
            " WHERE asset.name = 'bitbucket_compliance_results'"
        ).fetchall()
    extra = json.loads(told)
    assert uri == "x-compliance://compliance_postgres/compliance/current_results"
    (run,) = pipeline.query("SELECT run_id, workspace_id, kind FROM compliance.runs WHERE status = 'published'")
    assert {name: extra[name] for name in ("run_id", "workspace_id", "kind")} == run
    assert extra["workspace"] == ACME
    counted = pipeline.query("SELECT status, count(*) AS results FROM compliance.current_results GROUP BY status")
    assert extra["results"] == {row["status"]: row["results"] for row in counted}
    assert extra["changed"] == sum(extra["results"].values()) and extra["gone"] == 0
