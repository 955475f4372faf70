"""The receiver as Bitbucket and others meet it: over the network, against a real Postgres."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import requests
from cryptography.fernet import Fernet

from bitbucket_cloud.auth.encryption import WebhookEncryption
from bitbucket_cloud.webhooks.signature import secret_of_webhook, sign
from local.postgres import EmbeddedPostgres
from tests.conftest import ROOT, Database
from tests.receiving import HOOK, REPOSITORY, SECRET, Registry, Running, body_of, events, headers_of, signature
from tests.webhooks.conftest import Deliver

LIMIT = 256 * 1024


# ------------------------------------------------------------------------------------------------ taken in


def test_a_signed_delivery_is_taken_in_and_nothing_of_its_body_but_the_repository(
    deliver: Deliver, database: Database
) -> None:
    body = body_of(pullrequest={"title": "a secret plan", "author": {"display_name": "Somebody"}})
    answer = deliver(body)
    assert (answer.status_code, answer.text) == (202, "taken in\n")
    (row,) = events(database)
    assert (row["conn_id"], row["workspace"], row["hook_id"]) == ("bitbucket_default", "acme", HOOK)
    assert (row["event_key"], row["repository_id"]) == ("pullrequest:fulfilled", REPOSITORY)
    assert (row["run_id"], row["handled_at"], row["announced_at"]) == (None, None, None)
    kept = json.dumps(row, default=str)
    assert not any(word in kept for word in ("secret plan", "Somebody", "elsewhere", "über"))


@pytest.mark.parametrize("hook", [HOOK, HOOK.strip("{}"), HOOK.upper()])
def test_the_uuid_of_the_webhook_may_have_braces_and_capitals(deliver: Deliver, hook: str) -> None:
    assert deliver(X_Hook_UUID=hook).status_code == 202


@pytest.mark.parametrize(
    "content",
    [b"{}", b'{"repository": null}', b'{"repository": {"uuid": 7}}', b'{"repository": {"uuid": "../x"}}'],
)
def test_a_body_that_names_no_repository_is_an_event_about_none(
    deliver: Deliver, database: Database, content: bytes
) -> None:
    assert deliver(content).status_code == 202
    assert [row["repository_id"] for row in events(database)] == [None]


def test_a_delivery_wakes_whoever_listens(deliver: Deliver, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("LISTEN webhook_events")
        assert deliver().status_code == 202
        assert [one.channel for one in connection.notifies(timeout=5, stop_after=1)] == ["webhook_events"]


def test_without_a_request_id_the_body_alone_tells(deliver: Deliver, database: Database) -> None:
    body = body_of()
    assert deliver(body, X_Request_UUID=None).text == "taken in\n"
    assert deliver(body, X_Request_UUID=None).text == "known already\n"


# ------------------------------------------------------------------------------------------------ refused


def test_a_delivery_of_an_unknown_webhook_is_refused(deliver: Deliver, database: Database) -> None:
    told = {deliver(hook="{99999999-2222-4333-8444-555555555555}").text, deliver(X_Hook_UUID=None).text}
    told |= {deliver(X_Hook_UUID=wrong).text for wrong in ("", "x", HOOK + HOOK, "' OR 1=1 --")}
    told |= {deliver(secret="wrong").text, deliver(secret=None).text}
    assert deliver(hook="{99999999-2222-4333-8444-555555555555}").status_code == 401
    # Nobody learns which of them it was.
    assert told == {"unknown webhook, or no valid signature\n"}
    assert events(database) == []


@pytest.mark.parametrize("secret", [None, "wrong", "", SECRET + " "])
def test_a_wrong_or_missing_signature_is_refused_and_counted_once_a_minute(
    deliver: Deliver, database: Database, secret: str | None
) -> None:
    for _ in range(3):
        assert deliver(secret=secret).status_code == 401
    row = database.execute("SELECT refused, refused_at FROM integration.webhooks").fetchone()
    assert row is not None
    assert row["refused"] == 1
    assert row["refused_at"] is not None
    assert events(database) == []


def test_a_signature_of_another_body_is_refused(deliver: Deliver, database: Database) -> None:
    body = body_of()
    assert deliver(body[:-1], X_Hub_Signature=signature(body)).status_code == 401
    assert deliver(body + b"\n", X_Hub_Signature=signature(body)).status_code == 401
    assert deliver(body, X_Hub_Signature=signature(body)).status_code == 202
    assert len(events(database)) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"not json", b'{"repository": ', b"\xff\xfe", b"[" * 100_000])
def test_a_signed_body_that_is_no_object_is_told_so(deliver: Deliver, database: Database, body: bytes) -> None:
    answer = deliver(body)
    assert (answer.status_code, answer.text) == (400, "the body is no JSON object\n")
    assert events(database) == []


def test_nothing_is_parsed_before_the_signature_is_right(deliver: Deliver) -> None:
    assert deliver(b"not json", secret="wrong").status_code == 401
    assert deliver(b"not json", secret="wrong", X_Event_Key="nonsense").status_code == 401


@pytest.mark.parametrize("key", [None, "", "push", "repo:push; DROP", "x" * 200 + ":y"])
def test_an_event_key_that_is_none_is_told_so(deliver: Deliver, key: str | None) -> None:
    answer = deliver(X_Event_Key=key)
    assert (answer.status_code, answer.text.split()[0]) == (400, "X-Event-Key")


def test_a_body_above_256_kb_is_refused_before_it_is_read(receiver: Running, database: Database) -> None:
    fits = b'{"filler": "' + b"x" * (LIMIT - 14) + b'"}'
    assert len(fits) == LIMIT
    assert requests.post(receiver.url, data=fits, headers=headers_of(fits), timeout=30).status_code == 202
    assert requests.post(receiver.url, data=fits + b" ", headers=headers_of(fits + b" "), timeout=30).status_code == 413
    # Only the headers are sent: the length alone decides.
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=10) as connection:
        connection.sendall(head(headers_of(b""), f"Content-Length: {10**9}"))
        assert b" 413 " in connection.recv(4096)
    assert len(events(database)) == 1


def test_a_body_without_a_length_is_read_no_further_than_256_kb(receiver: Running, database: Database) -> None:
    sent = 0

    def pieces() -> object:
        nonlocal sent
        for _ in range(4096):
            sent += 64 * 1024
            yield b"x" * 64 * 1024

    try:
        status = requests.post(receiver.url, data=pieces(), headers=headers_of(b""), timeout=30).status_code  # type: ignore[arg-type]
    except requests.ConnectionError:
        status = 413  # it hung up while we were still sending
    assert status == 413
    assert sent < 64 * 1024 * 1024
    assert events(database) == []


def head(headers: dict[str, str], *more: str) -> bytes:
    """A request up to its body, as it goes over the wire."""
    lines = [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(["POST /webhooks/bitbucket HTTP/1.1", "Host: x", *lines, *more, "", ""]).encode()


def test_a_body_that_breaks_off_leaves_nothing_behind(receiver: Running, database: Database) -> None:
    body = body_of()
    headers = headers_of(body)
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=15) as connection:
        connection.sendall(head(headers, f"Content-Length: {len(body)}") + body[:-5])
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(4096)
    assert not answer or b" 400 " in answer
    assert events(database) == []
    assert requests.post(receiver.url, data=body, headers=headers, timeout=15).text == "taken in\n"


def test_a_body_in_chunks_that_fits_is_taken_in(receiver: Running, database: Database) -> None:
    body = body_of()
    answer = requests.post(receiver.url, data=iter([body[:7], body[7:]]), headers=headers_of(body), timeout=15)
    assert answer.status_code == 202
    assert len(events(database)) == 1


def test_other_addresses_and_methods_are_not_served(receiver: Running) -> None:
    base = receiver.url.removesuffix("/webhooks/bitbucket")
    assert [requests.get(base + path, timeout=5).status_code for path in ("/", "/docs", "/openapi.json")] == [404] * 3
    assert {requests.request(method, receiver.url, timeout=5).status_code for method in ("GET", "PUT", "DELETE")} == {
        405
    }


# --------------------------------------------------------------------------------------------- the secrets


def test_an_earlier_secret_is_accepted_until_its_time(deliver: Deliver, registry: Registry, database: Database) -> None:
    assert deliver().status_code == 202
    registry.retire("now() + interval '1 hour'")
    newer = registry.secret("second secret")
    database.execute("UPDATE integration.webhooks SET secret_id = %s", (newer,))
    # At once, though the receiver remembered the webhook a moment ago.
    assert deliver(secret="second secret").status_code == 202
    assert deliver(secret=SECRET).status_code == 202
    database.execute("SET ROLE compliance_vault")
    database.execute("UPDATE integration.webhook_secrets SET accepted_until = now() WHERE accepted_until IS NOT NULL")
    time.sleep(5.5)
    assert deliver(secret=SECRET).status_code == 401
    assert deliver(secret="second secret").status_code == 202


def test_the_secret_that_a_webhook_was_given_last_is_accepted_however_old(deliver: Deliver, registry: Registry) -> None:
    registry.retire("now() - interval '1 day'")
    registry.secret("second secret")
    assert deliver(secret=SECRET).status_code == 202


def test_the_secret_of_another_connection_is_not_accepted(deliver: Deliver, registry: Registry) -> None:
    registry.secret("of another", conn_id="bitbucket_other")
    assert deliver(secret="of another").status_code == 401


def test_the_secret_of_another_webhook_of_the_connection_is_not_accepted(deliver: Deliver, registry: Registry) -> None:
    """Who learns the secret of a repository's webhook can't speak for the workspace, nor with the connection's own."""
    body = body_of()
    of_repository = secret_of_webhook(SECRET, "acme", REPOSITORY)
    for secret in (of_repository, SECRET):
        assert deliver(body, X_Hub_Signature=sign(secret, body)).status_code == 401
    assert deliver(body).status_code == 202


