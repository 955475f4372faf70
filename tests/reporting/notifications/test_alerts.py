"""Operators are told of an alert once, and once of its end."""

from __future__ import annotations

import asyncio
import logging

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException

from bitbucket_compliance.tasks import deadline, operations_alerts
from tests.harness import Pipeline
from tests.reporting.notifications.conftest import Connect
from tests.reporting.notifications.receivers import WebReceiver


def change(pipeline: Pipeline, statement: str) -> None:
    with psycopg.connect(pipeline.dsn) as connection:
        connection.execute(statement)  # type: ignore[call-overload]


LATE = "UPDATE compliance.results SET fresh_until = now() - interval '1 minute'"
FRESH = "UPDATE compliance.results SET fresh_until = now() + interval '1 day'"


def test_an_alert_and_its_end_are_told_once_each_and_again_when_it_comes_back(
    news: Pipeline, web: WebReceiver, connect: Connect
) -> None:
    connect("chat", "http", web.port)
    operations_alerts.tell()
    assert web.posted == []
    change(news, LATE)
    for _ in range(2):
        operations_alerts.tell()
    [begun] = web.posted
    assert begun.json["subject"] == "Bitbucket compliance, operations: 1 new alert"
    assert [(one["alert"], one["workspace"]) for one in begun.json["alerts"]] == [("late", "acme")]
    assert "What to do:" in begun.json["text"] and "docs/operations.md#late" in begun.json["text"]
    change(news, FRESH)
    for _ in range(2):
        operations_alerts.tell()
    assert [posted.json["subject"] for posted in web.posted[1:]] == ["Bitbucket compliance, operations: 1 is over"]
    assert web.posted[1].json["ended"] == ["late of acme"]
    change(news, LATE)
    operations_alerts.tell()
    assert len(web.posted) == 3 and len({posted.json["key"] for posted in web.posted}) == 3


def test_what_could_not_be_sent_is_told_next_time(news: Pipeline, web: WebReceiver, connect: Connect) -> None:
    change(news, LATE)
    connect("nowhere", "ftp", 9)
    with pytest.raises(AirflowFailException, match="choose slackwebhook, smtp or http"):
        operations_alerts.tell()
    connect("nowhere", "http", web.port)
    operations_alerts.tell()
    assert len(web.posted) == 1


def test_without_a_connection_to_send_through_the_log_has_every_alert(
    news: Pipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("COMPLIANCE_NOTIFY_CONN_ID", raising=False)
    change(news, LATE)
    with caplog.at_level(logging.WARNING, operations_alerts.log.name):
        operations_alerts.tell()
    assert "late: acme:" in caplog.text and "docs/operations.md#late" in caplog.text


def test_a_run_that_missed_its_deadline_is_told_once_and_its_end_is_no_news(
    news: Pipeline, web: WebReceiver, connect: Connect
) -> None:
    connect("chat", "http", web.port)
    run = {
        "dag_run_id": "manual__1", "state": "running", "queued_at": "2026-01-02T03:04:05Z",
        "conf": {"workspace": "acme"},
    }  # fmt: skip
    for _ in range(2):
        asyncio.run(deadline.tell_late_run(24, context={"dag_run": run}))
    operations_alerts.tell()
    [told] = web.posted
    [alert] = told.json["alerts"]
    assert (alert["alert"], alert["workspace"], alert["subject"]) == ("run_late", "acme", "manual__1")
    assert alert["reason"] == "Run manual__1 was queued 24 hours ago and is running."


def test_nobody_is_told_of_a_deadline_of_a_run_that_had_failed_by_then(web: WebReceiver, connect: Connect) -> None:
    connect("chat", "http", web.port)
    run = {"dag_run_id": "manual__1", "state": "failed", "conf": {"workspace": "acme"}}
    asyncio.run(deadline.tell_late_run(24, context={"dag_run": run}))
    assert web.posted == []
