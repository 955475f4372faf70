"""What the attacks share: the login that runs, sessions in a role, and the receiver of webhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from bitbucket_compliance.core.roles import ensure_running_login
from local.postgres import RUNNING_ROLE, EmbeddedPostgres
from tests.conftest import Database
from tests.console.conftest import open_console as open_console
from tests.webhooks.conftest import deliver as deliver
from tests.webhooks.conftest import receiver as receiver
from tests.webhooks.conftest import receiver_login as receiver_login
from tests.webhooks.conftest import registry as registry
from tests.webhooks.conftest import webhook_key as webhook_key

As = Callable[[str], Database]


@pytest.fixture
def running(dsn: str, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> str:
    """The fresh database, named by ``compliance_postgres`` with the login that runs and owns nothing."""
    ensure_running_login(dsn, RUNNING_ROLE, "the running login's password")
    address = postgres.uri(dsn.rpartition("/")[2], RUNNING_ROLE, "the running login's password")
    monkeypatch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", address)
    return address


@pytest.fixture
def acting_as(running: str) -> Iterator[As]:
    """Sessions of the running login in a role; every statement commits by itself."""
    with ExitStack() as opened:

        def act(role: str) -> Database:
            connection = opened.enter_context(psycopg.connect(running, autocommit=True, row_factory=dict_row))
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
            return connection

        yield act
