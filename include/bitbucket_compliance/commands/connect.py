"""``connect``: have a person consent to a connection to Bitbucket, where the console is not at hand."""

from __future__ import annotations

import hmac
import http.server
import os
import queue
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from bitbucket_compliance.commands.command_line import PROGRAM, CommandError, Flag, command, port_or_any
from bitbucket_compliance.commands.environment import (
    database,
    operator,
    require_bitbucket,
    vault_database,
)
from bitbucket_compliance.core.bitbucket import CONFIGURATION, CONNECTIONS, DEFAULT_CONNECTION, connection_ids
from bitbucket_compliance.core.postgres_address import ConnectionUnreadable
from bitbucket_compliance.core.printable import printable

if TYPE_CHECKING:
    from bitbucket_cloud.auth.vault.vault import TokenVault
    from bitbucket_cloud.settings import Settings

DEFAULT_PORT: Final = 8976
CALLBACK_PATH: Final = "/callback"
#: how long a person may take to consent
CONSENT_SECONDS: Final = 900.0

_DECIDED_SQL: Final = """
SELECT workspace, test_id, summary
FROM compliance.decided_by
WHERE workspace = any(%s)
ORDER BY workspace, test_id
"""
_PAGE: Final = "<!doctype html><title>Bitbucket</title><p>{text}</p>"
_AGAIN: Final = f"run {PROGRAM} connect again"


@dataclass(frozen=True)
class Answer:
    """What the browser brought back from Bitbucket: a code, or the reason why there is none."""

    code: str = ""
    error: str = ""


@command(
    "connect",
    "let a person connect Bitbucket (auth authorization_code)",
    Flag("port", str(DEFAULT_PORT), "of the callback address on this machine", port_or_any, DEFAULT_PORT),
    Flag("connection", DEFAULT_CONNECTION, "the Airflow connection, where there are several; the first if left out"),
    check=require_bitbucket,
)
def connect(port: int, connection: str) -> None:
    """Have a person consent in their browser and keep the tokens in the vault. Prints no token.

    Raises:
        CommandError: there is no such connection, the port is taken, the person refused or did not come back.
        BitbucketError: Bitbucket or the vault refused; see ``bitbucket_cloud.auth.oauth.connect``.
    """
    from bitbucket_cloud.auth.vault.vault import TokenVault

    connect_with(_settings(connection or connection_ids()[0]), TokenVault(vault_database()), port)


def connect_with(settings: Settings, vault: TokenVault, port: int) -> None:
    """As `connect`, with the connection and the vault at hand."""
    from bitbucket_cloud.auth import oauth

    with Callback(port) as callback:
        url = oauth.authorization_url(settings, callback.state, callback.address)
        print(f"The OAuth consumer needs this callback URL: {callback.address}")
        print(f"Open this address in a browser that is logged in to Bitbucket:\n\n  {url}\n", flush=True)
        answer = callback.wait(CONSENT_SECONDS)
    if answer.error == "access_denied":
        raise CommandError(f"not connected: access was denied on Bitbucket's page; {_AGAIN} to allow it")
    if answer.error:
        raise CommandError(
            f"not connected: Bitbucket answered with {answer.error}; check key and scopes of the consumer"
        )
    done = oauth.connect(settings, vault, answer.code, connected_by=operator(), redirect_uri=callback.address)
    scopes = "Bitbucket did not say which" if done.scopes is None else ", ".join(sorted(done.scopes)) or "none"
    print(f"Airflow connection {settings.conn_id} is connected; scopes granted: {scopes}")
    for line in _decides(done.scopes, settings.workspaces):
        print(printable(line))


