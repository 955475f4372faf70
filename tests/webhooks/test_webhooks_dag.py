"""The DAG of webhooks, run for real: a task a workspace, and nothing where no address is set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from local import airflow_run, services
from sandbox.process import SandboxServer
from tests.harness import DEMO, Pipeline, bitbucket_connection
from tests.vaulting import KEY, KEY_VARIABLE, OTHER_KEY, WEBHOOK_KEY_VARIABLE

Run = Callable[..., airflow_run.Outcome]


@pytest.fixture
def run(pipeline: Pipeline, sandbox: SandboxServer, airflow_home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the DAG once with each of these parameters."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setenv(WEBHOOK_KEY_VARIABLE, OTHER_KEY)
    monkeypatch.setenv("COMPLIANCE_WEBHOOK_URL", "https://hooks.example.com/webhooks/bitbucket")
    extra = {"workspaces": [DEMO, "nowhere"], "requests_per_hour": 0}
    connections = services.Connections(
        pipeline.dsn, json.dumps(bitbucket_connection(sandbox.url, **extra)), postgres_is_embedded=False
    )

    def go(*given: dict[str, object]) -> airflow_run.Outcome:
        jobs = [airflow_run.Job("bitbucket_webhooks", conf) for conf in given]
        return airflow_run.run_dags(jobs, connections, airflow_home, airflow_home.with_name("run.log"))

    return go


@pytest.mark.slow
def test_one_workspace_is_registered_switched_on_and_removed(
    run: Run, sandbox: SandboxServer, capsys: pytest.CaptureFixture[str]
) -> None:
    hooks = sandbox.state.workspaces[0].webhooks
    ensure = {"action": "ensure", "workspace": DEMO}
    assert run(ensure).succeeded, capsys.readouterr().out
    (hook,) = hooks
    hook.active = False
    assert run(ensure | {"reactivate": False}).succeeded and not hook.active
    again, remove = ensure | {"reactivate": True}, {"action": "remove", "workspace": DEMO}
    assert run(again, remove).succeeded and hook.active
    assert hooks == []


@pytest.mark.slow
def test_without_an_address_it_is_skipped(
    run: Run, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COMPLIANCE_WEBHOOK_URL")
    assert run({}).succeeded
    assert "skipped" in capsys.readouterr().out
    assert not sandbox.state.requests
