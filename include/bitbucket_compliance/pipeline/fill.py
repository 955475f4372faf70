"""Tables that hold what a query gives: rows come, take the place of the one with their key, and go."""

from collections.abc import Iterable, Mapping
from typing import Any, LiteralString

from psycopg import sql

from bitbucket_compliance.core.database import Connection, sql_text

_KEY_COLUMNS = """
SELECT attributes.attname
FROM pg_index AS indexes
INNER JOIN pg_attribute AS attributes
    ON indexes.indrelid = attributes.attrelid AND attributes.attnum = any(indexes.indkey)
WHERE indexes.indisprimary AND indexes.indrelid = %(table)s::regclass
"""
# NOT IN, which always looks keys up in a hash: the planner takes what the query gives for a handful of rows, and would
# go through them once for each row of the table. A key is never null.
_FORGET = """,

forgotten AS (
    DELETE FROM {table} AS kept
    WHERE ({condition}) AND ({kept_key}) NOT IN (SELECT {fetched_key} FROM fetched)
)
"""
_FORGET_LEFT = """
DELETE FROM {table} AS kept
WHERE
    kept.workspace = %(workspace)s
    AND kept.repository_id <> ''
    AND NOT EXISTS (
        SELECT 1 FROM staging.repositories AS repositories
        WHERE repositories.workspace = kept.workspace AND repositories.repository_id = kept.repository_id
    )
"""

#: by file, what its query calls its columns: asking plans the whole query, and no file changes while a process lasts
_columns: dict[str, list[str]] = {}


def fill(
    connection: Connection,
    table: str,
    path: str,
    keys: Mapping[str, Any],
    may_go: LiteralString | None = None,
    *,
    only_adds: bool = False,
) -> int:
    """Put the rows of a query into a table, each in the place of the one with its key; returns how many they were.

    Args:
        table: with its schema.
        path: SQL file of the query, below the package; it names its columns as the table does.
        keys: parameters of the query and of ``may_go``.
        may_go: condition on ``kept``, the table: rows that meet it and are not among those given are deleted. What
            a run brought is compared by key, never by time: clocks of two workers may differ.
        only_adds: a row whose key is there already is an error, as in a table of history.
    """
    query = sql.SQL(sql_text(path).decode().rstrip().removesuffix(";"))
    if path not in _columns:
        empty = connection.execute(sql.SQL("SELECT * FROM ({}) AS given LIMIT 0").format(query), keys)
        _columns[path] = [column.name for column in empty.description or ()]
    columns = _columns[path]
    key = [row["attname"] for row in connection.execute(_KEY_COLUMNS, {"table": table})]
    name = sql.Identifier(*table.split("."))
    forget = sql.SQL(_FORGET).format(
        table=name,
        condition=sql.SQL(may_go or "false"),
        fetched_key=_identifiers(key, "fetched"),
        kept_key=_identifiers(key, "kept"),
    )
    replace = sql.SQL(" ON CONFLICT ({key}) DO UPDATE SET {changes}").format(
        key=_identifiers(key),
        changes=sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column)) for column in columns if column not in key
        ),
    )
    statement = sql.SQL(
        "WITH fetched AS ({query}){forget} INSERT INTO {table} ({columns}) SELECT {columns} FROM fetched{replace}"
    ).format(
        query=query,
        forget=forget if may_go else sql.SQL(""),
        table=name,
        columns=_identifiers(columns),
        replace=sql.SQL("") if only_adds else replace,
    )
    return connection.execute(statement, keys).rowcount


def forget_left(connection: Connection, table: str, workspace: str) -> None:
    """Delete a table's rows of repositories that the workspace's listing no longer names."""
    statement = sql.SQL(_FORGET_LEFT).format(table=sql.Identifier(*table.split(".")))
    connection.execute(statement, {"workspace": workspace})


def _identifiers(names: Iterable[str], *of: str) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(*of, name) for name in names)
