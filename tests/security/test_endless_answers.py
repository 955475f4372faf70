"""What answers a worker can neither fill its memory, nor keep it as long as it likes, nor eat everybody's requests."""

from __future__ import annotations

import json
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from bitbucket_cloud import errors
from bitbucket_cloud.client.client import BitbucketClient
from bitbucket_cloud.configuration import Configuration
from bitbucket_cloud.http.transport import MOST_BYTES
from bitbucket_cloud.settings import ACCESS_TOKEN, Settings
from bitbucket_compliance.core.bitbucket import configuration
from bitbucket_compliance.core.errors import SourceUnavailable
from bitbucket_compliance.registry.imports import scim
from bitbucket_compliance.reporting.notifications import send as sending
from bitbucket_compliance.reporting.notifications.errors import NotificationNotSent
from bitbucket_compliance.reporting.notifications.render import Message
from tests.security.raw_server import RawServer, ok, raw_server
from tests.vaulting import database_at

WORKSPACE = "/workspaces/acme"
TIMEOUT = 0.2
#: seconds within which everything here is given up
PROMPT = 5.0
#: bytes that giving up may take at the most: nothing that comes is kept twice
MODEST = 4 * MOST_BYTES


def client_of(server: RawServer, database: Any = None, **more: Any) -> BitbucketClient:
    settings: dict[str, Any] = {
        "auth": ACCESS_TOKEN,
        "password": "a-token-of-some-length",
        "api_url": server.url,
        "oauth_url": server.url,
        "read_timeout": TIMEOUT,
        "retry_wait": 0.0,
    }
    return BitbucketClient(Settings("bitbucket_default", **{**settings, **more}), database=database)


def packed(times: int, megabytes: int = 300) -> bytes:
    """A JSON of so many megabytes of blanks, gzip over gzip."""
    packer = zlib.compressobj(9, wbits=31)
    blanks = b" " * 1024**2
    data = packer.compress(b"{") + b"".join(packer.compress(blanks) for _ in range(megabytes)) + packer.compress(b"}")
    data += packer.flush()
    for _ in range(times - 1):
        again = zlib.compressobj(9, wbits=31)
        data = again.compress(data) + again.flush()
    return data


def drip(first: bytes, each: bytes, pause: float = 0.05) -> Iterator[bytes]:
    yield first
    while True:
        time.sleep(pause)
        yield each


# ----------------------------------------------------------------------------------------------- Bitbucket


@pytest.mark.parametrize("times", [1, 2])
def test_a_small_answer_that_unpacks_to_hundreds_of_megabytes_is_given_up(times: int) -> None:
    bomb = packed(times)
    encoding = ", ".join(["gzip"] * times)
    head = f"Content-Encoding: {encoding}\r\nContent-Length: {len(bomb)}\r\n"
    with raw_server(lambda _: ok(head, bomb)) as server, client_of(server, read_timeout=5.0) as client:
        tracemalloc.start()
        try:
            with pytest.raises(errors.AnswerTooLarge, match=r"/2\.0/workspaces/acme is larger than 10 MB"):
                client.get("workspace", workspace="acme")
            assert tracemalloc.get_traced_memory()[1] < MODEST
        finally:
            tracemalloc.stop()
        assert client.requests_sent == 1, "what is too large is not asked for again"


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked\r\n", ""])
def test_a_body_without_end_is_given_up(framing: str, status: int) -> None:
    piece = b" " * 65536
    chunk = b"%x\r\n%s\r\n" % (len(piece), piece) if framing else piece

    def forever(_: str) -> Iterator[bytes]:
        yield f"HTTP/1.1 {status} x\r\n{framing}\r\n".encode()
        while True:
            yield chunk

    with (
        raw_server(forever) as server,
        client_of(server, read_timeout=5.0) as client,
        pytest.raises(errors.AnswerTooLarge),
    ):
        client.get("workspace", workspace="acme")


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: drip(ok("Content-Length: 100000\r\n")[0], b" "),
        lambda _: drip(ok("Transfer-Encoding: chunked\r\n")[0], b"1\r\n \r\n"),
        lambda _: drip(ok("Transfer-Encoding: chunked\r\n")[0], b"0"),
        lambda _: drip(b"HTTP/1.1 200 OK\r\n", b"x"),
        lambda _: drip(b"", b"H"),
        lambda _: drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "chunks", "length of a chunk", "header", "status", "interim answers"],
)
def test_an_answer_that_comes_a_byte_at_a_time_is_given_up(answer: Callable[[str], Iterable[bytes]]) -> None:
    with raw_server(answer) as server, client_of(server) as client:
        began = time.monotonic()
        with pytest.raises(errors.AnswerTooSlow, match=r"/2\.0/workspaces/acme is not there, whole, within 1 seconds"):
            client.get("workspace", workspace="acme")
        assert time.monotonic() - began < PROMPT
        assert client.requests_sent == 1, "what is too slow is not asked for again"


