"""Schema migrations of the compliance database: Alembic, up only, safe to run again and from two places at once."""

import argparse
import os
from pathlib import Path
from typing import Any, cast

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool

from bitbucket_compliance.core.errors import MigrationRefused, postgres_errors

SQL = Path(__file__).resolve().parent
# Any constant will do; it keeps two migrating processes apart.
_MIGRATION_LOCK = 7_160_002


def upgrade(dsn: str) -> None:
    """Bring the database at ``dsn`` (a ``postgresql://`` URL) to the newest schema; a current one is left alone.

    Raises:
        MigrationRefused: the login may neither create the roles of the contract nor act as their owner.
        PostgresUnavailable: nothing answers at that address.
    """
    config = Config()
    config.set_main_option("script_location", str(SQL / "migrations"))
    config.set_main_option("path_separator", "os")
    engine = create_engine(_sqlalchemy_url(dsn), poolclass=NullPool)
    try:
        with postgres_errors(), engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            connection.exec_driver_sql("SET LOCAL client_min_messages TO warning")
            _act_as_owner(cast(psycopg.Cursor[Any], connection.connection.cursor()))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.exec_driver_sql("RESET ROLE")
    finally:
        engine.dispose()


def _sqlalchemy_url(dsn: str) -> URL:
    return make_url(dsn).set(drivername="postgresql+psycopg")


def _act_as_owner(cursor: psycopg.Cursor[Any]) -> None:
    try:
        cursor.execute((SQL / "roles.sql").read_text(encoding="utf-8"))
        cursor.execute("SET ROLE compliance_owner")
    except psycopg.errors.InsufficientPrivilege as refused:
        raise MigrationRefused(
            "compliance_postgres: this login may not create the roles of the schema "
            f"({_first_line(refused)}); have an administrator run database/roles.sql once in this database "
            "and grant compliance_owner and compliance_vault to the login"
        ) from refused


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def dsn_of_connection(conn_id: str = "compliance_postgres") -> str:
    """The ``postgresql://`` URL of an Airflow connection, password included: never log it."""
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    url: URL = PostgresHook(postgres_conn_id=conn_id).sqlalchemy_url
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def main() -> None:
    """Migrate the database of the connection ``compliance_postgres``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--dsn", default=os.environ.get("COMPLIANCE_DSN"), help="postgresql:// URL instead")
    arguments = parser.parse_args()
    upgrade(arguments.dsn or dsn_of_connection())
    print("compliance schema is current")


if __name__ == "__main__":
    main()
