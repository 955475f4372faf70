"""A backup of everything that was read, judged and declared, as one file; and a new database made from it.

The file is a ZIP: ``manifest.json``, and of each table its rows as Postgres' COPY writes them as text. Structure is not
in it: the version of the pipeline that restores makes it, views, functions and roles too. OAuth tokens, the secrets of
webhooks, logins that are under way and the leases of runs are left out; passwords of logins never were in the database.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from bitbucket_compliance.core.database import Connection, one_row, prepare, run_sql, without_silence
from bitbucket_compliance.core.errors import BackupRefused, postgres_errors
from bitbucket_compliance.core.postgres_address import PostgresAddress
from bitbucket_compliance.database import migrate

#: reads every table of the pipeline but the vault's, and writes nothing
BACKUP_ROLE: Final = "compliance_backup"
FORMAT: Final = "bitbucket_compliance backup 1"
MANIFEST: Final = "manifest.json"
#: Secrets, and what means nothing on another server; the upgrade writes the last two itself.
LEFT_OUT: Final = frozenset(
    {
        "integration.token_vault",
        "integration.webhook_secrets",
        "integration.oauth_states",
        "integration.workspace_leases",
        "integration.schema_version",
        "integration.schema_objects",
    }
)

Cursor = psycopg.Cursor[Any]


@dataclass(frozen=True)
class Table:
    """A table of the backup.

    Attributes:
        name: with its schema.
        columns: those that hold values of their own, in order.
        rows: how many are in the backup.
    """

    name: str
    columns: tuple[str, ...]
    rows: int = 0

    @property
    def member(self) -> str:
        """Its name in the file."""
        return f"data/{self.name}.copy"

    @property
    def copied(self) -> sql.Composed:
        """The table and its columns, as COPY wants them."""
        columns = sql.SQL(", ").join(map(sql.Identifier, self.columns))
        return sql.SQL("{} ({})").format(sql.Identifier(*self.name.split(".")), columns)


@dataclass(frozen=True)
class Backup:
    """What ``manifest.json`` says.

    Attributes:
        revision: of the schema.
        made_at: the instant that the backup shows, ISO 8601, UTC.
        sequences: the last number that each identity column gave; None: none yet.
    """

    revision: str
    made_at: str
    tables: tuple[Table, ...]
    sequences: Mapping[str, int | None]

    @property
    def rows(self) -> int:
        """All of them."""
        return sum(table.rows for table in self.tables)


def write(address: PostgresAddress, path: Path) -> Backup:
    """Back the database up into a new file; runs may go on meanwhile, the file shows one instant.

    Args:
        address: of a login that may step into ``compliance_backup``.

    Raises:
        BackupRefused: the file is there already, or can't be written.
        PostgresUnavailable, RoleRefused, SchemaMissing: as their names say.
    """
    if path.exists():
        raise BackupRefused(f"{path} is there already, and no backup is overwritten: choose another name")
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with (
            postgres_errors(),
            psycopg.connect(address.dsn, connect_timeout=10, **without_silence(address)) as login,
            zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as file,
        ):
            connection = prepare(login, BACKUP_ROLE)
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            revision = str(one_row(connection.execute("TABLE integration.schema_version"))["version_num"])
            made_at = datetime.now(UTC).isoformat(timespec="seconds")
            tables = tuple(_copy_out(connection, table, file) for table in _tables(connection.cursor()))
            made = Backup(revision, made_at, tables, dict(_sequences(connection)))
            file.writestr(MANIFEST, json.dumps({"format": FORMAT, **asdict(made)}, indent=1))
        unfinished.replace(path)
    except OSError as error:
        raise BackupRefused(f"{path} can't be written: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return made


def read_manifest(path: Path) -> Backup:
    """What a backup holds.

    Raises:
        BackupRefused: the file is no backup.
    """
    try:
        with zipfile.ZipFile(path) as file:
            manifest = json.loads(file.read(MANIFEST))
        if manifest.pop("format") != FORMAT:
            raise ValueError("another format")
        tables = [Table(one["name"], tuple(one["columns"]), one["rows"]) for one in manifest.pop("tables")]
        return Backup(**manifest, tables=tuple(tables))
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError, OSError) as error:
        raise BackupRefused(f"{path} is no backup that this version can read ({error})") from error


def restore(owner: PostgresAddress, path: Path, catalogue: Mapping[str, str]) -> Backup:
    """Make the roles, the schema and every row of a backup in a database that has none of them: all or nothing.

    Args:
        owner: the login that migrates.
        catalogue: as for ``migrate.upgrade``.

    Raises:
        BackupRefused: the file is no backup, is damaged or of another version, or the database is not empty.
        MigrationRefused, PostgresUnavailable: see ``migrate.upgrade``.
    """
    backup = read_manifest(path)
    with postgres_errors(), psycopg.connect(owner.dsn, connect_timeout=10) as connection:
        there = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname = any(%s) ORDER BY 1", [list(_schemas(backup))]
        ).fetchall()
    if there:
        raise BackupRefused(
            f"database {owner.database} is not empty: it has the schema {there[0][0]}; restore into a new database: "
            "make one (CREATE DATABASE …), and point compliance_postgres and compliance_postgres_owner to it"
        )
    with zipfile.ZipFile(path) as file:
        migrate.upgrade(owner.dsn, catalogue=catalogue, fill=lambda cursor: _fill(cursor, backup, file))
    return backup


def _schemas(backup: Backup) -> set[str]:
    return {table.name.split(".")[0] for table in backup.tables}


def _fill(cursor: Cursor, backup: Backup, file: zipfile.ZipFile) -> None:
    """Bring the rows into tables that were just made; triggers have seen to them once already."""
    cursor.execute("SELECT version_num FROM integration.schema_version")
    revision = cursor.fetchall()[0][0]
    if revision != backup.revision:
        raise BackupRefused(
            f"the backup has revision {backup.revision} of the schema, this version of the pipeline makes {revision}; "
            "restore with the version that made the backup, then upgrade"
        )
    kept = {table.name: table for table in backup.tables}
    made = list(_tables(cursor))
    if {(table.name, table.columns) for table in made} != {(table.name, table.columns) for table in backup.tables}:
        raise BackupRefused(
            "the backup has other tables or columns than this version makes; restore with the version that made it"
        )
    for table in made:
        name = sql.Identifier(*table.name.split("."))
        cursor.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(name))
    for table in made:
        _copy_in(cursor, kept[table.name], file)
    for table in made:
        name = sql.Identifier(*table.name.split("."))
        cursor.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(name))
        cursor.execute(sql.SQL("ANALYZE {}").format(name))
    for sequence, last in backup.sequences.items():
        if last is not None:
            cursor.execute("SELECT setval(%s::regclass, %s)", (sequence, last))


def _tables(cursor: Cursor) -> Iterator[Table]:
    """The tables of a backup, those that others refer to before them."""
    rows = run_sql(cursor.connection, "database/backed_up_tables.sql", {"left_out": sorted(LEFT_OUT)}).fetchall()
    # A session of Alembic's gives tuples, one of ours dictionaries.
    found = [tuple(row.values()) if isinstance(row, dict) else row for row in rows]
    tables = {name: Table(name, tuple(columns)) for name, columns, _ in found}
    order = TopologicalSorter({name: needs for name, _, needs in found}).static_order()
    return (tables[name] for name in order if name in tables)


def _sequences(connection: Connection) -> Iterator[tuple[str, int | None]]:
    """The sequences of identity columns, with the last number that each gave."""
    for row in run_sql(connection, "database/backed_up_sequences.sql", {"left_out": sorted(LEFT_OUT)}):
        yield row["sequence"], row["last_value"]


def _copy_out(connection: Connection, table: Table, file: zipfile.ZipFile) -> Table:
    statement = sql.SQL("COPY {} TO STDOUT").format(table.copied)
    with file.open(table.member, "w", force_zip64=True) as member, connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for data in copy:
                member.write(data)
        return Table(table.name, table.columns, cursor.rowcount)


def _copy_in(cursor: Cursor, table: Table, file: zipfile.ZipFile) -> None:
    try:
        with (
            file.open(table.member) as member,
            cursor.copy(sql.SQL("COPY {} FROM STDIN").format(table.copied)) as copy,
        ):
            while data := member.read(1 << 20):
                copy.write(data)
    except (zipfile.BadZipFile, KeyError, EOFError, OSError, psycopg.DataError, psycopg.IntegrityError) as error:
        raise BackupRefused(f"the backup is damaged: {table.name} can't be read ({error}); nothing was made") from error
    if cursor.rowcount != table.rows:
        raise BackupRefused(
            f"the backup is damaged: {table.name} has {cursor.rowcount} rows, {table.rows} were written; "
            "nothing was made"
        )
