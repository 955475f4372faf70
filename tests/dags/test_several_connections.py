"""Several connections to Bitbucket: each reads the workspaces that it names, with the requests of its own consumer."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from bitbucket_compliance.core.bitbucket import CONNECTIONS, connection_ids
from bitbucket_compliance.core.errors import ConnectionRefused
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from bitbucket_compliance.tasks import bitbucket_schedule, bitbucket_webhooks
from bitbucket_compliance.tasks.connected import connection_of
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.conftest import Database
from tests.harness import Pipeline, bitbucket_connection
from tests.pipeline.small import ACME, FAST, small_state, start

DEFAULT, SECOND = "AIRFLOW_CONN_BITBUCKET_DEFAULT", "AIRFLOW_CONN_BITBUCKET_BETA"
NOBODY = "http://127.0.0.1:9"


def connect(monkeypatch: pytest.MonkeyPatch, variable: str, **extra: object) -> None:
    monkeypatch.setenv(variable, json.dumps(bitbucket_connection(NOBODY, **extra)))


@pytest.fixture(autouse=True)
def _two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONNECTIONS, "bitbucket_default, bitbucket_beta")


def planned() -> list[str]:
    return [str(conf["workspace"]) for conf in bitbucket_schedule.connected_workspaces()]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", ("bitbucket_default",)), (" , ", ("bitbucket_default",)), ("b, a ,b", ("b", "a"))],
)
def test_which_connections_there_are(value: str, expected: tuple[str, ...]) -> None:
    assert connection_ids({CONNECTIONS: value}) == expected
    assert connection_ids({}) == ("bitbucket_default",)


def test_a_run_is_started_for_each_workspace_of_each_connection(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, DEFAULT, workspaces=["acme", "acme-labs"])
    connect(monkeypatch, SECOND, workspaces=["beta"])
    assert planned() == ["acme", "acme-labs", "beta"]


def test_the_oldest_verdicts_are_renewed_first_and_a_share_is_kept_for_each_workspace(
    dsn: str, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    for slug, age, requests in (("acme", 1, 900), ("acme-labs", 30, 20)):
        database.execute(
            "INSERT INTO integration.runs (run_id, workspace, started_at, finished_at, status, policy_version, plan)"
            " VALUES (%s, %s, now(), now() - make_interval(hours => %s), 'published', 'p',"
            " jsonb_build_object('requests', %s::int))",
            (slug, slug, age, requests),
        )
    connect(monkeypatch, DEFAULT, workspaces=["acme", "acme-labs", "new"])
    connect(monkeypatch, SECOND, workspaces=["beta"])
    assert planned() == ["new", "beta", "acme-labs", "acme"]
    kept = database.execute("SELECT spender, wanted FROM integration.request_shares").fetchall()
    assert {row["spender"]: row["wanted"] for row in kept} == {
        "acme": 900,
        "acme-labs": 20,
        "new": None,
        "beta": None,
    }


def test_a_bad_connection_holds_up_no_other_and_is_told(
    dsn: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connect(monkeypatch, DEFAULT, workspaces=["acme"], requests_per_hour="many")
    connect(monkeypatch, SECOND, workspaces=["beta"])
    with caplog.at_level(logging.INFO):
        assert planned() == ["beta"]
    [told] = [record for record in caplog.records if "left out" in record.getMessage()]
    assert told.levelno == logging.ERROR and "bitbucket_default" in told.getMessage()
    monkeypatch.delenv(SECOND)
    with pytest.raises(AirflowFailException, match="requests_per_hour"):
        planned()
    monkeypatch.delenv(DEFAULT)
    with pytest.raises(AirflowSkipException, match="no Airflow connection bitbucket_default yet"):
        planned()


def test_a_workspace_is_read_by_the_connection_that_names_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, DEFAULT, workspaces=["acme"])
    connect(monkeypatch, SECOND, workspaces=["Beta"])
    found = {name: connection_of(database, name) for name in ("acme", "beta", "BETA", "elsewhere")}
    assert found == {
        "acme": "bitbucket_default",
        "beta": "bitbucket_beta",
        "BETA": "bitbucket_beta",
        "elsewhere": "bitbucket_default",
    }


def test_a_workspace_that_two_connections_name_is_read_by_neither(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, DEFAULT, workspaces=["acme", "beta"])
    connect(monkeypatch, SECOND, workspaces=["beta"])
    assert connection_of(database, "acme") == "bitbucket_default"
    with pytest.raises(ConnectionRefused, match="named by the connections bitbucket_default and bitbucket_beta"):
        connection_of(database, "beta")


def test_a_workspace_that_a_connection_which_cant_be_read_may_name_is_not_read_by_another(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, DEFAULT, workspaces=["acme"])
    monkeypatch.delenv(SECOND, raising=False)
    assert connection_of(database, "acme") == "bitbucket_default"
    with pytest.raises(ConnectionRefused, match="no Airflow connection bitbucket_beta yet"):
        connection_of(database, "beta")


def test_a_run_reads_with_the_connection_of_its_workspace(
    pipeline: Pipeline, serve: Callable[[SandboxState], SandboxServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = serve(small_state(1))
    pipeline.connect_to(sandbox, "admin", **FAST)
    of_acme = json.loads(os.environ[DEFAULT])
    of_acme["extra"] = {**of_acme["extra"], "workspaces": [ACME]}
    monkeypatch.setenv(SECOND, json.dumps(of_acme))
    connect(monkeypatch, DEFAULT, workspaces=["other"])
    run_id = start()
    tasks.preflight(ACME, run_id)
    assert sandbox.state.requests, "the default connection leads nowhere"
    pipeline.release(ACME)


def test_webhooks_are_looked_after_for_every_connection(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPLIANCE_WEBHOOK_URL", "https://hooks.example.com/webhooks/bitbucket")
    connect(monkeypatch, DEFAULT, workspaces=["acme"])
    connect(monkeypatch, SECOND, workspaces=["beta"])
    assert bitbucket_webhooks.plan("ensure") == ["acme", "beta"]
    assert bitbucket_webhooks.plan("ensure", "beta") == ["beta"]
