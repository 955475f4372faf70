"""A pooled connection to ``compliance_postgres`` for one request."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, Final

import psycopg
from fastapi import Depends, Request
from psycopg.pq import TransactionStatus

from bitbucket_compliance.core.bitbucket import CONFIGURATION as PIPELINE_CONFIGURATION
from bitbucket_compliance.core.database import configure, connect
from bitbucket_compliance.core.errors import postgres_errors

Connection = psycopg.Connection[dict[str, Any]]
ROLE = "compliance_console"
#: What the console tells ``bitbucket_cloud``: as the pipeline does, in the console's role.
CONFIGURATION = replace(PIPELINE_CONFIGURATION, role=ROLE)
SQL = Path(__file__).parent / "sql"
IDLE_KEPT = 4
#: What pages read fits into memory or lies on flash, so a look into an index is not dear; and a query of some
#: milliseconds is over before helpers have started. What a large workspace's page sorts fits into 16 MB.
SETTINGS: Final[Mapping[str, str]] = {
    "random_page_cost": "1.1",
    "max_parallel_workers_per_gather": "0",
    "work_mem": "16MB",
}


class Pool:
    """Connections that were used and are whole are used again; at most ``IDLE_KEPT`` wait."""

    def __init__(self) -> None:
        self._idle: list[Connection] = []
        self._lock = threading.Lock()

    def take(self) -> Connection:
        """A connection that answers, in the console's role.

        Raises:
            PostgresUnavailable: the server does not answer.
            RoleRefused: the login may not step into that role.
        """
        while (connection := self._pop()) is not None:
            try:
                connection.execute("SELECT 1")
                connection.rollback()
                return connection
            except psycopg.Error:
                connection.close()
        connection = connect(role=ROLE)
        configure(connection, SETTINGS)
        connection.commit()
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keep the connection for the next request, or close it where it is of no more use."""
        whole = not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE
        with self._lock:
            if whole and len(self._idle) < IDLE_KEPT:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close every waiting connection."""
        while (connection := self._pop()) is not None:
            connection.close()

    def _pop(self) -> Connection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None


def database(request: Request) -> Iterator[Connection]:
    """One transaction a request: committed when the route is done, rolled back when it raised."""
    pool: Pool = request.app.state.pool
    connection = pool.take()
    try:
        with postgres_errors():
            yield connection
            connection.commit()
    finally:
        if not connection.closed and connection.info.transaction_status != TransactionStatus.IDLE:
            connection.rollback()
        pool.give_back(connection)


#: Ends a dependency with its route: the commit comes before the answer, so a commit that fails is told. FastAPI before
#: 0.118 (Airflow 3.1) does so by itself, and knows no such argument.
WITH_THE_ROUTE: Final[dict[str, Any]] = {"scope": "function"} if "scope" in signature(Depends).parameters else {}
Database = Annotated[Connection, Depends(database, **WITH_THE_ROUTE)]


def rows(connection: Connection, name: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """All rows of ``sql/<name>.sql``, ``page/statement``; values travel as parameters."""
    return executed(connection, name, parameters).fetchall()


def row(connection: Connection, name: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    """The first row of ``sql/<name>.sql``, or None."""
    return executed(connection, name, parameters).fetchone()


def executed(
    connection: Connection, name: str, parameters: Mapping[str, Any] | None = None
) -> psycopg.Cursor[dict[str, Any]]:
    """The cursor after ``sql/<name>.sql``, for whoever needs the names of its columns."""
    return connection.execute(_text(name), parameters or {})


@cache
def _text(name: str) -> bytes:
    return (SQL / f"{name}.sql").read_bytes()
