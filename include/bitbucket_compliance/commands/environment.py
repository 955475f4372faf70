"""What commands find around them: the data's Postgres, the connection to Bitbucket, and who runs them."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg

from bitbucket_compliance.commands.command_line import CommandError
from bitbucket_compliance.core.database import prepare, without_silence
from bitbucket_compliance.core.errors import postgres_errors
from bitbucket_compliance.core.persons import of_operating_system
from bitbucket_compliance.core.postgres_address import PostgresAddress

if TYPE_CHECKING:
    from bitbucket_cloud.database import Database

BITBUCKET_CONNECTION: Final = "AIRFLOW_CONN_BITBUCKET_DEFAULT"


def operator() -> str:
    """Who runs the command: the login of the process's user id, as a person (``os:root``, or ``airflow:anna`` where
    COMPLIANCE_LOGINS says whose it is). What LOGNAME and USER say can be made up.

    Raises:
        PersonUnclear: COMPLIANCE_LOGINS can't be read.
    """
    uid = os.getuid()
    try:
        login = pwd.getpwuid(uid).pw_name
    except KeyError:  # a container may run under an id that has no name
        login = f"#{uid}"
    return of_operating_system(login)


@contextmanager
def database() -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """A connection to the data's Postgres in the pipeline's role; see ``prepare``. Commits at the end.

    Raises:
        ConnectionUnreadable: ``AIRFLOW_CONN_COMPLIANCE_POSTGRES`` is not set or can't be read.
        PostgresUnavailable, RoleRefused, SchemaMissing: as their names say.
    """
    # Not through Airflow's hook, which takes seconds to import.
    address = PostgresAddress.from_environment()
    arguments = {"connect_timeout": 10, **without_silence(address)}
    with postgres_errors(), psycopg.connect(address.dsn, **arguments) as connection:
        yield prepare(connection)


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
