"""What the tests of the token vault share: a connected connection, the table seen raw, and a process that refreshes.

As a program, `python -m tests.vaulting URL DSN CONN_ID`: refreshes once for each line on its standard input, which is
the access token that is no longer good ("-" for none), and answers with the new one or with the error's class and text.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg
from psycopg.rows import dict_row

from bitbucket_cloud.auth import oauth
from bitbucket_cloud.auth.bearer import BearerAuth, make_auth
from bitbucket_cloud.auth.encryption import TokenEncryption
from bitbucket_cloud.auth.vault.vault import TokenVault
from bitbucket_cloud.database import Database
from bitbucket_cloud.errors import BitbucketError
from bitbucket_cloud.http.redaction import Redactor
from bitbucket_cloud.http.transport import Transport
from bitbucket_cloud.settings import AUTHORIZATION_CODE, Settings
from bitbucket_compliance.core.bitbucket import CONFIGURATION
from sandbox.process import SandboxServer

KEY_VARIABLE = CONFIGURATION.key_variable
WEBHOOK_KEY_VARIABLE = CONFIGURATION.webhook_key_variable
ROOT = Path(__file__).resolve().parents[1]
KEY = "3q2-796tvu_erb7v3q2-796tvu_erb7v3q2-796tvu8="
OTHER_KEY = "yv66vsr-ur7K_rq-yv66vsr-ur7K_rq-yv66vsr-ur4="
CONN_ID = "bitbucket_default"
CONSUMER = ("demo-admin-key", "demo-admin-secret")


def database_at(dsn: str) -> Database:
    """The database at an address, with the project's own configuration."""
    return Database(lambda: psycopg.connect(dsn), "Airflow connection compliance_postgres", CONFIGURATION)


def vault_at(dsn: str, keys: str = KEY) -> TokenVault:
    """The vault at an address."""
    return TokenVault(database_at(dsn), TokenEncryption(keys, CONFIGURATION))


def settings_for(url: str, conn_id: str = CONN_ID, **fields: Any) -> Settings:
    """A connection with auth authorization_code to a sandbox."""
    key, secret = CONSUMER
    given = {"login": key, "password": secret, "api_url": url, "oauth_url": url, **fields}
    return Settings(conn_id, auth=AUTHORIZATION_CODE, **given)


def auth_for(settings: Settings, dsn: str) -> BearerAuth:
    """What signs the requests of such a connection; the keys come from the environment."""
    return make_auth(settings, Transport(settings), Redactor(), database_at(dsn))


def connect(server: SandboxServer, dsn: str, conn_id: str = CONN_ID, keys: str = KEY) -> None:
    """Have a person consent."""
    code = server.state.issue_code(CONSUMER[0])
    oauth.connect(settings_for(server.url, conn_id), vault_at(dsn, keys), code, connected_by="tester")


def rows(dsn: str, statement: str, values: Sequence[object] = (), role: str = "compliance_vault") -> list[Any]:
    """Rows of one statement, run as a role."""
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        connection.execute(f"SET ROLE {role}")  # type: ignore[arg-type]
        cursor = connection.execute(statement, values)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


def events(dsn: str, conn_id: str = CONN_ID) -> list[str]:
    """What happened to a connection, in order."""
    found = rows(dsn, "SELECT event FROM integration.connection_events WHERE conn_id = %s ORDER BY event_id", [conn_id])
    return [row["event"] for row in found]


def status(dsn: str, conn_id: str = CONN_ID) -> tuple[str, str | None]:
    """Status of a connection and the reason for it, as the pipeline sees them."""
    statement = "SELECT status, status_reason FROM integration.connections WHERE conn_id = %s"
    (row,) = rows(dsn, statement, [conn_id], role="compliance_pipeline")
    return row["status"], row["status_reason"]


class Refresher:
    """Another process that uses the connection."""

    def __init__(self, server: SandboxServer, dsn: str, conn_id: str = CONN_ID) -> None:
        path = os.pathsep.join([str(ROOT / "include"), str(ROOT / "plugins")])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.vaulting", server.url, dsn, conn_id],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": path, KEY_VARIABLE: KEY},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.answer() == "ready"

    def ask(self, refused: str = "-") -> None:
        """Have it refresh in the place of a token."""
        assert self.process.stdin is not None
        self.process.stdin.write(refused + "\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        """Its next line; waits for it."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self, with_signal: int = signal.SIGKILL) -> int:
        """Send it a signal and wait until it is gone; its exit code."""
        self.process.send_signal(with_signal)
        return self.process.wait(30)

    def close(self) -> None:
        """End it if it still runs."""
        self.process.kill()
        self.process.wait(30)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


def _terminated(number: int, frame: FrameType | None) -> None:
    # As Airflow does in a task.
    raise SystemExit(143)


def main(url: str, dsn: str, conn_id: str) -> None:
    """Refresh for each line."""
    signal.signal(signal.SIGTERM, _terminated)
    auth = auth_for(settings_for(url, conn_id), dsn)
    print("ready", flush=True)
    for line in sys.stdin:
        refused = line.strip()
        try:
            if refused != "-":
                auth.renew(refused)
            print(auth.token(), flush=True)
        except BitbucketError as error:
            print(f"{type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