def test_tokens_that_come_without_end_are_given_up() -> None:
    def answer(request: str) -> Iterable[bytes]:
        return drip(ok("Content-Length: 1000\r\n")[0], b" ")

    with raw_server(answer) as server:
        settings = {"auth": "client_credentials", "login": "key", "password": "secret-of-a-consumer"}
        with client_of(server, **settings) as client:
            began = time.monotonic()
            with pytest.raises(errors.AnswerTooSlow, match=r"access_token is not there, whole, within 0\.2"):
                client.get("workspace", workspace="acme")
            assert time.monotonic() - began < PROMPT
    bomb = packed(1, 20)
    head = f"Content-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n"
    with (
        raw_server(lambda _: ok(head, bomb)) as server,
        client_of(server, **settings) as client,
        pytest.raises(errors.AnswerTooLarge, match="access_token"),
    ):
        client.get("workspace", workspace="acme")


# ------------------------------------------------------------------------------------------------ listings


def endless(request: str) -> list[bytes]:
    """Page after page, each with another next link."""
    target = request.split()[1]
    path, page = urlsplit(target).path, target.rpartition("page=")[2]
    number = int(page) + 1 if page.isdecimal() else 2
    host = next(line.partition(" ")[2] for line in request.splitlines() if line.lower().startswith("host:"))
    body = json.dumps({"values": [{"uuid": f"{{{number}}}"}], "next": f"http://{host}{path}?page={number}"}).encode()
    return ok(f"Content-Length: {len(body)}\r\nConnection: close\r\n", body)


def test_a_listing_without_end_is_given_up_and_left_alone_by_all_processes(dsn: str) -> None:
    database = database_at(dsn)
    few = Configuration(most_pages=4, to_allow_more_pages="raise MOST")
    with raw_server(endless) as server:
        told = r"/repositories/acme has more than 4 pages.*raise MOST"
        with (
            client_of(server, database, configuration=few) as client,
            pytest.raises(errors.AnswerTooLarge, match=told),
        ):
            client.paginate("repositories", workspace="acme")
        assert len(server.seen) == 4
        # Another process, the next run: nothing is asked.
        with client_of(server, database, configuration=few) as client:
            with pytest.raises(errors.AnswerTooLarge, match=r"left alone for 24 hours.*raise MOST"):
                client.paginate("repositories", workspace="acme")
            assert len(server.seen) == 4
            # It alone: other listings are read as ever.
            with pytest.raises(errors.AnswerTooLarge, match="/repositories/beta"):
                client.paginate("repositories", workspace="beta")
            assert len(server.seen) == 8
        # Allowed more, it is read again.
        more = Configuration(most_pages=6)
        with client_of(server, database, configuration=more) as client, pytest.raises(errors.AnswerTooLarge):
            client.paginate("repositories", workspace="acme")
        assert len(server.seen) == 14


def test_a_listing_that_is_read_in_parts_has_the_same_end() -> None:
    with (
        raw_server(endless) as server,
        client_of(server, configuration=Configuration(most_pages=4)) as client,
    ):
        start = errors.PageCursor([], f"{server.url}/2.0/repositories/acme?page=3", pages=3)
        with pytest.raises(errors.AnswerTooLarge):
            client.paginate("repositories", workspace="acme", start=start)
        assert len(server.seen) == 1


def test_how_many_pages_is_configured() -> None:
    assert configuration({"COMPLIANCE_MOST_PAGES": "12"}).most_pages == 12
    for unreadable in ("", "0", "-1", "many", "²"):
        assert configuration({"COMPLIANCE_MOST_PAGES": unreadable}).most_pages == 500


# ------------------------------------------------------------------------------------------------- SCIM


def directory(server: RawServer) -> scim.Directory:
    return scim.Directory("hr", server.url, "directory-token-0123456789", timeout=TIMEOUT)


