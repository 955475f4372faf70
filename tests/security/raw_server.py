"""A server that says whatever a test wants, byte by byte, for as long as somebody listens."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

#: What comes over the wire for a request (head and body), piece by piece.
Say = Callable[[str], Iterable[bytes]]


@dataclass
class RawServer:
    """Where it listens, and the requests that came; ``greeting`` is said before any."""

    say: Say
    greeting: Callable[[], Iterable[bytes]] = tuple
    port: int = 0
    seen: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def raw_server(say: Say, greeting: Callable[[], Iterable[bytes]] = tuple) -> Iterator[RawServer]:
    """Serve until the end of the context."""
    known = RawServer(say, greeting)
    closing = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                self._said(known.greeting())
                request = self.request.recv(65536).decode(errors="replace")
                if request:
                    known.seen.append(request)
                    self._said(known.say(request))

        def _said(self, pieces: Iterable[bytes]) -> None:
            for piece in pieces:
                if closing.is_set():
                    return
                self.request.sendall(piece)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        known.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield known
        finally:
            closing.set()
            server.shutdown()


def ok(headers: str, *body: bytes) -> list[bytes]:
    """A success with these header lines; without Content-Length its end is the end of the connection."""
    return [f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}\r\n".encode(), *body]
