"""Old rows of whatever table there is, made from its columns: for tests that have to know every table."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

Connection = psycopg.Connection[dict[str, Any]]

TABLES = """
    SELECT relations.relnamespace::regnamespace || '.' || relations.relname AS name
    FROM pg_class AS relations
    WHERE
        relations.relkind IN ('r', 'p')
        AND relations.relnamespace::regnamespace::text IN
        ('landing', 'staging', 'judging', 'judged', 'quality', 'registry', 'integration', 'compliance')
    ORDER BY name
"""
COLUMNS = """
    SELECT
        columns.attname AS name,
        columns.attnum AS place,
        format_type(columns.atttypid, null) AS type,
        (
            SELECT min(substring(pg_get_constraintdef(checks.oid) FROM 'ARRAY\\[''([^'']*)'''))
            FROM pg_constraint AS checks
            WHERE checks.conrelid = columns.attrelid AND checks.contype = 'c' AND checks.conkey = ARRAY[columns.attnum]
        ) AS allowed
    FROM pg_attribute AS columns
    WHERE
        columns.attrelid = %s::regclass AND columns.attnum > 0 AND NOT columns.attisdropped
        AND columns.attgenerated = '' AND columns.attidentity <> 'a'
    ORDER BY columns.attnum
"""


def tables(database: Connection) -> list[str]:
    """Every table of the pipeline, with its schema."""
    return [row["name"] for row in database.execute(TABLES)]


@contextmanager
def without_triggers(admin_dsn: str) -> Iterator[Connection]:
    """A connection of a superuser whom neither triggers nor foreign keys hold up; commits at the end."""
    with psycopg.connect(admin_dsn, row_factory=dict_row) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


def fill(admin: Connection, table: str, *, rows: int, age: timedelta, values: Mapping[str, Any]) -> None:
    """Insert rows of one subject, one after the other, each an hour younger, the first so old.

    Args:
        values: by column; a callable is asked with the number of the row. What it does not name is made up by its type:
            of the text ``acme`` for a workspace, the table's name for everything else that a check does not narrow.
    """
    columns = admin.execute(COLUMNS, (table,)).fetchall()
    for number in range(rows):
        made = {column["name"]: _made_up(table, column, number, age) for column in columns}
        given = {name: value(number) if callable(value) else value for name, value in values.items() if name in made}
        row = {**made, **given}
        admin.execute(
            sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
                sql.Identifier(*table.split(".")),
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join([sql.Placeholder()] * len(row)),
            ),
            list(row.values()),
        )


OF_TYPE: Mapping[str, Callable[[int], Any]] = {
    **dict.fromkeys(("bigint", "integer", "smallint", "numeric", "double precision"), lambda number: number + 1),
    "boolean": lambda _: True,
    "uuid": lambda number: f"00000000-0000-0000-0000-{number + 1:012}",
    "jsonb": lambda _: "{}",
    "bytea": lambda _: b"x",
    "registry.person": lambda _: "os:tester",
}


def _made_up(table: str, column: Mapping[str, Any], number: int, age: timedelta) -> Any:
    """A value of a column; times go up from column to column, so that what ends does so after it began."""
    name, kind = column["name"], column["type"]
    if name == "workspace":
        return "acme"
    if kind == "date" or kind.startswith("timestamp"):
        return datetime.now(UTC) - age + timedelta(hours=number, minutes=column["place"])
    if kind in OF_TYPE:
        return OF_TYPE[kind](number)
    if kind.endswith("[]"):
        return []
    if re.search("hash|sha256|digest", name):
        return hashlib.sha256(f"{table} {number}".encode()).hexdigest()
    return column["allowed"] or table
