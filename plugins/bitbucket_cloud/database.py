"""The Postgres that all processes of a connection share: token vault and request ledger live there.

The tables stand in schema ``integration``; whoever installs the package brings them (here: the migrations).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast

import psycopg
from psycopg.rows import dict_row

from bitbucket_cloud.errors import StoreUnavailable

SQL = Path(__file__).with_name("sql")

Connection = psycopg.Connection[dict[str, Any]]


class Store:
    """Opens connections to that Postgres and runs the package's SQL files on them.

    Args:
        connect: opens a psycopg connection; rows of any kind.
        name: how messages call it, such as "Airflow connection compliance_postgres".
    """

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]], name: str) -> None:
        self._connect = connect
        self.name = name

    @classmethod
    def from_airflow(cls, conn_id: str) -> Store:
        """The store behind an Airflow connection of type postgres."""

        def connect() -> psycopg.Connection[Any]:
            from airflow.providers.postgres.hooks.postgres import PostgresHook

            return cast(psycopg.Connection[Any], PostgresHook(postgres_conn_id=conn_id).get_conn())

        return cls(connect, f"Airflow connection {conn_id}")

    def connect(self) -> Connection:
        """A connection whose rows are dictionaries; the caller closes it.

        Raises:
            StoreUnavailable: nothing answers, or it refuses the login.
        """
        with self.errors():
            connection = self._connect()
            connection.row_factory = dict_row
            return connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection of its own for one transaction: committed at the end, rolled back on an error."""
        connection = self.connect()
        try:
            with self.errors(), connection.transaction():
                yield connection
        finally:
            connection.close()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Database errors become ours, without what was being written.

        Raises:
            StoreUnavailable: any of them.
        """
        try:
            yield
        except psycopg.Error as error:
            reason = error.diag.message_primary or type(error).__name__
            raise StoreUnavailable(
                f"{self.name} can't hold tokens and the request budget ({reason}); "
                "check the server and that the migrations were run"
            ) from None


def run_sql(
    connection: psycopg.Connection[Any], name: str, parameters: Mapping[str, Any] | None = None
) -> psycopg.Cursor[dict[str, Any]]:
    """Execute the one statement of ``sql/<name>``; values travel as parameters."""
    return connection.execute(_text(name), parameters or {})


@cache
def _text(name: str) -> bytes:
    return (SQL / name).read_bytes()
