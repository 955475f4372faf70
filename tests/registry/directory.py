"""A small real HTTP server that stands in for a SCIM directory."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "directory-token-0123456789"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"

Reply = tuple[int, Any, dict[str, str]]


@dataclass
class Directory:
    """Users, really paged; ``faults`` are answers that come first, ``answer`` takes the place of the list."""

    users: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Reply] = field(default_factory=list)
    answer: Callable[[int, int], Reply] | None = None
    most: int = 1000
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def person(self, number: int, **more: Any) -> dict[str, Any]:
        """A user added to the directory."""
        user = {
            "id": f"id-{number}",
            "userName": f"user{number}@example.com",
            "displayName": f"User {number}",
            "active": True,
            **more,
        }
        self.users.append(user)
        return user

    def page(self, start: int, count: int) -> Reply:
        """As RFC 7644 has it: counted from 1, no more than the server likes."""
        shown = self.users[start - 1 : start - 1 + min(count, self.most)]
        body = {
            "schemas": [LIST],
            "totalResults": len(self.users),
            "startIndex": start,
            "itemsPerPage": len(shown),
            "Resources": shown,
        }
        return 200, body, {}

    def reply(self, target: str, headers: dict[str, str]) -> Reply:
        self.seen.append((target, headers))
        if self.faults:
            return self.faults.pop(0)
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {"detail": headers.get("authorization"), "status": "401"}, {}
        query = {name: int(values[0]) for name, values in parse_qs(urlsplit(target).query).items()}
        return (self.answer or self.page)(query["startIndex"], query["count"])


@contextmanager
def serve(directory: Directory) -> Iterator[None]:
    """Let the directory answer at its ``url``."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, body, more = directory.reply(self.path, headers)
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response_only(status)
            for name, value in {"Content-Type": "application/scim+json", **more}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    directory.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
