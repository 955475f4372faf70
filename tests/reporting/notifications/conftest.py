"""A workspace that is run again and again, and receivers for what is told of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.pipeline.small import small_state
from tests.reporting.conftest import drop_approvals as drop_approvals
from tests.reporting.conftest import first as first
from tests.reporting.notifications.receivers import MailReceiver, WebReceiver, mail_receiver, web_receiver

Connect = Callable[..., None]


@pytest.fixture
def acme(serve: Callable[[SandboxState], SandboxServer]) -> SandboxServer:
    """The workspace as the second run found it."""
    state = small_state(2)
    server = serve(state)
    drop_approvals(first(server))
    return server


@pytest.fixture
def web() -> Iterator[WebReceiver]:
    with web_receiver() as receiver:
        yield receiver


@pytest.fixture
def mail() -> Iterator[MailReceiver]:
    with mail_receiver() as receiver:
        yield receiver


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Make an Airflow connection and let notifications use it."""

    def made(conn_id: str, conn_type: str, port: int | None, *, to: str = "", digest: str = "", **more: Any) -> None:
        connection = {"conn_type": conn_type, "host": "127.0.0.1", "port": port, "schema": "http", **more}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
        monkeypatch.setenv("COMPLIANCE_NOTIFY_CONN_ID", conn_id)
        monkeypatch.setenv("COMPLIANCE_NOTIFY_TO", to)
        monkeypatch.setenv("COMPLIANCE_NOTIFY_DIGEST", digest)

    return made
