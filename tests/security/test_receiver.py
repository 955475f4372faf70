"""The receiver of webhooks faces the internet: nobody silences it, replays to it, or finds a key in it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
import requests

from bitbucket_cloud.auth.encryption import TokenEncryption, WebhookEncryption
from bitbucket_cloud.errors import ConfigurationError
from bitbucket_cloud.webhooks.secrets.webhook_secrets import WebhookSecrets
from bitbucket_compliance.core.bitbucket import CONFIGURATION
from bitbucket_webhooks import connections
from local import environment as env
from local import receiver as local_receiver
from tests.conftest import ROOT, Database
from tests.receiving import Running, body_of, events, headers_of
from tests.vaulting import KEY, OTHER_KEY, database_at
from tests.webhooks.conftest import Deliver

ATTACKERS = 520
#: seconds that a busy machine may be behind
LATE = 20
HEAD = b"POST /webhooks/bitbucket HTTP/1.1\r\nHost: x\r\n"


@contextmanager
def silent(port: int, count: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """So many connections that send this and nothing more."""
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            opened.append(stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10)))
            if sent:
                try:
                    opened[-1].sendall(sent)
                except OSError:
                    continue  # it had to make room already
        yield opened


def _is_closed(one: socket.socket) -> bool:
    one.setblocking(False)
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _is_closed_in_time(one: socket.socket) -> bool:
    """Whether the receiver hangs up after its deadline, by a clock that may lag on a busy machine."""
    ends = time.monotonic() + connections.HEAD_SECONDS + LATE
    while not (closed := _is_closed(one)) and time.monotonic() < ends:
        time.sleep(0.2)
    return closed


@pytest.mark.parametrize(
    "sent",
    [b"", b"POST /webh", HEAD, HEAD + b"X-Hook-UUID: {11111111-2222-4333-8444-555555555555}\r\nContent-Le"],
    ids=["idle", "half a request line", "half a head", "half a header"],
)
def test_connections_that_send_nothing_more_do_not_silence_it(
    receiver: Running, deliver: Deliver, database: Database, sent: bytes
) -> None:
    with silent(receiver.port, ATTACKERS, sent) as opened:
        for _ in range(20):
            started = time.monotonic()
            assert deliver().status_code == 202
            assert time.monotonic() - started < connections.HEAD_SECONDS
        assert sum(_is_closed(one) for one in opened) >= ATTACKERS - connections.MOST_OF_ONE_ADDRESS
        assert all(_is_closed_in_time(one) for one in opened)
    assert len(events(database)) == 20


def test_bodies_that_do_not_come_do_not_silence_it(receiver: Running, deliver: Deliver, database: Database) -> None:
    body = body_of()
    head = "".join(f"{name}: {value}\r\n" for name, value in headers_of(body).items()).encode()
    with silent(receiver.port, ATTACKERS, HEAD + head + b"Content-Length: 200000\r\n\r\n{"):
        assert [deliver().status_code for _ in range(10)] == [202] * 10
    assert len(events(database)) == 10


def test_a_head_sent_a_byte_at_a_time_has_five_seconds(receiver: Running) -> None:
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=30) as connection:
        started, ended = time.monotonic(), None
        for byte in HEAD * 10:
            try:
                connection.sendall(bytes([byte]))
            except OSError:
                ended = time.monotonic()
                break
            time.sleep(0.3)
    assert ended is not None and ended - started < connections.HEAD_SECONDS + LATE


def test_a_second_head_on_a_connection_has_a_deadline_too(receiver: Running) -> None:
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 404 " in connection.recv(4096)
        connection.sendall(b"POST /webh")
        assert _is_closed_in_time(connection)


@pytest.mark.parametrize("more", [b"X-Filler: " + b"x" * 20_000, b"X: y\r\n" * 4000])
def test_a_head_that_is_very_long_is_not_collected(receiver: Running, more: bytes) -> None:
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=10) as connection:
        connection.sendall(HEAD + more)
        answer = connection.recv(4096)
    assert not answer or b" 400 " in answer or b" 431 " in answer


def test_many_deliveries_at_once_are_all_answered(receiver: Running, database: Database) -> None:
    bodies = [body_of() for _ in range(100)]
    statuses: list[int] = []

    def send(body: bytes) -> None:
        statuses.append(requests.post(receiver.url, data=body, headers=headers_of(body), timeout=20).status_code)

    threads = [threading.Thread(target=send, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert statuses == [202] * 100
    assert len(events(database)) == 100


# ------------------------------------------------------------------------------------------------------ replays


@pytest.mark.parametrize("minutes", [0, 61, 60 * 24 * 60])
def test_a_body_is_no_second_event_whenever_and_under_whatever_key_it_is_replayed(
    deliver: Deliver, database: Database, minutes: int
) -> None:
    body = body_of()
    assert deliver(body, X_Event_Key="pullrequest:updated").text == "taken in\n"
    database.execute(
        "UPDATE integration.webhook_events SET received_at = received_at - make_interval(mins => %s)", (minutes,)
    )
    for key in ("pullrequest:updated", "repo:deleted", "pullrequest:fulfilled"):
        assert deliver(body, X_Event_Key=key).text == "known already\n"
    assert [row["event_key"] for row in events(database)] == ["pullrequest:updated"]


# --------------------------------------------------------------------------------------------------------- keys


def test_it_starts_without_the_key_of_tokens_and_not_without_its_own(receiver: Running) -> None:
    assert "COMPLIANCE_VAULT_KEY" not in receiver.environment
    environment = receiver.environment | {"COMPLIANCE_WEBHOOK_KEY": "", "COMPLIANCE_VAULT_KEY": KEY}
    done = subprocess.run(
        [sys.executable, "-m", "bitbucket_webhooks"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: the environment variable COMPLIANCE_WEBHOOK_KEY, the key that encrypts webhook"
    )
    assert len(done.stderr.splitlines()) == 1


def test_no_code_of_the_receiver_names_the_key_of_tokens() -> None:
    for path in (ROOT / "plugins" / "bitbucket_webhooks").rglob("*.py"):
        assert "VAULT_KEY" not in path.read_text(), path


def test_make_receiver_hands_it_no_secret_but_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "LOCAL", tmp_path)
    monkeypatch.delenv(env.WEBHOOK_KEY, raising=False)
    for name in (env.VAULT_KEY, "AIRFLOW__CORE__FERNET_KEY", "AIRFLOW_CONN_BITBUCKET_DEFAULT", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, KEY)
    given = local_receiver._environment("postgresql://x", 8085)
    assert KEY not in given.values()
    WebhookEncryption(given[env.WEBHOOK_KEY], CONFIGURATION)
    assert given[env.WEBHOOK_KEY] == env.airflow_environment(tmp_path / "home")[env.WEBHOOK_KEY]


def test_the_environment_of_the_process_holds_no_key_of_tokens(receiver: Running) -> None:
    assert receiver.process is not None
    found = psutil.Process(receiver.process.pid).environ()
    assert {name for name in found if "KEY" in name} == {"COMPLIANCE_WEBHOOK_KEY"}


def test_the_key_of_webhooks_opens_no_token_and_may_not_be_the_same(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPLIANCE_VAULT_KEY", f"{KEY},{OTHER_KEY}")
    monkeypatch.setenv("COMPLIANCE_WEBHOOK_KEY", OTHER_KEY)
    with pytest.raises(ConfigurationError, match=r"COMPLIANCE_VAULT_KEY and COMPLIANCE_WEBHOOK_KEY hold the same key"):
        WebhookSecrets(database_at(dsn))
    monkeypatch.setenv("COMPLIANCE_VAULT_KEY", KEY)
    secret = WebhookSecrets(database_at(dsn)).current("bitbucket_default")
    assert not hasattr(WebhookEncryption(OTHER_KEY, CONFIGURATION), "decrypt_token")
    assert not hasattr(TokenEncryption(KEY, CONFIGURATION), "decrypt_webhook_secret")
    assert os.environ["COMPLIANCE_WEBHOOK_KEY"] not in repr(secret)
