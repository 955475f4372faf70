"""A registered webhook, and a receiver whose login may do nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from cryptography.fernet import Fernet

from bitbucket_cloud.auth.encryption import WebhookEncryption
from local.postgres import EmbeddedPostgres
from tests.receiving import HOOK, SECRET, Registry, Running, body_of, environment_of, free_port, headers_of

Deliver = Callable[..., requests.Response]


@pytest.fixture(scope="session")
def webhook_key() -> str:
    return Fernet.generate_key().decode()


@pytest.fixture(scope="session")
def receiver_login(postgres: EmbeddedPostgres) -> str:
    """A login that holds the role compliance_receiver and nothing else."""
    with psycopg.connect(postgres.uri("postgres", "postgres"), autocommit=True) as connection:
        # tests/security has this fixture too, in the same server.
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'lonely_receiver'").fetchone():
            connection.execute("CREATE ROLE lonely_receiver LOGIN PASSWORD 'lonely'")
            connection.execute("GRANT compliance_receiver TO lonely_receiver")
    return "lonely_receiver"


@pytest.fixture
def registry(dsn: str, webhook_key: str) -> Registry:
    """With one webhook and its secret."""
    made = Registry(dsn, WebhookEncryption(webhook_key))
    made.hook(HOOK, made.secret(SECRET))
    return made


@pytest.fixture
def receiver(registry: Registry, dsn: str, webhook_key: str, receiver_login: str, tmp_path: Path) -> Iterator[Running]:
    """``python -m bitbucket_webhooks``."""
    port = free_port()
    environment = environment_of(dsn, receiver_login, "lonely", webhook_key, port)
    running = Running(environment, port, tmp_path / "receiver.log").start()
    yield running
    running.stop()


@pytest.fixture
def deliver(receiver: Running) -> Deliver:
    """Send one delivery; the body is a new one unless given."""

    def send(body: bytes | None = None, **options: Any) -> requests.Response:
        sent = body_of() if body is None else body
        return requests.post(receiver.url, data=sent, headers=headers_of(sent, **options), timeout=30)

    return send