# -------------------------------------------------------------------------------------------- known already


def test_the_same_request_or_the_same_body_is_one_event(deliver: Deliver, database: Database) -> None:
    body = body_of()
    first = deliver(body, X_Request_UUID="one")
    resent = deliver(body, X_Request_UUID="one", X_Attempt_Number="2")
    replayed = deliver(body, X_Request_UUID="two")
    same_request = deliver(body_of(), X_Request_UUID="one")
    assert [answer.status_code for answer in (first, resent, replayed, same_request)] == [202] * 4
    assert [answer.text for answer in (resent, replayed, same_request)] == ["known already\n"] * 3
    assert len(events(database)) == 1


def test_the_same_body_is_known_as_long_as_its_event_is_kept(deliver: Deliver, database: Database) -> None:
    body = body_of()
    assert deliver(body).status_code == 202
    database.execute("UPDATE integration.webhook_events SET received_at = received_at - interval '89 days'")
    assert deliver(body).text == "known already\n"
    database.execute("DELETE FROM integration.webhook_events")
    assert deliver(body).text == "taken in\n"


def test_equal_deliveries_at_one_instant_are_one_event(receiver: Running, database: Database) -> None:
    bodies = [body_of() for _ in range(10)]
    sent = [body for body in bodies for _ in range(12)]
    with ThreadPoolExecutor(24) as pool:
        answers = list(
            pool.map(lambda body: requests.post(receiver.url, data=body, headers=headers_of(body), timeout=30), sent)
        )
    assert {answer.status_code for answer in answers} == {202}
    assert sum(answer.text == "taken in\n" for answer in answers) == len(events(database)) == 10


