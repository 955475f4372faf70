"""Bring a database to the schema of this version: roles, tables by migration, views and functions by file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from bitbucket_compliance.core.errors import MigrationRefused, one_line, postgres_errors
from bitbucket_compliance.core.postgres_address import OWNER_CONNECTION, PostgresAddress
from bitbucket_compliance.core.roles import RUNNING_ROLES, ensure_running_login
from bitbucket_compliance.database import objects
from bitbucket_compliance.database.exclusive import begin_alone

DATABASE = Path(__file__).resolve().parent
#: the tables that all workspaces share, in the order of filling
_CATALOGUE = ("tests", "test_controls", "reason_codes")
VERSION_TABLE = {"version_table": "schema_version", "version_table_schema": "integration"}
# Any constant will do; it keeps two migrating processes apart.
_MIGRATION_LOCK = 7_160_002

Cursor = psycopg.Cursor[Any]


def upgrade(
    dsn: str,
    folder: Path = DATABASE,
    *,
    catalogue: Mapping[str, str] | None = None,
    fill: Callable[[Cursor], None] | None = None,
) -> None:
    """Bring the database at ``dsn`` (a ``postgresql://`` URL) to the newest schema, all or nothing.

    Views and functions are dropped before a migration runs and made anew after it, in the same transaction: readers
    see the old ones or the new ones, and so does a run that is at work, whose step the upgrade waits for. What is
    current is left alone.

    Args:
        catalogue: rows of the tables that ``catalogue/`` fills, as JSON by the table's name; None: they stay as is.
        folder: holds ``migrations/``, ``views/`` and ``functions/``.
        fill: brings rows into tables that this call makes, in the same transaction.

    Raises:
        MigrationRefused: the login may not do it, the database holds the schema of another version, something that
            is not the pipeline's depends on one of its views, or a file holds SQL that Postgres refuses.
        PostgresUnavailable: nothing answers at that address.
        PostgresBusy: somebody was at work all the time; see ``begin_alone``.
    """
    files = objects.ObjectFiles(folder)
    engine = create_engine(make_url(dsn).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    try:
        with postgres_errors(), engine.begin() as connection:
            cursor = cast(Cursor, connection.connection.cursor())
            _act_as_owner(cursor)
            config = _alembic(folder, connection)
            is_current = _tables_are_current(connection, ScriptDirectory.from_config(config))
            if not (is_current and files.are_current(cursor)):
                begin_alone(cursor, objects.drop_all)
                command.upgrade(config, "head")
                files.create_all(cursor)
                cursor.execute((DATABASE / "backup_grants.sql").read_bytes())
            if fill:
                fill(cursor)
            for table in _CATALOGUE if catalogue else ():
                cursor.execute((DATABASE / f"catalogue/{table}.sql").read_bytes(), catalogue)
    finally:
        engine.dispose()


def _alembic(folder: Path, connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["context"] = {"connection": connection, **VERSION_TABLE}
    return config


def _tables_are_current(connection: Connection, script: ScriptDirectory) -> bool:
    """Whether no migration is left to run; refuses a database that this version's migrations do not lead on from."""
    revision = MigrationContext.configure(connection, opts=VERSION_TABLE).get_current_revision()
    if revision is not None and revision not in {known.revision for known in script.walk_revisions()}:
        raise MigrationRefused(
            f"compliance_postgres: database {connection.engine.url.database} holds the schema of another version of "
            f"the pipeline (revision {revision}), which this one cannot upgrade; start afresh with an empty database"
        )
    return revision == script.get_current_head()


def _act_as_owner(cursor: Cursor) -> None:
    """Wait until no other upgrade is at work, and step into the role that owns the schema."""
    try:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
        cursor.execute("SET LOCAL client_min_messages TO warning")
        cursor.execute((DATABASE / "roles.sql").read_text(encoding="utf-8"))
        cursor.execute("SET LOCAL ROLE compliance_owner")
    except psycopg.errors.InsufficientPrivilege as refused:
        raise MigrationRefused(
            "compliance_postgres: this login may not create the roles of the schema "
            f"({one_line(refused)}); name the login that migrates in {OWNER_CONNECTION}, or have an administrator run "
            f"{DATABASE / 'roles.sql'} once in this database and grant compliance_owner and "
            f"compliance_vault to the login that migrates, {', '.join(RUNNING_ROLES)} to the one that runs"
        ) from refused


def bring_up(owner: PostgresAddress, running: PostgresAddress, catalogue: Mapping[str, str] | None = None) -> None:
    """Upgrade with the login that migrates, and let the one that runs step into its roles where it is another one.

    Args:
        catalogue: as for ``upgrade``.

    Raises:
        MigrationRefused, PostgresUnavailable: as ``upgrade``.
    """
    upgrade(owner.dsn, catalogue=catalogue)
    let_in(owner, running)


def let_in(owner: PostgresAddress, running: PostgresAddress) -> None:
    """Let the login that runs step into its roles, where it is not the one that migrates.

    Raises:
        MigrationRefused: the login that migrates may not do that.
    """
    if owner.user != running.user:
        try:
            ensure_running_login(owner.dsn, running.user, running.password)
        except psycopg.errors.InsufficientPrivilege as refused:
            raise MigrationRefused(
                f"compliance_postgres: the login {owner.user} may not let {running.user} run the pipeline "
                f"({one_line(refused)}); have an administrator create {running.user} and grant it "
                f"{', '.join(RUNNING_ROLES)} WITH INHERIT FALSE, SET TRUE"
            ) from refused


def dsn_of_connection(conn_id: str = "compliance_postgres") -> str:
    """The ``postgresql://`` URL of an Airflow connection, password included: never log it."""
    return PostgresAddress.of_connection(conn_id).dsn
