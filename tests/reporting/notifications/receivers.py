"""Receivers on this machine: a web server and an SMTP server that keep what they are sent."""

from __future__ import annotations

import email
import email.policy
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, cast


@dataclass
class Posted:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return cast(dict[str, Any], json.loads(self.body))


@dataclass
class WebReceiver:
    """What came, and how it is answered: the statuses in a row, then 200; ``location``: where a redirect leads."""

    port: int = 0
    posted: list[Posted] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    location: str = ""


@dataclass
class MailReceiver:
    """What came; ``refusing`` lets the server turn every message away."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refusing: bool = False


@contextmanager
def web_receiver() -> Iterator[WebReceiver]:
    receiver = WebReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.posted.append(Posted(self.path, dict(self.headers), body))
            self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with _serving(HTTPServer(("127.0.0.1", 0), Handler)) as port:
        receiver.port = port
        yield receiver


@contextmanager
def mail_receiver() -> Iterator[MailReceiver]:
    server = _MailServer(("127.0.0.1", 0), _MailHandler)
    with _serving(server) as port:
        server.receiver.port = port
        yield server.receiver


class _MailServer(socketserver.ThreadingTCPServer):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.receiver = MailReceiver()


class _MailHandler(socketserver.StreamRequestHandler):
    server: _MailServer

    def handle(self) -> None:
        self._say("220 here")
        for raw in self.rfile:
            command, _, rest = raw.decode().strip().partition(" ")
            if command.upper() == "QUIT":
                self._say("221 bye")
                return
            if command.upper() == "RCPT":
                self.server.receiver.recipients.append(rest.partition(":")[2].strip("<>"))
            self._say(self._take() if command.upper() == "DATA" else "250 fine")

    def _take(self) -> str:
        self._say("354 go on")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        if self.server.receiver.refusing:
            return "451 later"
        mail = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        self.server.receiver.mails.append(cast(EmailMessage, mail))
        return "250 taken"

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
