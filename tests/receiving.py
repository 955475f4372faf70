"""A receiver as a process of its own, and what registration would have written for it."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import requests

from bitbucket_cloud.auth.encryption import WebhookEncryption
from bitbucket_cloud.webhooks.signature import secret_of_webhook, sign
from local.environment import postgres_connection
from tests.conftest import ROOT, Database

HOOK = "{11111111-2222-4333-8444-555555555555}"
REPOSITORY = "{aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee}"
SECRET = "first secret, with an ü"
_numbers = itertools.count(1)


@dataclass
class Registry:
    """Writes what registration would."""

    dsn: str
    keys: WebhookEncryption
    secrets: dict[str, int] = field(default_factory=dict)

    def secret(self, value: str, *, conn_id: str = "bitbucket_default") -> int:
        """The current secret of a connection."""
        with psycopg.connect(self.dsn) as connection:
            connection.execute("SET ROLE compliance_vault")
            row = connection.execute(
                "INSERT INTO integration.webhook_secrets (conn_id, sealed) VALUES (%s, %s) RETURNING secret_id",
                (conn_id, self.keys.encrypt_webhook_secret(conn_id, value)),
            ).fetchone()
        assert row is not None
        return int(row[0])

    def retire(self, until: str) -> None:
        """Let the current secret be accepted until then (SQL)."""
        with psycopg.connect(self.dsn) as connection:
            connection.execute("SET ROLE compliance_vault")
            connection.execute(
                f"UPDATE integration.webhook_secrets SET accepted_until = {until} WHERE accepted_until IS NULL"  # noqa: S608
            )

    def hook(self, hook_id: str, secret_id: int | None, workspace: str = "acme") -> None:
        """A webhook of the workspace."""
        with psycopg.connect(self.dsn) as connection:
            connection.execute(
                "INSERT INTO integration.webhooks (conn_id, workspace, hook_id, url, secret_id, state, registered_at)"
                " VALUES ('bitbucket_default', %s, %s, 'https://hooks.example.com', %s, 'active', now())",
                (workspace, hook_id, secret_id),
            )


@dataclass
class Running:
    """A receiver at work; it can be stopped and started again on its port."""

    environment: dict[str, str]
    port: int
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks/bitbucket"

    def start(self) -> Running:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bitbucket_webhooks"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(requests.RequestException):
                if requests.get(self.url, timeout=1).status_code == 405:
                    return self
            time.sleep(0.05)
        raise RuntimeError(f"the receiver did not start: {self.log.read_text()[-2000:]}")

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(30)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment_of(dsn: str, login: str, password: str, webhook_key: str, port: int) -> dict[str, str]:
    """What the receiver is told: the database with a login of its own, the key, the port, and nothing of Airflow."""
    address = urlsplit(dsn)
    own = address._replace(netloc=f"{login}:{password}@{address.netloc.rpartition('@')[2]}").geturl()
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT / 'include'}{os.pathsep}{ROOT / 'plugins'}",
        "AIRFLOW_CONN_COMPLIANCE_POSTGRES": postgres_connection(own),
        "COMPLIANCE_WEBHOOK_KEY": webhook_key,
        "COMPLIANCE_RECEIVER_PORT": str(port),
    }


def body_of(repository_id: str | None = REPOSITORY, **content: Any) -> bytes:
    """A body like no other."""
    made: dict[str, Any] = {"number": next(_numbers), **content}
    if repository_id is not None:
        made["repository"] = {"uuid": repository_id, "full_name": "elsewhere/other", "name": "über"}
    return json.dumps(made, ensure_ascii=False).encode()


def signature(body: bytes, secret: str = SECRET) -> str:
    """As the webhook of workspace acme signs, whose connection has this secret."""
    return sign(secret_of_webhook(secret, "acme", ""), body)


def headers_of(body: bytes, secret: str | None = SECRET, hook: str = HOOK, **other: str | None) -> dict[str, str]:
    """The headers of a delivery; ``other`` by name with underscores, None leaves one out."""
    headers: dict[str, str | None] = {
        "Content-Type": "application/json",
        "X-Event-Key": "pullrequest:fulfilled",
        "X-Hook-UUID": hook.strip("{}"),
        "X-Request-UUID": f"00000000-0000-4000-8000-{next(_numbers):012d}",
        "X-Attempt-Number": "1",
        "X-Hub-Signature": None if secret is None else signature(body, secret),
    }
    headers |= {name.replace("_", "-"): value for name, value in other.items()}
    return {name: value for name, value in headers.items() if value is not None}


def events(database: Database) -> list[dict[str, Any]]:
    """What was taken in, in order."""
    return database.execute("SELECT * FROM integration.webhook_events ORDER BY event_id").fetchall()
