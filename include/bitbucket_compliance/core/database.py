"""Postgres for the pipeline: connections by Airflow's connection id and in a role, SQL files by name, COPY."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from bitbucket_compliance.core.errors import RoleRefused, SchemaMissing, postgres_errors
from bitbucket_compliance.core.postgres_address import PostgresAddress

CONNECTION_ID = "compliance_postgres"
#: What sessions are called by, where the connection calls them nothing.
APPLICATION = "bitbucket_compliance"
#: The role of every task and command; the console has one of its own.
PIPELINE_ROLE = "compliance_pipeline"
PACKAGE = Path(__file__).resolve().parents[1]

#: What a session needs, whatever the server, the database and the login set. Sent once it is connected: poolers refuse
#: startup options.
_SESSION: Mapping[str, str] = {
    "client_encoding": "UTF8",
    # The only forms of dates and intervals that the driver reads.
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    # Whoever waited for a lock has to see what was committed meanwhile.
    "default_transaction_isolation": "read committed",
    # Compiling these queries costs more than running them.
    "jit": "off",
    # What is looked up in a hash fits into one: a workspace's pull requests are a million at most.
    "work_mem": "64MB",
}

#: Milliseconds after which the server ends what a session waits for, or leaves undone; what it limits further stays.
#: A step that waits for a lock fails within a minute and is tried again; a process that hangs in a transaction, or
#: vanished without a word, loses its locks within two.
_LIMITS: Mapping[str, int] = {
    "lock_timeout": 45_000,
    "idle_in_transaction_session_timeout": 120_000,
    "tcp_user_timeout": 60_000,
}
#: How the server notices that nobody is left at the other end: seconds of silence, between two tries, and tries.
_KEEPALIVES: Mapping[str, int] = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}

#: A connection as ``connect`` gives it: each row is a dictionary of its columns.
Connection = psycopg.Connection[dict[str, Any]]


def connect(conn_id: str = CONNECTION_ID, role: str = PIPELINE_ROLE) -> Connection:
    """A psycopg connection in a role, whose rows are dictionaries and whose clock is UTC; the caller closes it.

    Raises:
        PostgresUnavailable: nothing answers at the connection's address.
        PostgresRefused: it refuses the login.
        RoleRefused, SchemaMissing: see ``step_into``.
    """
    with postgres_errors():
        connection = log_in(conn_id)
        try:
            return prepare(connection, role)
        except BaseException:
            connection.close()
            raise


def log_in(conn_id: str = CONNECTION_ID) -> psycopg.Connection[Any]:
    """A psycopg connection in the role of its login.

    Raises:
        DestinationRefused: see ``PostgresAddress.of_connection``.
    """
    address = PostgresAddress.of_connection(conn_id)
    return psycopg.connect(address.dsn, **without_silence(address))


def without_silence(address: PostgresAddress) -> dict[str, Any]:
    """Arguments for psycopg by which this side notices a server that vanished, but for what the address says itself.

    They are settings of the socket, no startup options of the server.
    """
    wanted = {**_KEEPALIVES, "tcp_user_timeout": _LIMITS["tcp_user_timeout"]}
    return {name: value for name, value in wanted.items() if name not in dict(address.options)}


def prepare(connection: psycopg.Connection[Any], role: str = PIPELINE_ROLE) -> Connection:
    """The same connection, for work in a role: rows are dictionaries, the clock is UTC. Commits."""
    connection.row_factory = dict_row
    set_up(connection, role)
    return connection


def set_up(connection: psycopg.Connection[Any], role: str, settings: Mapping[str, str] | None = None) -> None:
    """Give a session its role and all settings that it needs, with more of them where there are any. Commits.

    Raises:
        RoleRefused, SchemaMissing: see ``step_into``.
    """
    step_into(connection, role)
    configure(connection, {**_SESSION, **{f"tcp_{name}": str(value) for name, value in _KEEPALIVES.items()}})
    configure(connection, settings or {})
    run_sql(
        connection,
        "core/limit_session.sql",
        {"names": list(_LIMITS), "limits": list(_LIMITS.values()), "application_name": APPLICATION},
    )
    connection.commit()


def call_session(connection: psycopg.Connection[Any], name: str) -> None:
    """Let whoever looks at the server's sessions see what this one does. Commits.

    Args:
        name: Postgres keeps its first 63 bytes.
    """
    configure(connection, {"application_name": name.encode()[:63].decode(errors="ignore")})
    connection.commit()


def configure(
    connection: psycopg.Connection[Any], settings: Mapping[str, str], *, until_the_transaction_ends: bool = False
) -> None:
    """Set what Postgres calls configuration parameters; joins the open transaction."""
    connection.execute(
        "SELECT set_config(wanted.name, wanted.value, %s) FROM unnest(%s::text[], %s::text[]) AS wanted (name, value)",
        (until_the_transaction_ends, list(settings), list(settings.values())),
    )


def step_into(connection: psycopg.Connection[Any], role: str) -> None:
    """Give the session the rights of a role and no others, whatever its login may do.

    Raises:
        RoleRefused: the login may not; the message says which grant it lacks.
        SchemaMissing: there is no such role yet.
    """
    try:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
    except psycopg.errors.InsufficientPrivilege as refused:
        login = connection.info.user
        how = " WITH INHERIT FALSE, SET TRUE" if connection.info.server_version >= 160000 else ""
        raise RoleRefused(
            f"compliance_postgres: the login {login} may not switch to the role {role}, which it needs; "
            "run `make upgrade` with the login that migrates, or have an administrator run: "
            f'GRANT {role} TO "{login}"{how}'
        ) from refused
    except psycopg.errors.InvalidParameterValue as unknown:
        raise SchemaMissing(
            f"compliance_postgres: the role {role} is not there; "
            "run `make upgrade` (on a server: python -m bitbucket_compliance upgrade)"
        ) from unknown


@cache
def sql_text(path: str | Path) -> bytes:
    """The text of one SQL file, below the package ``bitbucket_compliance`` or at an absolute path."""
    return (PACKAGE / path).read_bytes()


def run_sql(
    connection: psycopg.Connection[Any], path: str | Path, parameters: Mapping[str, Any] | None = None
) -> psycopg.Cursor[dict[str, Any]]:
    """Execute one SQL file; values travel as parameters, never in the text.

    Args:
        path: file below the package ``bitbucket_compliance``, or an absolute path.
        parameters: values for the ``%(name)s`` placeholders of the file.
    """
    return connection.execute(sql_text(path), parameters if parameters is not None else {})


def refresh_statistics(connection: psycopg.Connection[Any], schema: str, *tables: str) -> None:
    """Let the planner know what a bulk load brought to a schema, or to some of its tables alone.

    Joins the caller's transaction, whose own rows count. A table is left out while another transaction does the same.
    """
    connection.execute("SELECT staging.refresh_statistics(%s, %s)", (schema, list(tables) or None))


def one_row(cursor: psycopg.Cursor[dict[str, Any]]) -> dict[str, Any]:
    """The row of a statement that always gives one.

    Raises:
        LookupError: it gave none.
    """
    row = cursor.fetchone()
    if row is None:
        raise LookupError("the statement gave no row")
    return row


def copy_rows(connection: psycopg.Connection[Any], statement: LiteralString, rows: Iterable[Sequence[object]]) -> int:
    """Send ``rows`` through one ``COPY … FROM STDIN``; returns how many went."""
    count = 0
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
            count += 1
    return count


def as_json(value: object) -> str:
    """Canonical JSON text: sorted keys, no white space, every character that Postgres can store kept as it is.

    Postgres stores neither U+0000 nor lone surrogates; they become U+FFFD, so that one hostile name
    can't stop a run.
    """
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        return as_json(_storable(value))
    return as_json(_storable(value)) if "\\u0000" in text and _storable(value) != value else text


def _storable(value: object) -> object:
    if isinstance(value, str):
        return "".join("\ufffd" if c == "\x00" or "\ud800" <= c <= "\udfff" else c for c in value)
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return value
