"""What commands find around them: the data's Postgres, the connection to Bitbucket, and who runs them."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.rows import dict_row

from bitbucket_compliance.commands.command_line import CommandError
from bitbucket_compliance.core.errors import postgres_errors
from bitbucket_compliance.core.postgres_address import PostgresAddress

if TYPE_CHECKING:
    from bitbucket_cloud.database import Database

BITBUCKET_CONNECTION: Final = "AIRFLOW_CONN_BITBUCKET_DEFAULT"


def operator() -> str:
    """Who runs the command: the login of the process's user id. What LOGNAME and USER say can be made up."""
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container may run under an id that has no name
        return f"uid {uid}"


@contextmanager
def database() -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """A connection to the data's Postgres; rows are dictionaries, the clock is UTC. Commits at the end.

    Raises:
        ConnectionUnreadable: ``AIRFLOW_CONN_COMPLIANCE_POSTGRES`` is not set or can't be read.
        PostgresUnavailable, SchemaMissing: as their names say.
    """
    # Not through Airflow's hook, which takes seconds to import.
    dsn = PostgresAddress.from_environment().dsn
    with postgres_errors(), psycopg.connect(dsn, row_factory=dict_row, connect_timeout=10) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        connection.commit()
        yield connection


def require_bitbucket(**_: object) -> None:
    """Raise CommandError unless the connection ``bitbucket_default`` is set in the environment."""
    if not os.environ.get(BITBUCKET_CONNECTION):
        raise CommandError(
            f"there is no connection to Bitbucket: set {BITBUCKET_CONNECTION} with login (OAuth key), password (OAuth "
            "secret) and extra auth; the sandbox's own is looked after in the console"
        )


def vault_database() -> Database:
    """Where ``bitbucket_cloud`` keeps tokens and webhook secrets: the data's Postgres."""
    from bitbucket_cloud.database import Database
    from bitbucket_compliance.core.bitbucket import CONFIGURATION

    dsn = PostgresAddress.from_environment().dsn
    return Database(lambda: psycopg.connect(dsn), "Airflow connection compliance_postgres", CONFIGURATION)
