"""What people are told: each change once through a connection, never lost, in the form that each channel wants."""

from __future__ import annotations

import hashlib
import hmac
import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException

from bitbucket_compliance.reporting.notifications.errors import NotificationNotSent
from bitbucket_compliance.tasks import notification_digest
from sandbox.process import SandboxServer
from tests.databases import unguarded
from tests.harness import Pipeline
from tests.pipeline.small import ACME, protect, whole_run
from tests.reporting.notifications.conftest import Connect, drop_approvals, first
from tests.reporting.notifications.receivers import MailReceiver, WebReceiver

PEERS = "Code changes should be reviewed by peers before merging"


def marked(pipeline: Pipeline, *, told: bool = True) -> int:
    return int(
        pipeline.query("SELECT count(*) AS n FROM integration.notifications_sent WHERE told = %s", (told,))[0]["n"]
    )


def subjects(web: WebReceiver) -> list[str]:
    return [posted.json["subject"] for posted in web.posted]


# ------------------------------------------------------------------------------------------- once for each change


def test_the_first_message_tells_what_the_newest_run_changed_and_nothing_older(
    news: Pipeline, web: WebReceiver, connect: Connect
) -> None:
    connect("chat", "http", web.port)
    notification_digest.notify(ACME)
    [posted] = web.posted
    told = [(change["kind"], change["subject_name"], change["test_title"]) for change in posted.json["changes"]]
    assert told == [("failing", "repo-0", PEERS)]
    assert marked(news, told=False) > 1  # what failed before is known, and no news


def test_the_first_run_of_a_workspace_changes_nothing(
    pipeline: Pipeline, acme: SandboxServer, web: WebReceiver, connect: Connect
) -> None:
    whole_run(pipeline, acme)
    connect("chat", "http", web.port)
    notification_digest.notify(ACME)
    assert web.posted == []


def test_a_change_is_told_once_and_not_with_each_run(
    news: Pipeline, acme: SandboxServer, web: WebReceiver, connect: Connect
) -> None:
    connect("chat", "http", web.port)
    notification_digest.notify(ACME)
    notification_digest.notify(ACME)
    whole_run(news, acme)
    notification_digest.notify(ACME)
    assert len(web.posted) == 1


def test_a_fix_is_told_and_so_is_failing_again(
    news: Pipeline, acme: SandboxServer, web: WebReceiver, connect: Connect
) -> None:
    connect("chat", "http", web.port)
    notification_digest.notify(ACME)
    protect(first(acme))
    whole_run(news, acme)
    notification_digest.notify(ACME)
    drop_approvals(first(acme))
    whole_run(news, acme)
    notification_digest.notify(ACME)
    assert [subject.rpartition(": ")[2] for subject in subjects(web)] == [
        "1 newly failing",
        "1 fixed",
        "1 newly failing",
    ]


def test_a_failure_is_told_again_when_it_becomes_overdue(news: Pipeline, web: WebReceiver, connect: Connect) -> None:
    connect("chat", "http", web.port)
    notification_digest.notify(ACME)
    with psycopg.connect(news.dsn) as connection, unguarded(connection):
        connection.execute(
            "UPDATE compliance.finding_records SET due_at = now() WHERE test_id = 'peer_review_required'"
        )
    notification_digest.notify(ACME)
    notification_digest.notify(ACME)
    assert subjects(web)[1:] == ["Bitbucket compliance, acme: 1 overdue"]


def test_evidence_is_told_fourteen_days_before_it_expires_unless_newer_evidence_is_there(
    news: Pipeline, web: WebReceiver, connect: Connect
) -> None:
    connect("chat", "http", web.port)
    notification_digest.notify(ACME)
    # Evidence is valid for 90 days: the first ends in 13, the second in 15.
    _accept_evidence(news, "old.csv", age=77)
    _accept_evidence(news, "later.csv", age=75, test_id="peer_review_required")
    notification_digest.notify(ACME)
    [told] = web.posted[1].json["changes"]
    assert (told["kind"], told["subject_name"]) == ("expiring", "old.csv")
    assert "old.csv: Bitbucket workspace level MFA should be enforced is supported until" in web.posted[1].json["text"]
    _accept_evidence(news, "expiring too.csv", age=78)
    _accept_evidence(news, "fresh.csv", age=1)
    notification_digest.notify(ACME)
    assert len(web.posted) == 2


