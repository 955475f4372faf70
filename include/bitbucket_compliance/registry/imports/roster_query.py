"""One query over an Airflow connection of a SQL type, in a way that leaves nothing behind.

Whatever the text says: it is one SELECT, it runs in a read-only transaction where the database knows such, that
transaction is rolled back, and the server is never the one that holds the compliance data.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final

from bitbucket_compliance.core.allowed_hosts import check_destination, is_from_environment
from bitbucket_compliance.core.database import CONNECTION_ID
from bitbucket_compliance.core.errors import PipelineError, SourceUnavailable, SourceWrong, one_line

MOST_ROWS = 200_000
MOST_SECONDS = 300
#: what a connection that is stored in Airflow may set beside host, port, login, password and schema
HARMLESS_EXTRAS: Final = frozenset({"sslmode", "connect_timeout", "charset"})
POSTGRES_PORT: Final = 5432

_COMMENTS_IN_FRONT = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_ASKS = re.compile(r"(?:select|with|values|table)\b|\(", re.IGNORECASE)
_LEAVES_SOMETHING = re.compile(r"\bcommit\b|\binto\s+(?:outfile|dumpfile)\b", re.IGNORECASE)

Rows = tuple[list[str], list[Sequence[object]]]


def fetch(conn_id: str, query: str) -> Rows:
    """The names of the columns and the rows that a query brings.

    Raises:
        SourceWrong: the text is no single SELECT or brings too much; there is no such connection, it speaks no SQL,
            leads to the compliance data, or can't promise that nothing stays.
        DestinationRefused: the connection is stored in Airflow and leads elsewhere than the configuration allows.
        SourceUnavailable: the database doesn't answer, or refuses the query.
    """
    statement = _one_statement(conn_id, query)
    connection = _connection(conn_id)
    _check_server(connection)
    hook = _hook(connection)
    with _errors_of(connection), closing(hook.get_conn()) as database:
        try:
            _READ_ONLY.get(connection.conn_type, _rolled_back)(conn_id, hook, database)
            return _rows(conn_id, _cursor(connection, database), statement)
        finally:
            database.rollback()


def _one_statement(conn_id: str, query: str) -> str:
    """The query without a semicolon at its end.

    A semicolon anywhere else is refused, were it in a text or a comment: no reader of SQL but the server's own knows
    for sure where a text ends.
    """
    statement = query.rstrip().removesuffix(";")
    if ";" in statement:
        raise SourceWrong(
            f"sql:{conn_id}: the query holds a semicolon: write one statement, with none in its texts and comments"
        )
    if not _ASKS.match(statement, _COMMENTS_IN_FRONT.match(statement).end()):  # type: ignore[union-attr]
        raise SourceWrong(f"sql:{conn_id}: the query brings no rows: write one SELECT")
    if unfit := _LEAVES_SOMETHING.search(statement):
        raise SourceWrong(
            f"sql:{conn_id}: the query says {unfit[0]!r}, which would leave something behind: leave it out"
        )
    return statement


# ------------------------------------------------------------------------------------------------- the connection


def _connection(conn_id: str) -> Any:
    from airflow.sdk import BaseHook

    from bitbucket_compliance.core.airflow_errors import AirflowException

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowException as error:
        raise SourceWrong(f"sql:{conn_id}: no such Airflow connection can be used ({one_line(error)})") from error


def _hook(connection: Any) -> Any:
    from airflow.providers.common.sql.hooks.sql import DbApiHook

    from bitbucket_compliance.core.airflow_errors import AirflowException

    try:
        hook = connection.get_hook()
    except (AirflowException, ImportError) as error:
        raise SourceWrong(
            f"sql:{connection.conn_id}: no such Airflow connection can be used ({one_line(error)})"
        ) from error
    if not isinstance(hook, DbApiHook):
        raise SourceWrong(f"sql:{connection.conn_id}: a connection of type {connection.conn_type} answers no SQL")
    return hook


def _check_server(connection: Any) -> None:
    """Refuse the server of the compliance data, and what the configuration doesn't allow, before a password is sent."""
    conn_id, host = connection.conn_id, connection.host or ""
    if not is_from_environment(conn_id):
        check_destination(conn_id, f"{host}:{connection.port}" if connection.port else host, from_environment=False)
        if others := sorted(set(connection.extra_dejson) - HARMLESS_EXTRAS):
            raise SourceWrong(
                f"sql:{conn_id}: the connection is stored in Airflow and sets the extra {others[0]!r}, which could "
                f"lead elsewhere: take it out, or set AIRFLOW_CONN_{conn_id.upper()} in the environment"
            )
    own = _connection(CONNECTION_ID)
    own_port = own.port or POSTGRES_PORT
    is_its_port = own_port == (connection.port or (POSTGRES_PORT if connection.conn_type == "postgres" else None))
    if conn_id == own.conn_id or (is_its_port and _machines(host) & _machines(own.host or "")):
        raise _own_server(conn_id)


