"""What commands find around them: the data's Postgres, the connection to Bitbucket, and who runs them."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg

from bitbucket_compliance.commands.command_line import CommandError
from bitbucket_compliance.core.bitbucket import DEFAULT_CONNECTION, connection_ids
from bitbucket_compliance.core.database import CONNECTION_ID, prepare, without_silence
from bitbucket_compliance.core.errors import postgres_errors
from bitbucket_compliance.core.persons import of_operating_system
from bitbucket_compliance.core.postgres_address import OWNER_CONNECTION, POSTGRES_CONNECTION, PostgresAddress

if TYPE_CHECKING:
    from bitbucket_cloud.database import Database

BITBUCKET_CONNECTION: Final = f"AIRFLOW_CONN_{DEFAULT_CONNECTION.upper()}"


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
def as_airflow_on_a_server() -> Iterator[None]:
    """Connections are found as Airflow's own commands find them: secrets backend, environment, metadata database."""
    before = dict(os.environ)
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    # Of what Airflow says of itself as it is imported nothing matters here.
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def results_address() -> PostgresAddress:
    """Where ``compliance_postgres`` leads, from the environment or from Airflow, which takes seconds to ask.

    Raises:
        ConnectionUnreadable: there is no such connection, or it can't be read.
        DestinationRefused: see ``PostgresAddress.of_connection``.
    """
    if os.environ.get(POSTGRES_CONNECTION):
        return PostgresAddress.from_environment()
    # Names the variable where Airflow has no such connection either.
    return _of_airflow(CONNECTION_ID) or PostgresAddress.from_environment()


def owner_address() -> PostgresAddress:
    """The same Postgres with the login that migrates: ``compliance_postgres_owner``, else ``compliance_postgres``.

    Raises:
        ConnectionUnreadable, DestinationRefused: as ``results_address``.
    """
    if os.environ.get(OWNER_CONNECTION):
        return PostgresAddress.of_owner()
    if os.environ.get(POSTGRES_CONNECTION):
        return PostgresAddress.from_environment()
    return _of_airflow(f"{CONNECTION_ID}_owner") or results_address()


def _of_airflow(conn_id: str) -> PostgresAddress | None:
    from bitbucket_compliance.core.airflow_errors import AirflowNotFoundException

    try:
        return PostgresAddress.of_connection(conn_id)
    except AirflowNotFoundException:
        return None


@contextmanager
def database() -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """A connection to the data's Postgres in the pipeline's role; see ``prepare``. Commits at the end.

    Raises:
        ConnectionUnreadable, DestinationRefused: see ``results_address``.
        PostgresUnavailable, RoleRefused, SchemaMissing: as their names say.
    """
    address = results_address()
    arguments = {"connect_timeout": 10, **without_silence(address)}
    with postgres_errors(), psycopg.connect(address.dsn, **arguments) as connection:
        yield prepare(connection)


def require_bitbucket(**_: object) -> None:
    """Raise CommandError unless there is a connection to Bitbucket, in the environment or in Airflow."""
    wanted = connection_ids()
    variables = [f"AIRFLOW_CONN_{conn_id.upper()}" for conn_id in wanted]
    if any(map(os.environ.get, variables)) or any(map(_airflow_knows, wanted)):
        return
    raise CommandError(
        f"there is no connection to Bitbucket: set {' or '.join(variables)} with login (OAuth key), password (OAuth "
        f"secret) and extra auth, or create {' or '.join(wanted)} in Airflow; the sandbox's own is looked after in the "
        "console"
    )


def _airflow_knows(conn_id: str) -> bool:
    from airflow.sdk import BaseHook

    from bitbucket_compliance.core.airflow_errors import AirflowNotFoundException

    try:
        BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return False
    return True


def vault_database() -> Database:
    """Where ``bitbucket_cloud`` keeps tokens and webhook secrets: the data's Postgres."""
    from bitbucket_cloud.database import Database
    from bitbucket_compliance.core.bitbucket import CONFIGURATION

    dsn = results_address().dsn
    return Database(lambda: psycopg.connect(dsn), "Airflow connection compliance_postgres", CONFIGURATION)
