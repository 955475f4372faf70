"""Stage: from landed JSON to typed tables, one current row per object, by SQL alone.

A file of this folder is a query that bears the name of a table of ``staging`` and gives its rows as this run brought
them; ``fill`` puts them in the place of those with the same key. A row disappears only when what was read whole no
longer names it. All of it is safe to run again.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any, LiteralString

from psycopg import sql

from bitbucket_compliance.core.database import PACKAGE, Connection, refresh_statistics, run_sql
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.resources.catalogue import REPOSITORY, RESOURCES
from bitbucket_compliance.resources.model import Resource

log = logging.getLogger(__name__)

_SQL = "pipeline/stage"
_BELOW_REPOSITORIES = [one for one in RESOURCES if one.of == "repository" and one.table]

_KEY_COLUMNS = """
SELECT attributes.attname
FROM pg_index AS indexes
INNER JOIN pg_attribute AS attributes
    ON indexes.indrelid = attributes.attrelid AND attributes.attnum = any(indexes.indkey)
WHERE indexes.indisprimary AND indexes.indrelid = format('staging.%%I', %(table)s::text)::regclass
"""
# Which rows may go that this run did not bring again.
_UNLISTED = """
    NOT %(needs_whole)s
    OR EXISTS (
        SELECT 1 FROM landing.calls AS calls
        WHERE
            calls.workspace = staged.workspace
            AND calls.run_id = %(run_id)s
            AND calls.resource = %(resource)s
            AND calls.complete
    )
"""
_READ_AGAIN = """
    EXISTS (
        SELECT 1 FROM staging.coverage AS coverage
        WHERE
            coverage.workspace = staged.workspace
            AND coverage.repository_id = staged.repository_id
            AND coverage.resource = %(resource)s
            AND coverage.run_id = %(run_id)s
            AND (coverage.complete OR NOT %(needs_whole)s)
    )
"""
_FORGET = """,

forgotten AS (
    DELETE FROM staging.{table} AS staged
    WHERE
        staged.workspace = %(workspace)s
        AND ({condition})
        AND NOT EXISTS (SELECT 1 FROM fetched WHERE ({fetched_key}) = ({staged_key}))
)
"""
_FORGET_LEFT = sql.SQL("""
DELETE FROM staging.{table} AS staged
WHERE
    staged.workspace = %(workspace)s
    AND staged.repository_id <> ''
    AND NOT EXISTS (
        SELECT 1 FROM staging.repositories AS repositories
        WHERE repositories.workspace = staged.workspace AND repositories.repository_id = staged.repository_id
    )
""")


def stage_listing(connection: Connection, run: Run) -> None:
    """Stage what the listings of the workspace brought; commits."""
    refresh_statistics(connection, "landing")
    _stage_listings(connection, run)
    refresh_statistics(connection, "staging")
    connection.commit()


def stage_landing(connection: Connection, run: Run) -> None:
    """Stage everything this run landed, in one transaction, so that the gate never sees half of it; commits."""
    refresh_statistics(connection, "landing")
    _stage_listings(connection, run)
    keys = {**run.keys, "lists_all": not run.incremental, "in_place_of_listing": REPOSITORY.name}
    fill(connection, "coverage", keys)
    run_sql(connection, f"{_SQL}/forget_coverage.sql", keys)
    # All that follows is joined with these two, which may have been empty a moment ago.
    refresh_statistics(connection, "staging", "repositories", "coverage")
    for resource in _BELOW_REPOSITORIES:
        # Builds of a merge don't change any more: they stay.
        stays = resource.read_as == "collected"
        keys = _keys(run, resource, resource.asked_after or resource.name)
        fill(connection, str(resource.table), keys, "" if stays else _READ_AGAIN)
    for table in ("coverage", *(str(resource.table) for resource in _BELOW_REPOSITORIES)):
        connection.execute(_FORGET_LEFT.format(table=sql.Identifier(table)), run.keys)
    if not run.judges_all:
        run_sql(connection, f"{_SQL}/judged_subjects.sql", run.keys)
    refresh_statistics(connection, "staging")
    connection.commit()


def fill(connection: Connection, table: str, keys: Mapping[str, Any], may_go: LiteralString = "") -> None:
    """Put the rows that ``<table>.sql`` gives into the table, each in the place of the one with its key.

    Args:
        may_go: condition on ``staged``, the table: rows that meet it and are not among those given are deleted. What
            this run brought is compared by key, never by time: clocks of two workers may differ.
    """
    query = sql.SQL((PACKAGE / _SQL / f"{table}.sql").read_text(encoding="utf-8").rstrip().removesuffix(";"))
    empty = connection.execute(sql.SQL("SELECT * FROM ({}) AS staged LIMIT 0").format(query), keys)
    columns = [column.name for column in empty.description or ()]
    key = [row["attname"] for row in connection.execute(_KEY_COLUMNS, {"table": table})]
    name = sql.Identifier(table)
    forget = sql.SQL(_FORGET).format(
        table=name,
        condition=sql.SQL(may_go),
        fetched_key=_identifiers(key, "fetched"),
        staged_key=_identifiers(key, "staged"),
    )
    statement = sql.SQL(
        "WITH fetched AS ({query}){forget}"
        " INSERT INTO staging.{table} ({columns}) SELECT {columns} FROM fetched"
        " ON CONFLICT ({key}) DO UPDATE SET {changes}"
    ).format(
        query=query,
        forget=forget if may_go else sql.SQL(""),
        table=name,
        columns=_identifiers(columns),
        key=_identifiers(key),
        changes=sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column)) for column in columns if column not in key
        ),
    )
    log.info("staged %s: %d rows", table, connection.execute(statement, keys).rowcount)


def _identifiers(names: Iterable[str], *of: str) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(*of, name) for name in names)


def _stage_listings(connection: Connection, run: Run) -> None:
    """What listings feed; a run for events asks only for what events announce, all else stays."""
    fill(connection, "granted_scopes", run.keys)
    listed = [one for one in RESOURCES if one.of == "workspace" and (one.announced_by or not run.incremental)]
    filled: set[str] = set()
    for resource in listed:
        # Where two resources feed one table, the first one says which rows there are.
        if resource.table and resource.table not in filled:
            filled.add(resource.table)
            keys = _keys(run, resource, resource.name)
            fill(connection, resource.table, keys, "" if resource.read_as == "object" else _UNLISTED)


def _keys(run: Run, resource: Resource, asked_after: str) -> dict[str, Any]:
    """Parameters of ``fill``; ``asked_after``: the resource whose call tells that a row is gone."""
    # The one object that a call asks for is gone also where the call brought none; addresses hold for one run.
    return {**run.keys, "resource": asked_after, "needs_whole": resource.read_as not in ("object", "addresses")}
