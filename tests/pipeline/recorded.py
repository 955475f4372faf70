"""A local server that answers like Bitbucket did when somebody recorded it.

The recordings lie beside the repository and are never copied into it; tests skip where they are absent.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from sandbox.partial import project

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "bitbucket" / "recordings"
MISSING = None if FOLDER.is_dir() else f"the recorded responses are not in {FOLDER.parent.name}/{FOLDER.name} beside us"


@cache
def _text(name: str) -> str:
    return (FOLDER / f"{name}.json").read_text(encoding="utf-8")


def body(name: str) -> Any:
    """The body of one recording, a fresh copy."""
    return json.loads(_text(name))["body"]


def owned(found: Any, repository_id: str) -> Any:
    """A copy of a body, or of a listing's, that names the repository as the one it belongs to."""
    found = json.loads(json.dumps(found))
    for one in found.get("values", [found]) if isinstance(found, dict) else ():
        for place in (one, one.get("destination") or {}):
            if "repository" in place:
                place["repository"]["uuid"] = repository_id
    return found


def listing(*values: Any) -> dict[str, Any]:
    """Recorded objects in the envelope every listing has."""
    return {"values": list(values), "pagelen": 10, "size": len(values), "page": 1}


@dataclass
class Recorded:
    """Answers by path below ``/2.0``; every path without one gives the recorded 404.

    A repository goes by its slug or its uuid, and what was recorded of any one says that it is of the one asked for.

    Attributes:
        bodies: (status, content type, body) by path, repositories by slug.
        partial: whether ``fields`` is honoured, as Bitbucket does.
        asked: paths in the order they came.
    """

    bodies: dict[str, tuple[int, str, Any]]
    partial: bool = True
    scopes: str = "account, pullrequest, pipeline, repository:admin"
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def answer(self, target: str) -> tuple[int, str, Any]:
        """What a GET of this path and query brings."""
        parts = urlsplit(target)
        path, repository_id = self._by_slug(unquote(parts.path).removeprefix("/2.0"))
        self.asked.append(path)
        status, kind, found = self.bodies.get(path) or (404, "application/json", body("gildas-error-noapi"))
        found = owned(found, repository_id) if repository_id and status == 200 else found
        fields = parse_qs(parts.query).get("fields")
        if self.partial and fields and status == 200 and isinstance(found, dict):
            found = project(found, fields[0])
        return status, kind, found

    def _by_slug(self, path: str) -> tuple[str, str | None]:
        """The path with the slug in the uuid's place, and that uuid."""
        for listed in (found for _, _, found in self.bodies.values() if isinstance(found, dict)):
            for one in listed.get("values", ()):
                if one.get("type") == "repository" and f"/{one['uuid']}/" in path:
                    return path.replace(one["uuid"], one["slug"]), one["uuid"]
        return path, None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        recorded = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, kind, found = recorded.answer(self.path)
                self._send(status, kind, found, {"X-OAuth-Scopes": recorded.scopes})

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                token = {
                    "access_token": "recorded",
                    "token_type": "bearer",
                    "expires_in": 7200,
                    "scope": recorded.scopes.replace(",", ""),
                }
                self._send(200, "application/json", token, {})

            def _send(self, status: int, kind: str, found: Any, headers: dict[str, str]) -> None:
                sent = (found if isinstance(found, str) else json.dumps(found)).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Type": kind, "Content-Length": str(len(sent))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        return Handler


def ok(found: Any) -> tuple[int, str, Any]:
    """A success in JSON."""
    return 200, "application/json", found
