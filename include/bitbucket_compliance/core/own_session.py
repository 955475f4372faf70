"""Whether a connection to Postgres is a session of its own, which roles, settings and locks of the pipeline need.

A pooler in transaction mode (PgBouncer's ``pool_mode = transaction``) lends a server's session for one transaction: the
role that one process stepped into would be the next one's.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import scalar_row

from bitbucket_compliance.core.errors import PoolerRefused, postgres_errors


def require_own_session(connection: psycopg.Connection[Any], dsn: str) -> None:
    """Look which session of the server answers, while another connection is open beside it. Commits.

    Args:
        connection: in no transaction.
        dsn: of the same server, login and database.

    Raises:
        PoolerRefused: a pooler lends sessions by the transaction.
        PostgresUnavailable: nothing answers.
    """
    own = _session_of(connection)
    connection.commit()
    with postgres_errors(), psycopg.connect(dsn, connect_timeout=10) as another:
        # Held until this connection was asked again: what was its session may be the other's now.
        others = _session_of(another)
        again = _session_of(connection)
        connection.commit()
    if others == own or again != own:
        raise PoolerRefused(
            "compliance_postgres: a pooler in transaction mode stands before the server, but each session of the "
            "pipeline needs its own role, settings and locks; point compliance_postgres to the server itself, or to a "
            "pool with pool_mode = session"
        )


def _session_of(connection: psycopg.Connection[Any]) -> int:
    cursor = psycopg.Cursor(connection, row_factory=scalar_row)
    session: int = cursor.execute("SELECT pg_backend_pid()").fetchall()[0]
    return session