def test_an_exception_that_ended_over_a_failure_is_told(news: Pipeline, web: WebReceiver, connect: Connect) -> None:
    connect("chat", "http", web.port)
    notification_digest.notify(ACME)
    with psycopg.connect(news.dsn) as connection:
        connection.execute(
            "INSERT INTO compliance.exception_endings"
            " (exception_id, workspace, test_id, subject_id, facts_hash, ended_at, cause, run_id)"
            " SELECT gen_random_uuid(), workspace, test_id, subject_id, facts_hash, now(), 'expired', run_id"
            " FROM compliance.results WHERE test_id = 'peer_review_required' AND status = 'failing'"
        )
    notification_digest.notify(ACME)
    assert "repo-0" in web.posted[1].json["text"] and "the exception ended (it expired)" in web.posted[1].json["text"]


def test_each_connection_is_told_for_itself(
    news: Pipeline, web: WebReceiver, mail: MailReceiver, connect: Connect
) -> None:
    connect("chat", "http", web.port)
    notification_digest.notify(ACME)
    _connect_mail(connect, mail)
    notification_digest.notify(ACME)
    assert len(web.posted) == len(mail.mails) == 1


def test_what_was_marked_can_not_be_taken_back(news: Pipeline, web: WebReceiver, connect: Connect) -> None:
    connect("chat", "http", web.port)
    notification_digest.notify(ACME)
    with psycopg.connect(news.dsn) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("DELETE FROM integration.notifications_sent")