# ------------------------------------------------------------------------------------- what goes wrong around it


def test_a_current_secret_that_no_key_opens_is_the_receivers_fault(
    deliver: Deliver, registry: Registry, database: Database
) -> None:
    registry.retire("now() + interval '1 hour'")
    keys, registry.keys = registry.keys, WebhookEncryption(Fernet.generate_key().decode())
    registry.secret("sealed with another key")
    registry.keys = keys
    assert deliver(secret="sealed with another key").status_code == 503
    assert deliver(secret=SECRET).status_code == 202
    row = database.execute("SELECT refused FROM integration.webhooks").fetchone()
    assert row == {"refused": 0}


def test_a_schema_that_is_not_there_is_told_in_one_line(
    deliver: Deliver, receiver: Running, database: Database
) -> None:
    database.execute("ALTER TABLE integration.webhook_events RENAME TO gone")
    assert deliver().status_code == 503
    assert "Traceback" not in receiver.log.read_text()


def test_a_database_that_stalls_is_not_waited_for_longer_than_bitbucket_waits(
    deliver: Deliver, dsn: str, database: Database
) -> None:
    assert deliver().status_code == 202
    body = body_of()
    with psycopg.connect(dsn) as stalling:
        stalling.execute("LOCK TABLE integration.webhook_events IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        assert deliver(body).status_code == 503
        assert time.monotonic() - started < 8
    assert deliver(body).text == "taken in\n"


class Burst:
    """Deliveries one after the other from several clients, resent as Bitbucket does; remembers what got 2xx."""

    def __init__(self, url: str, clients: int = 6) -> None:
        self.accepted: set[str] = set()
        self.statuses: list[int] = []
        self._url = url
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(clients)]

    def __enter__(self) -> Burst:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join(60)

    def _send(self) -> None:
        while not self._ends.is_set():
            body = body_of()
            headers = headers_of(body)
            for _ in range(3):
                try:
                    status = requests.post(self._url, data=body, headers=headers, timeout=10).status_code
                except requests.RequestException:
                    status = 0
                self.statuses.append(status)
                if 200 <= status < 300:
                    self.accepted.add(headers["X-Request-UUID"])
                if 0 < status < 500:
                    break
            time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_everything_that_was_accepted_is_there_though_the_receiver_was_restarted(
    receiver: Running, database: Database, number: signal.Signals
) -> None:
    with Burst(receiver.url) as burst:
        time.sleep(1.5)
        receiver.stop(number)
        receiver.start()
        time.sleep(1.5)
    found = [row["request_id"] for row in events(database)]
    assert len(burst.accepted) > 50
    assert burst.accepted <= set(found)
    assert len(found) == len(set(found))
    if number is signal.SIGTERM:
        # What was under way was finished: nothing is there that was not said to be.
        assert set(found) == burst.accepted


