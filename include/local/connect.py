"""`make connect` and `make rotate-vault-key`: a person's grant for teams without the console, and the vault's keys."""

from __future__ import annotations

import hmac
import http.server
import os
import queue
import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from local import environment as env
from local.services import (
    Connections,
    LocalError,
    Services,
    migrate_compliance,
    only_one,
    require_postgres,
)

if TYPE_CHECKING:
    from bitbucket_cloud.auth.encryption import Encryption
    from bitbucket_cloud.auth.vault.vault import TokenVault
    from bitbucket_cloud.database import Database
    from bitbucket_cloud.settings import Settings

DEFAULT_PORT: Final = 8976
CALLBACK_PATH: Final = "/callback"
#: how long a person may take to consent
CONSENT_SECONDS: Final = 900.0
CONN_ID: Final = "bitbucket_default"

_PAGE: Final = "<!doctype html><title>Bitbucket</title><p>{text}</p>"


@dataclass(frozen=True)
class Answer:
    """What the browser brought back from Bitbucket: a code, or the reason why there is none."""

    code: str = ""
    error: str = ""


def connect(port: int = DEFAULT_PORT) -> int:
    """Have a person consent in their browser and keep the tokens in the vault. Prints no token.

    Raises:
        LocalError: nothing is set to connect, the port is taken, the person refused or did not come back.
        BitbucketError: Bitbucket or the vault refused; see ``bitbucket_cloud.auth.oauth.connect``.
    """
    from bitbucket_cloud.auth.vault.vault import TokenVault

    with Services() as services:
        connections = services.connections(needs_bitbucket=False)
        if not connections.bitbucket:
            raise LocalError(
                f"there is no connection to connect: set {env.BITBUCKET_CONNECTION} with login (OAuth key), password "
                "(OAuth secret) and extra auth authorization_code"
            )
        vault = TokenVault(*_encrypted(connections, env.vault_keys(os.environ)))
        settings = _settings(connections.bitbucket)
        connect_with(settings, vault, port)
    return 0


def connect_with(settings: Settings, vault: TokenVault, port: int, *, seconds: float = CONSENT_SECONDS) -> None:
    """As `connect`, with the connection and the vault at hand."""
    from bitbucket_cloud.auth import oauth

    with Callback(port) as callback:
        url = oauth.authorization_url(settings, callback.state, callback.address)
        print(f"The OAuth consumer needs this callback URL: {callback.address}")
        print(f"Open this address in a browser that is logged in to Bitbucket:\n\n  {url}\n", flush=True)
        answer = callback.wait(seconds)
    if answer.error == "access_denied":
        raise LocalError("not connected: access was denied on Bitbucket's page; run make connect again to allow it")
    if answer.error:
        raise LocalError(f"not connected: Bitbucket answered with {answer.error}; check key and scopes of the consumer")
    done = oauth.connect(settings, vault, answer.code, connected_by=env.operator(), redirect_uri=callback.address)
    scopes = "Bitbucket did not say which" if done.scopes is None else ", ".join(sorted(done.scopes)) or "none"
    print(f"Airflow connection {settings.conn_id} is connected; scopes granted: {scopes}")


def rotate_vault_key() -> int:
    """Encrypt the vault with the first key of COMPLIANCE_VAULT_KEY; where that isn't set, with a new key of our own.

    Raises:
        ConfigurationError: a row that none of the keys opens; nothing is changed then.
        DatabaseUnavailable: the database fails.
    """
    from bitbucket_cloud.key_rotation import rotate_key

    given = os.environ.get(env.VAULT_KEY)
    with Services() as services, only_one(env.LOCAL / "airflow"):
        connections = services.connections(needs_bitbucket=False)
        if given:
            count = rotate_key(*_encrypted(connections, given))
            print(f"connections encrypted with the first key of {env.VAULT_KEY}: {count}; the other keys can go now")
            return 0
        fresh, before = env.new_vault_key(), env.vault_keys(os.environ)
        # Should this be interrupted, the file opens rows of both kinds.
        env.keep_vault_keys(f"{fresh},{before}")
        count = rotate_key(*_encrypted(connections, f"{fresh},{before}"))
        env.keep_vault_keys(fresh)
        print(f"connections encrypted with a new key: {count}; restart what runs with the old one (make down, make up)")
    return 0


def _encrypted(connections: Connections, keys: str) -> tuple[Database, Encryption]:
    """The database with the tokens, and what encrypts them."""
    import psycopg

    from bitbucket_cloud.auth.encryption import Encryption
    from bitbucket_cloud.database import Database
    from bitbucket_compliance.core.bitbucket import CONFIGURATION

    encryption = Encryption(keys, CONFIGURATION)
    require_postgres(connections)
    migrate_compliance(connections)
    dsn = connections.address.dsn
    database = Database(lambda: psycopg.connect(dsn), "Airflow connection compliance_postgres", CONFIGURATION)
    return database, encryption


def _settings(connection: str) -> Settings:
    """The connection, read by Airflow itself: JSON or URI."""
    # Airflow writes its configuration where these say, as soon as it is imported.
    os.environ.update(env.airflow_environment(env.LOCAL / "airflow"))
    from airflow.sdk import Connection

    from bitbucket_cloud.settings import Settings

    try:
        is_json = connection.lstrip().startswith("{")
        read = Connection.from_json(connection, CONN_ID) if is_json else Connection.from_uri(connection, CONN_ID)
    except (ValueError, TypeError):
        raise env.ConnectionUnreadable(
            f"{env.BITBUCKET_CONNECTION} can't be read: write JSON with conn_type, login, password and extra"
        ) from None
    return Settings.from_connection(read)


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
            raise LocalError(
                f"port {port} on this machine can't be listened on: pass another as PORT=n, and enter "
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
            LocalError: nobody came back in time.
        """
        try:
            return self._answers.get(timeout=seconds)
        except queue.Empty:
            raise LocalError(
                f"nobody came back from Bitbucket within {seconds:.0f} seconds; run make connect again"
            ) from None

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
                return 400, "This is not the answer that was waited for; start again with make connect.", None
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
