"""The Postgres that all processes share: tokens, webhooks and the count of requests are kept there.

Whoever installs the package creates the tables, in the schema that the configuration names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from bitbucket_cloud.configuration import DEFAULTS, Configuration
from bitbucket_cloud.errors import ConfigurationError, DatabaseUnavailable

Connection = psycopg.Connection[dict[str, Any]]

#: Seconds to wait for a locked row of the vault: as long as a refresh by another process may take.
VAULT_LOCK_SECONDS = 90.0

#: What a session needs, whatever the server, the database and the login set: the driver reads no other form of dates,
#: and whoever waited for a lock has to see what was committed meanwhile. Not sent as startup options, which poolers
#: refuse.
SESSION: Final = (
    "SELECT set_config('client_encoding', 'UTF8', false), set_config('DateStyle', 'ISO, MDY', false),"
    " set_config('IntervalStyle', 'postgres', false), set_config('TimeZone', 'UTC', false),"
    " set_config('default_transaction_isolation', 'read committed', false),"
    # A process that vanished without a word loses its locks within a minute, not when the kernel gives up.
    " set_config('tcp_keepalives_idle', '30', false), set_config('tcp_keepalives_interval', '10', false),"
    " set_config('tcp_keepalives_count', '3', false)"
)

_VAULT_SESSION = Path(__file__).with_name("vault_session.sql")


class Database:
    """Opens connections to that Postgres and runs SQL files on them.

    Args:
        connect: opens a psycopg connection; rows of any kind.
        name: how messages call it, such as "Airflow connection my_postgres".
        configuration: schema, role and hints of the installation.
    """

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection[Any]],
        name: str,
        configuration: Configuration = DEFAULTS,
    ) -> None:
        self._connect = connect
        self.name = name
        self.configuration = configuration

    @classmethod
    def from_airflow(cls, configuration: Configuration) -> Database:
        """The database behind the Airflow connection that the configuration names.

        Raises:
            ConfigurationError: it names none.
        """
        conn_id = configuration.database_conn_id
        if conn_id is None:
            raise ConfigurationError("the configuration names no Airflow connection to a Postgres (database_conn_id)")
        return cls(lambda: opened(conn_id, configuration), f"Airflow connection {conn_id}", configuration)

    def connect(self) -> Connection:
        """A connection in the configuration's role whose rows are dictionaries; the caller closes it.

        Raises:
            DatabaseUnavailable: nothing answers, or it refuses the login, or the role to the login.
        """
        with self.errors():
            connection = self._connect()
            try:
                connection.row_factory = dict_row
                if self.configuration.role is not None:
                    connection.execute(set_role(self.configuration.role))
                connection.execute(SESSION)
                connection.commit()
            except BaseException:
                connection.close()
                raise
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
    def vault_transaction(self) -> Iterator[Connection]:
        """As ``transaction``, in the role that may touch tokens and webhook secrets."""
        with self.transaction() as connection:
            self.enter_vault(connection, VAULT_LOCK_SECONDS)
            yield connection

    def enter_vault(self, connection: Connection, lock_seconds: float) -> None:
        """Give the transaction of a connection the vault's role, and no time limit but the one for locks."""
        role = self.configuration.vault_role
        self.run(connection, _VAULT_SESSION, role=role, lock_timeout=f"{lock_seconds * 1000:.0f}")

    def run(self, connection: Connection, file: Path, /, **parameters: Any) -> psycopg.Cursor[dict[str, Any]]:
        """Execute the one statement of a SQL file; values travel as parameters."""
        return connection.execute(statement(file, self.configuration.schema), parameters)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn errors of the driver into ours, without the values that were being written.

        Raises:
            DatabaseUnavailable: any of them.
        """
        try:
            yield
        except psycopg.Error as error:
            reason = error.diag.message_primary or type(error).__name__
            raise DatabaseUnavailable(
                f"{self.name} can't keep tokens and the count of requests ({reason}); {self.configuration.to_repair}"
            ) from None


def opened(conn_id: str, configuration: Configuration) -> psycopg.Connection[Any]:
    """A connection to the Postgres of an Airflow connection, as the configuration opens it where it is its own."""
    if configuration.connect is not None and configuration.database_conn_id == conn_id:
        return configuration.connect()
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    return cast(psycopg.Connection[Any], PostgresHook(postgres_conn_id=conn_id).get_conn())


def set_role(role: str) -> sql.Composed:
    """The statement that gives a session the rights of a role and no others."""
    return sql.SQL("SET ROLE {}").format(sql.Identifier(role))


@cache
def statement(file: Path, schema: str = DEFAULTS.schema) -> bytes:
    """The text of a SQL file. The files name the default schema, which ``schema`` takes the place of."""
    text = file.read_text()
    if schema != DEFAULTS.schema:
        quoted = schema.replace('"', '""')
        text = text.replace(f"{DEFAULTS.schema}.", f'"{quoted}".')
    return text.encode()


def one_row(cursor: psycopg.Cursor[dict[str, Any]]) -> Mapping[str, Any]:
    """The row of a statement that always gives one.

    Raises:
        LookupError: it gave none.
    """
    row = cursor.fetchone()
    if row is None:
        raise LookupError("the statement gave no row")
    return row