def _own_server(conn_id: str) -> SourceWrong:
    return SourceWrong(
        f"sql:{conn_id}: leads to the server of the compliance data, where no roster is kept: name the connection of "
        "the database that holds the people"
    )


def _machines(hosts: str) -> set[str]:
    """The addresses of one or several hosts; those of this machine are all one."""
    found = set()
    own = _addresses(socket.gethostname())
    for host in hosts.split(","):
        for address in _addresses("localhost" if not host or host.startswith("/") else host):
            is_here = address.is_loopback or address.is_unspecified or address in own
            found.add("this machine" if is_here else str(address))
    return found


def _addresses(host: str) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        answers = socket.getaddrinfo(host.strip("[] "), None)
    except OSError:
        return set()
    plain = [ipaddress.ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers]
    return {getattr(address, "ipv4_mapped", None) or address for address in plain}


# ------------------------------------------------------------------------------------------------ the transaction


def _postgres(conn_id: str, hook: Any, database: Any) -> None:
    with closing(database.cursor()) as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        cursor.execute(f"SET LOCAL statement_timeout = '{MOST_SECONDS}s'")
        # Roles are of a whole server: behind whatever name or tunnel, this one shows whose it is.
        cursor.execute("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = 'compliance_pipeline'")
        if cursor.fetchone():
            raise _own_server(conn_id)


def _mysql(conn_id: str, hook: Any, database: Any) -> None:
    hook.set_autocommit(database, False)
    with closing(database.cursor()) as cursor:
        cursor.execute("SELECT version()")
        is_mariadb = "mariadb" in str(cursor.fetchone()).lower()
        limit = f"max_statement_time = {MOST_SECONDS}" if is_mariadb else f"max_execution_time = {MOST_SECONDS * 1000}"
        cursor.execute(f"SET SESSION {limit}")
        cursor.execute("SET SESSION TRANSACTION READ ONLY")
        cursor.execute("START TRANSACTION READ ONLY")


def _sqlite(conn_id: str, hook: Any, database: Any) -> None:
    ends_at = time.monotonic() + MOST_SECONDS
    database.execute("PRAGMA query_only = ON")
    database.set_progress_handler(lambda: time.monotonic() > ends_at, 10_000)


def _rolled_back(conn_id: str, hook: Any, database: Any) -> None:
    """For a database whose read-only transactions aren't known here."""
    hook.set_autocommit(database, False)
    if not hook.supports_autocommit or hook.get_autocommit(database):
        raise SourceWrong(
            f"sql:{conn_id}: this kind of connection commits by itself, so a query could leave something behind: take "
            "the roster from a file or over another kind of connection"
        )


_READ_ONLY: Final[Mapping[str, Callable[[str, Any, Any], None]]] = {
    "postgres": _postgres,
    "mysql": _mysql,
    "sqlite": _sqlite,
}


def _cursor(connection: Any, database: Any) -> Any:
    # Of a named one, Postgres sends as many rows as are asked for, and takes nothing for it but a query.
    return database.cursor("roster") if connection.conn_type == "postgres" else database.cursor()


def _rows(conn_id: str, cursor: Any, statement: str) -> Rows:
    with closing(cursor):
        cursor.execute(statement)
        if not cursor.description:
            raise SourceWrong(f"sql:{conn_id}: the query brings no rows: write one SELECT")
        rows = cursor.fetchmany(MOST_ROWS + 1)
        if len(rows) > MOST_ROWS:
            raise SourceWrong(f"sql:{conn_id}: the query brings more than {MOST_ROWS:,} rows; ask for the people alone")
        return [column[0] for column in cursor.description], list(rows)


@contextmanager
def _errors_of(connection: Any) -> Iterator[None]:
    """Each driver has errors of its own: told in one line, without the password."""
    try:
        yield
    except PipelineError:
        raise
    except Exception as error:
        reason = one_line(error)[:300]
        reason = reason.replace(connection.password, "***") if connection.password else reason
        raise SourceUnavailable(
            f"sql:{connection.conn_id}: the query failed ({type(error).__name__}: {reason}); check the connection and "
            "the query"
        ) from None