def _decides(scopes: frozenset[str] | None, workspaces: tuple[str, ...]) -> Iterator[str]:
    """What these scopes let each test decide, and by what its subjects were decided when they were last judged."""
    from bitbucket_cloud.auth.scopes import expand
    from bitbucket_compliance.pipeline.extract.preflight import bases_available, told
    from bitbucket_compliance.security_tests import CATALOGUE

    granted = None if scopes is None else expand(scopes)
    yield from told({test.test_id: bases_available(test, granted) for test in CATALOGUE}, granted)
    with database() as connection:
        for row in connection.execute(_DECIDED_SQL, [[slug.lower() for slug in workspaces]]):
            yield f"as last judged in {row['workspace']}, {row['test_id']}: {row['summary']}"


def _settings(conn_id: str) -> Settings:
    """The connection, read by Airflow itself: JSON or URI, or one that it stores."""
    from airflow.sdk import BaseHook, Connection

    from bitbucket_cloud.settings import Settings
    from bitbucket_compliance.core.airflow_errors import AirflowNotFoundException

    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    value = os.environ.get(variable, "")
    try:
        if value.lstrip().startswith("{"):
            connection = Connection.from_json(value, conn_id)
        else:
            connection = Connection.from_uri(value, conn_id) if value else BaseHook.get_connection(conn_id)
    except (ValueError, TypeError):
        raise ConnectionUnreadable(
            f"{variable} can't be read: write JSON with conn_type, login, password and extra"
        ) from None
    except AirflowNotFoundException:
        raise CommandError(
            f"there is no Airflow connection {conn_id}; {CONNECTIONS} lists those to Bitbucket"
        ) from None
    return Settings.from_connection(connection, CONFIGURATION)


class Callback:
    """Listens on loopback for the browser that comes back from Bitbucket; a context manager.

    Attributes:
        address: what Bitbucket is to send the browser to.
        state: goes along with the request and has to come back; the first right one is the last one taken.
    """

    def __init__(self, port: int) -> None:
        self.state = secrets.token_urlsafe(32)
        self._answers: queue.Queue[Answer] = queue.Queue()
        self._lock = threading.Lock()
        self._is_open = True
        try:
            self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        except (OSError, OverflowError):
            raise CommandError(
                f"port {port} on this machine can't be listened on: pass another as --port=n, and enter "
                f"http://localhost:n{CALLBACK_PATH} as callback URL of the OAuth consumer"
            ) from None
        self._server.daemon_threads = True
        self.address = f"http://localhost:{self._server.server_port}{CALLBACK_PATH}"

    def __enter__(self) -> Callback:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait(self, seconds: float) -> Answer:
        """What Bitbucket answered.

        Raises:
            CommandError: nobody came back in time.
        """
        try:
            return self._answers.get(timeout=seconds)
        except queue.Empty:
            raise CommandError(f"nobody came back from Bitbucket within {seconds:.0f} seconds; {_AGAIN}") from None

    def pass_on(self, answer: Answer) -> None:
        """End the wait."""
        self._answers.put(answer)

    def judge(self, target: str) -> tuple[int, str, Answer | None]:
        """Status and sentence for a request that arrived, and what it brings if it is the one waited for."""
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path != CALLBACK_PATH:
            return 404, "There is nothing here.", None
        with self._lock:
            same = hmac.compare_digest(query.get("state", "").encode(), self.state.encode())
            if not same or not self._is_open:
                return 400, "This is not the answer that was waited for; start the command again.", None
            self._is_open = False
        error = "".join(c for c in query.get("error", "") if c.isascii() and (c.isalnum() or c == "_"))[:60]
        code = query.get("code", "")
        answer = Answer(code, error if error or code else "neither a code nor a reason")
        return 200, "Bitbucket has answered; what came of it stands in the terminal. This page can be closed.", answer


def _handler(callback: Callback) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        # A browser opens connections ahead of need and may never use them.
        timeout = 30

        def do_GET(self) -> None:
            status, text, answer = callback.judge(self.path)
            try:
                self._show(status, _PAGE.format(text=text).encode())
            finally:
                if answer is not None:
                    callback.pass_on(answer)

        def _show(self, status: int, body: bytes) -> None:
            self.send_response_only(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            # The address of this page holds the code.
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: the request line holds the code."""

    return Handler
