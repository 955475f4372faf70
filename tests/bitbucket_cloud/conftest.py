"""A small real HTTP server that plays Bitbucket, and connections that lead to it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from bitbucket_cloud.client.client import BitbucketClient
from bitbucket_cloud.hooks.bitbucket import BitbucketHook

KEY = "oauth-key-0001"
SECRET = "s3cret/with+odd=chars"
SCOPES = "account, pullrequest, webhook, pipeline"


@dataclass
class Reply:
    """One scripted answer."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    content_length: int | None = None
    reset: bool = False

    def encoded(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


@dataclass
class Seen:
    """One request as it came over the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: str
    at: float

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)


class FakeBitbucket:
    """Answers by path: a queue of replies (the last one stays), or a function of the request."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.scripts: dict[str, deque[Reply] | Callable[[Seen], Reply]] = {}
        self.lock = threading.Lock()
        self.tokens = 0
        self.expires_in: Any = 7200
        self.valid: set[str] = set()
        self.token_reply: Callable[[Seen], Reply | None] = lambda seen: None
        self.check_tokens = True
        self.ports: set[int] = set()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def on(self, path: str, *replies: Reply) -> None:
        self.scripts["/2.0" + path] = deque(replies)

    def call(self, path: str, answer: Callable[[Seen], Reply]) -> None:
        self.scripts["/2.0" + path] = answer

    def api(self) -> list[Seen]:
        """Requests to the API, those for tokens left out."""
        return [seen for seen in self.seen if not seen.path.startswith("/site/")]

    def answer(self, seen: Seen) -> Reply:
        with self.lock:
            self.seen.append(seen)
            if seen.path == "/site/oauth2/access_token":
                return self.token_reply(seen) or self.new_token()
            if self.check_tokens and seen.headers.get("authorization", "")[7:] not in self.valid:
                return Reply(401, error("Token is invalid, expired, or not supported for this endpoint."))
            script = self.scripts.get(seen.path)
            if isinstance(script, deque):
                return script[0] if len(script) == 1 else script.popleft()
        return script(seen) if script else Reply(404, error("Resource not found"))

    def new_token(self) -> Reply:
        self.tokens += 1
        token = f"token-number-{self.tokens:04d}-abcdef"
        self.valid.add(token)
        body = {"access_token": token, "token_type": "bearer", "scope": SCOPES.replace(",", "")}
        if self.expires_in is not None:
            body["expires_in"] = self.expires_in
        return Reply(200, body)


def error(message: str, **more: Any) -> dict[str, Any]:
    """Bitbucket's error envelope."""
    return {"type": "error", "error": {"message": message, **more}}


def _handler(fake: FakeBitbucket) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            fake.ports.add(self.client_address[1])
            reply = fake.answer(Seen(self.command, self.path, headers, body, time.monotonic()))
            if reply.delay:
                time.sleep(reply.delay)
            data = reply.encoded()
            self.send_response_only(reply.status)
            for name, value in {
                "Content-Type": "application/json",
                "X-OAuth-Scopes": SCOPES,
                **reply.headers,
            }.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(reply.content_length or len(data)))
            self.end_headers()
            self.wfile.write(data)
            if reply.content_length or reply.reset:
                self.close_connection = True
            if reply.reset:
                linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

        do_POST = do_GET
        do_PUT = do_GET
        do_DELETE = do_GET

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def fake() -> Iterator[FakeBitbucket]:
    server = FakeBitbucket()
    yield server
    server.close()


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, fake: FakeBitbucket) -> Callable[..., BitbucketHook]:
    """Makes a hook of an Airflow connection to the fake server; keywords change fields and extras."""

    def make(*, conn_id: str = "bitbucket_default", fields: Any = None, **extra: Any) -> BitbucketHook:
        connection = {
            "conn_type": "bitbucket",
            "host": fake.url,
            "login": KEY,
            "password": SECRET,
            **(fields or {}),
            "extra": {"oauth_url": fake.url, "retry_wait": 0.01, "rate_limit_wait": 0.02, **extra},
        }
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
        return BitbucketHook(conn_id)

    return make


@pytest.fixture
def client(connect: Callable[..., BitbucketHook]) -> Iterator[BitbucketClient]:
    with connect().get_conn() as made:
        yield made


def form(seen: Seen) -> dict[str, str]:
    """The form fields of a token request."""
    return dict(parse_qsl(seen.body))


@pytest.fixture
def reply() -> type[Reply]:
    """The class of scripted answers; test files can't import from here."""
    return Reply