def test_a_login_that_is_the_pipeline_and_no_more_can_tell(
    news: Pipeline, web: WebReceiver, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect("chat", "http", web.port)
    monkeypatch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", f"{news.dsn}?options=-c%20role%3Dcompliance_pipeline")
    notification_digest.notify(ACME)
    assert len(web.posted) == 1


# --------------------------------------------------------------------------------------------- failures to send


@pytest.mark.parametrize("status", [500, 503, 429])
def test_what_could_not_be_sent_is_retried_and_told_then(
    status: int, news: Pipeline, web: WebReceiver, connect: Connect
) -> None:
    connect("chat", "http", web.port)
    web.answers = [status]
    with pytest.raises(NotificationNotSent, match=f"connection chat: the receiver answered {status}"):
        notification_digest.notify(ACME)
    assert marked(news) == 0
    notification_digest.notify(ACME)
    notification_digest.notify(ACME)
    assert [posted.json["total"] for posted in web.posted] == [1, 1]
    assert web.posted[0].headers["Idempotency-Key"] == web.posted[1].headers["Idempotency-Key"]


def test_what_waiting_can_not_cure_is_not_retried_and_not_lost(
    news: Pipeline, acme: SandboxServer, web: WebReceiver, connect: Connect
) -> None:
    connect("chat", "http", web.port)
    web.answers = [404]
    with pytest.raises(AirflowFailException, match="answered 404"):
        notification_digest.notify(ACME)
    whole_run(news, acme)  # another run in between: the change is not the newest run's any more
    notification_digest.notify(ACME)
    assert [posted.json["total"] for posted in web.posted] == [1, 1]


def test_a_redirect_is_not_followed(news: Pipeline, web: WebReceiver, connect: Connect) -> None:
    connect("chat", "http", web.port)
    web.answers = [302]
    with pytest.raises(AirflowFailException, match="answered 302"):
        notification_digest.notify(ACME)


@pytest.mark.parametrize(
    ("conn_type", "port", "fields"),
    [
        ("slackwebhook", None, {"host": "127.0.0.1:1", "password": "T000/B000/verysecret"}),
        ("http", None, {"host": "http://127.0.0.1:1/verysecret", "password": "verysecret", "login": "me"}),
        ("smtp", 1, {"password": "verysecret", "extra": {"from_email": "p@example.com"}, "to": "a@example.com"}),
    ],
)
def test_a_receiver_that_is_gone_is_retried_and_its_secret_stays_out_of_message_and_log(
    conn_type: str,
    port: int | None,
    fields: dict[str, Any],
    news: Pipeline,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    connect(conn_type, conn_type, port, **fields)
    with pytest.raises(NotificationNotSent) as failed:
        notification_digest.notify(ACME)
    assert "verysecret" not in str(failed.value) and failed.value.retryable
    assert failed.value.__cause__ is None
    assert "verysecret" not in caplog.text


@pytest.mark.parametrize(
    ("conn_type", "fields", "said"),
    [
        ("slackwebhook", {}, "the webhook's token is missing"),
        ("http", {"host": ""}, "enter the whole one, such as https://example.com/hook"),
        ("http", {"schema": None}, "enter the whole one, such as https://example.com/hook"),
        ("http", {"extra": {"headers": {"a": "b"}}}, "InvalidHeader"),
        ("smtp", {}, "extra from_email is missing"),
        ("smtp", {"extra": {"from_email": "p@example.com"}, "to": ""}, "set COMPLIANCE_NOTIFY_TO"),
    ],
)
def test_a_connection_that_lacks_something_is_not_retried(
    conn_type: str, fields: dict[str, Any], said: str, news: Pipeline, web: WebReceiver, connect: Connect
) -> None:
    connect("tried", conn_type, web.port, **{"to": "a@example.com", **fields})
    with pytest.raises(AirflowFailException, match=f"connection tried: .*{said}"):
        notification_digest.notify(ACME)
    assert web.posted == []


def test_mail_that_the_server_turns_away_goes_out_next_time(
    news: Pipeline, mail: MailReceiver, connect: Connect
) -> None:
    _connect_mail(connect, mail)
    mail.refusing = True
    with pytest.raises(NotificationNotSent):
        notification_digest.notify(ACME)
    mail.refusing = False
    notification_digest.notify(ACME)
    assert len(mail.mails) == 1


def test_two_runs_at_once_tell_a_change_once(news: Pipeline, web: WebReceiver, connect: Connect) -> None:
    connect("chat", "http", web.port)
    threads = [threading.Thread(target=notification_digest.notify, args=(ACME,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(web.posted) == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"COMPLIANCE_NOTIFY_CONN_ID": ""}, "notifications are off: set COMPLIANCE_NOTIFY_CONN_ID"),
        ({"COMPLIANCE_NOTIFY_CONN_ID": "nowhere"}, "connection nowhere: there is none of this id"),
        ({"COMPLIANCE_NOTIFY_CONN_ID": "compliance_postgres"}, "choose slackwebhook, smtp or http"),
        ({"COMPLIANCE_NOTIFY_CONN_ID": "x", "COMPLIANCE_NOTIFY_DIGEST": "weekly"}, "COMPLIANCE_NOTIFY_DIGEST=weekly"),
    ],
)
def test_settings_that_can_not_work_are_named(
    settings: dict[str, str], said: str, news: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(AirflowFailException, match=said):
        notification_digest.notify(ACME)


# ------------------------------------------------------------------------------------------------------- digest


def test_a_digest_tells_of_all_workspaces_in_one_message(
    news: Pipeline, web: WebReceiver, connect: Connect, acme: SandboxServer
) -> None:
    connect("chat", "http", web.port, digest="daily")
    with psycopg.connect(news.dsn) as connection:
        # A second workspace that looks just like the first.
        for table in ("integration.runs", "compliance.results", "compliance.result_history"):
            connection.execute(
                f"INSERT INTO {table} SELECT (jsonb_populate_record(rows, jsonb_build_object('workspace', 'other',"  # noqa: S608
                f" 'run_id', 'other-' || rows.run_id))).* FROM {table} AS rows WHERE rows.workspace = 'acme'"
            )
        connection.execute(
            "INSERT INTO compliance.finding_records SELECT (jsonb_populate_record(rows, jsonb_build_object('workspace',"
            " 'other', 'finding_id', gen_random_uuid()))).* FROM compliance.finding_records AS rows"
        )
    notification_digest.notify()
    notification_digest.notify()
    [posted] = web.posted
    assert posted.json["workspaces"] == ["acme", "other"]
    assert "repo-0 in acme" in posted.json["text"] and "repo-0 in other" in posted.json["text"]


# ----------------------------------------------------------------------------------------------------- channels


def test_a_webhook_is_signed_with_its_secret(news: Pipeline, web: WebReceiver, connect: Connect) -> None:
    url = f"http://127.0.0.1:{web.port}/hooks/compliance"
    extra = {"hmac_secret": "between us", "X-Team": "a"}
    connect("chat", "http", None, host=url, login="me", password="pass", extra=extra)
    notification_digest.notify(ACME)
    [posted] = web.posted
    assert posted.path == "/hooks/compliance" and posted.headers["X-Team"] == "a"
    assert "between us" not in posted.headers.values()
    assert posted.headers["Authorization"].startswith("Basic ")
    signature = hmac.new(b"between us", posted.body, hashlib.sha256).hexdigest()
    assert posted.headers["X-Hub-Signature-256"] == f"sha256={signature}"


def test_slack_gets_text_without_markup_at_its_secret_address(
    news: Pipeline, web: WebReceiver, connect: Connect
) -> None:
    _connect_slack(connect, web)
    notification_digest.notify(ACME)
    [posted] = web.posted
    assert posted.path == "/services/T000/B000/XXX"
    assert posted.json["mrkdwn"] is False and posted.json["link_names"] is False
    assert f"- [high] repo-0: {PEERS}" in posted.json["text"]


def test_a_redirect_is_no_answer_of_slack(news: Pipeline, web: WebReceiver, connect: Connect) -> None:
    _connect_slack(connect, web)
    web.answers, web.location = [302], f"http://127.0.0.1:{web.port}/sign-in"
    with pytest.raises(AirflowFailException, match="connection slack: the receiver answered 302"):
        notification_digest.notify(ACME)
    assert marked(news) == 0


@pytest.mark.parametrize(("status", "kind"), [(503, NotificationNotSent), (404, AirflowFailException)])
def test_slack_is_retried_where_waiting_can_help(
    status: int, kind: type[Exception], news: Pipeline, web: WebReceiver, connect: Connect
) -> None:
    _connect_slack(connect, web)
    web.answers = [status]
    with pytest.raises(kind, match=f"connection slack: the receiver answered {status}"):
        notification_digest.notify(ACME)
    assert len(web.posted) == 1


def test_mail_is_plain_text_for_every_recipient(news: Pipeline, mail: MailReceiver, connect: Connect) -> None:
    _connect_mail(connect, mail)
    notification_digest.notify(ACME)
    [one] = mail.mails
    assert one["Subject"] == "Bitbucket compliance, acme: 1 newly failing"
    assert one.get_content_type() == "text/plain"
    assert "repo-0" in one.get_content()
    assert mail.recipients == ["a@example.com", "b@example.com"]


def _connect_slack(connect: Connect, web: WebReceiver) -> None:
    connect("slack", "slackwebhook", None, host=f"127.0.0.1:{web.port}/services", password="T000/B000/XXX")


def _connect_mail(connect: Connect, mail: MailReceiver) -> None:
    extra = {"from_email": "pipeline@example.com", "disable_ssl": True, "disable_tls": True, "retry_limit": 0}
    connect("post", "smtp", mail.port, to="a@example.com, b@example.com", extra=extra)


def _accept_evidence(pipeline: Pipeline, file_name: str, *, age: int, test_id: str = "workspace_mfa_enforced") -> None:
    captured_on = (datetime.now(UTC) - timedelta(days=age)).date()
    with psycopg.connect(pipeline.dsn) as connection:
        row = connection.execute(
            "INSERT INTO registry.evidence (test_id, scope, workspace, kind, captured_on, submitted_by, file_name,"
            " file_sha256) VALUES (%s, 'workspace', 'acme', 'screenshot', %s, 'os:tester', %s, 'x')"
            " RETURNING evidence_id",
            (test_id, captured_on, file_name),
        ).fetchone()
        assert row is not None
        connection.execute(
            "INSERT INTO registry.evidence_decisions (evidence_id, decision, decided_by, policy_version)"
            " SELECT %s, 'accepted', 'os:r', min(policy_version) FROM registry.policy_versions",
            (row[0],),
        )