def test_a_directory_that_answers_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(lambda _: drip(ok("Content-Length: 100000\r\n")[0], b" ")) as server:
        began = time.monotonic()
        with pytest.raises(SourceUnavailable, match=r"connection hr.*not there, whole, within 1 seconds"):
            scim.read_users(directory(server))
        assert time.monotonic() - began < PROMPT
    bomb = packed(2)
    head = f"Content-Encoding: gzip, gzip\r\nContent-Length: {len(bomb)}\r\n"
    with raw_server(lambda _: ok(head, bomb)) as server:
        with pytest.raises(SourceUnavailable, match=r"connection hr.*larger than 10 MB"):
            scim.read_users(directory(server))
        assert len(server.seen) == 1


def test_a_directory_of_pages_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scim, "MOST_PAGES", 5)

    def page(request: str) -> list[bytes]:
        start = int(request.partition("startIndex=")[2].partition("&")[0])
        body = json.dumps({"totalResults": 10**9, "Resources": [{"id": f"id-{start}"}]}).encode()
        return ok(f"Content-Length: {len(body)}\r\nConnection: close\r\n", body)

    with raw_server(page) as server:
        with pytest.raises(SourceUnavailable, match="no end"):
            scim.read_users(directory(server))
        assert len(server.seen) == 5


# --------------------------------------------------------------------------------------------- notifications


def notify(monkeypatch: pytest.MonkeyPatch, kind: str, port: int, **fields: Any) -> None:
    connection = {"conn_type": kind, "host": "127.0.0.1", "port": port, "schema": "http", **fields}
    monkeypatch.setenv("AIRFLOW_CONN_TOLD", json.dumps(connection))
    monkeypatch.setattr(sending, "render", lambda *_: Message("subject", "text", {}, "key"))
    sending.send([], sending.Settings("told", recipients=("auditor@example.com",)))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("http", {"extra": {"timeout": TIMEOUT}, "host": "http://127.0.0.1"}),
        ("slackwebhook", {"extra": {"timeout": 1}, "password": "T0/B0/token", "host": "http://127.0.0.1:{port}"}),
    ],
)
def test_a_receiver_that_answers_without_end_is_given_up(
    kind: str, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = packed(1, 50)
    head = f"Content-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n"
    for answer in (ok(head, bomb), drip(ok("Content-Length: 100000\r\n")[0], b" ")):
        with raw_server(lambda _, answer=answer: answer) as server:
            fields["host"] = fields["host"].replace("{port}", str(server.port))
            began = time.monotonic()
            with pytest.raises(NotificationNotSent, match="connection told: not sent"):
                notify(monkeypatch, kind, server.port, **fields)
            assert time.monotonic() - began < PROMPT
            assert len(server.seen) == 1
            fields["host"] = fields["host"].replace(str(server.port), "{port}")


def test_a_mail_server_that_talks_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"from_email": "compliance@example.com", "timeout": 1, "disable_ssl": True, "disable_tls": True}

    def forever() -> Iterator[bytes]:
        while True:
            yield b"220-" + b"x" * 4000 + b"\r\n"

    for greeting in (forever, lambda: drip(b"220-slow\r\n", b"2")):
        with raw_server(lambda _: (), greeting) as server:
            began = time.monotonic()
            with pytest.raises(NotificationNotSent, match="connection told: not sent"):
                notify(monkeypatch, "smtp", server.port, extra=extra)
            assert time.monotonic() - began < PROMPT


# ---------------------------------------------------------------------------------------------- the database


def test_errors_of_the_database_say_what_happened() -> None:
    from bitbucket_compliance.core.errors import PostgresRefused, PostgresUnavailable, postgres_errors

    def told(error: psycopg.Error) -> str:
        with pytest.raises((PostgresRefused, PostgresUnavailable)) as caught, postgres_errors():
            raise error
        return str(caught.value)

    assert "broke off" in told(psycopg.OperationalError("consuming input failed: server closed the connection"))
    assert "stopped a statement" in told(psycopg.errors.OutOfMemory("out of memory"))
    assert "stopped a statement" in told(psycopg.errors.QueryCanceled("canceling statement due to statement timeout"))
    assert "stopped a statement" in told(psycopg.errors.ConfigurationLimitExceeded("temporary file size exceeds"))
    assert "went away" in told(psycopg.errors.AdminShutdown("terminating connection due to administrator command"))
    assert "refuses the login" in told(
        psycopg.OperationalError('connection failed: FATAL:  password authentication failed for user "x"')
    )
    assert "does not answer" in told(psycopg.OperationalError("connection failed: connection to server refused"))