def test_everything_that_was_accepted_is_there_though_postgres_was_restarted(
    receiver: Running, dsn: str, postgres: EmbeddedPostgres
) -> None:
    with Burst(receiver.url) as burst:
        time.sleep(1.5)
        postgres.stop()
        postgres.start()
        time.sleep(3)
    with psycopg.connect(dsn) as connection:
        found = [row[0] for row in connection.execute("SELECT request_id FROM integration.webhook_events")]
    assert len(burst.accepted) > 50
    assert burst.accepted <= set(found)
    assert len(found) == len(set(found))
    assert set(burst.statuses) <= {202, 503}


def test_without_postgres_bitbucket_is_asked_to_send_it_again(
    receiver: Running, deliver: Deliver, dsn: str, postgres: EmbeddedPostgres
) -> None:
    assert deliver().status_code == 202
    body = body_of()
    postgres.stop()
    try:
        started = time.monotonic()
        answer = deliver(body)
        # Within the ten seconds that Bitbucket waits.
        assert time.monotonic() - started < 9
        assert (answer.status_code, answer.text) == (503, "the database does not answer, try again\n")
    finally:
        postgres.start()
    assert deliver(body).text == "taken in\n"


def test_what_it_says_holds_neither_body_nor_secret_nor_signature(receiver: Running, deliver: Deliver) -> None:
    body = body_of(title="a secret plan")
    deliver(body)
    deliver(body, secret="wrong")
    deliver(b"secret plan, no json")
    receiver.stop()
    said = receiver.log.read_text()
    assert re.search(r"pullrequest:fulfilled of workspace acme, repository \{aaaaaaaa.*taken in", said)
    assert "delivery refused with 401" in said
    key = receiver.environment["COMPLIANCE_WEBHOOK_KEY"]
    for hidden in ("secret plan", SECRET, signature(body).partition("=")[2], key):
        assert hidden not in said


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ({"COMPLIANCE_WEBHOOK_KEY": ""}, "COMPLIANCE_WEBHOOK_KEY"),
        ({"AIRFLOW_CONN_COMPLIANCE_POSTGRES": ""}, "AIRFLOW_CONN_COMPLIANCE_POSTGRES is not set"),
        ({"AIRFLOW_CONN_COMPLIANCE_POSTGRES": "{"}, "AIRFLOW_CONN_COMPLIANCE_POSTGRES can't be read"),
        ({"COMPLIANCE_RECEIVER_PORT": "high"}, "COMPLIANCE_RECEIVER_PORT must be a port number"),
    ],
)
def test_what_is_missing_is_named_at_the_start(receiver: Running, missing: dict[str, str], told: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bitbucket_webhooks"],
        cwd=ROOT,
        env=receiver.environment | missing,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
