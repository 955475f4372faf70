"""A fresh installation: scheduled DAGs run at once, and are skipped with the reason until something is connected."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from bitbucket_compliance.tasks import (
    bitbucket_schedule,
    bitbucket_webhooks,
    housekeeping,
    notification_digest,
    operations_alerts,
    roster_refresh,
)
from local import airflow_run, services
from sandbox.process import SandboxServer
from tests.harness import DEMO, Pipeline, bitbucket_connection
from tests.vaulting import rows

BITBUCKET = "AIRFLOW_CONN_BITBUCKET_DEFAULT"
POSTGRES = "AIRFLOW_CONN_COMPLIANCE_POSTGRES"


def plan_webhooks() -> object:
    return bitbucket_webhooks.plan_task("ensure", "")


PLANNED = [bitbucket_schedule.connected_workspaces, plan_webhooks]


@pytest.fixture(autouse=True)
def _nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BITBUCKET, raising=False)
    monkeypatch.setenv("COMPLIANCE_WEBHOOK_URL", "https://hooks.example.com/webhooks/bitbucket")
    monkeypatch.setenv("COMPLIANCE_NOTIFY_CONN_ID", "slack")


@pytest.mark.parametrize("planned", PLANNED)
@pytest.mark.parametrize("unset", [None, ""])
def test_without_a_connection_to_bitbucket_the_run_is_skipped(
    dsn: str, monkeypatch: pytest.MonkeyPatch, planned: Callable[[], object], unset: str | None
) -> None:
    if unset is not None:
        monkeypatch.setenv(BITBUCKET, unset)
    with pytest.raises(AirflowSkipException, match="no Airflow connection bitbucket_default yet"):
        planned()


@pytest.mark.parametrize("planned", PLANNED)
def test_a_connection_without_workspaces_is_none_yet(
    dsn: str, monkeypatch: pytest.MonkeyPatch, planned: Callable[[], object]
) -> None:
    monkeypatch.setenv(BITBUCKET, json.dumps(bitbucket_connection("http://127.0.0.1:9")))
    with pytest.raises(AirflowSkipException, match="names no workspace yet"):
        planned()


@pytest.mark.parametrize("planned", PLANNED)
def test_a_connection_that_waits_for_a_persons_consent_is_skipped_and_one_that_lost_it_is_not(
    dsn: str, monkeypatch: pytest.MonkeyPatch, planned: Callable[[], object]
) -> None:
    waits = bitbucket_connection("http://127.0.0.1:9", auth="authorization_code", workspaces=[DEMO])
    monkeypatch.setenv(BITBUCKET, json.dumps(waits))
    with pytest.raises(AirflowSkipException, match="is not connected to Bitbucket yet; a person has to connect it"):
        planned()
    rows(
        dsn,
        "INSERT INTO integration.token_vault (conn_id, consumer, access_token, refresh_token, expires_at, status,"
        " status_reason, status_since, connected_by, connected_at) VALUES ('bitbucket_default', 'oauth:k', 'a', 'r',"
        " now(), 'needs_reconnect', 'it was revoked', now(), 'airflow:a', now())",
    )
    try:
        assert planned(), "its runs say that it has to be connected again"
    except AirflowFailException as error:
        assert "skipped" not in str(error)


@pytest.mark.parametrize(
    "scheduled",
    [
        bitbucket_schedule.connected_workspaces,
        plan_webhooks,
        housekeeping.reopen_expired,
        housekeeping.forget_old,
        housekeeping.delete_packages,
        notification_digest.notify,
        operations_alerts.tell,
        lambda: roster_refresh.refresh_roster(None),
    ],
)
def test_without_a_postgres_for_the_results_every_scheduled_task_is_skipped(
    monkeypatch: pytest.MonkeyPatch, scheduled: Callable[[], object]
) -> None:
    monkeypatch.delenv(POSTGRES, raising=False)
    with pytest.raises(AirflowSkipException, match="no Airflow connection compliance_postgres yet"):
        scheduled()


def test_a_postgres_that_is_named_and_does_not_answer_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POSTGRES, "postgresql://nobody:secret@127.0.0.1:9/nothing")
    with pytest.raises(Exception, match="does not answer"):
        housekeeping.reopen_expired()


@pytest.mark.slow
def test_the_schedule_of_a_fresh_installation_succeeds_and_says_why_it_did_nothing(
    pipeline: Pipeline, sandbox: SandboxServer, airflow_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    waits = bitbucket_connection(sandbox.url, auth="authorization_code", workspaces=[DEMO])
    connections = services.Connections(pipeline.dsn, json.dumps(waits), postgres_is_embedded=False)
    for dag_id in ("bitbucket_schedule", "bitbucket_webhooks"):
        outcome = airflow_run.run_dags(
            [airflow_run.Job(dag_id, {})], connections, airflow_home, airflow_home.with_name("run.log")
        )
        assert "is not connected to Bitbucket yet" in outcome.reason
        printed = capsys.readouterr().out
        assert "failed" not in printed and "skipped" in printed
    assert sandbox.state.requests == []
