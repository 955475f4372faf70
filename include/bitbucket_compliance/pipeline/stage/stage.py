"""Stage: from landed JSON to typed tables, one current row per object, by SQL alone.

A row disappears only when what was read whole no longer names it. Each file fills one table by one set-based statement,
safe to run again.
"""

import logging
from collections.abc import Iterable

from psycopg import sql

from bitbucket_compliance.core.database import Connection, refresh_statistics, run_sql
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.resources.catalogue import REPOSITORY, RESOURCES
from bitbucket_compliance.resources.model import Resource

log = logging.getLogger(__name__)

_BELOW_REPOSITORIES = [one for one in RESOURCES if one.of == "repository" and one.table]

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
_FORGET_GONE = sql.SQL("""
DELETE FROM staging.{table} AS staged
USING staging.coverage AS coverage
WHERE
    staged.workspace = %(workspace)s
    AND coverage.workspace = staged.workspace
    AND coverage.repository_id = staged.repository_id
    AND coverage.resource = %(resource)s
    AND coverage.run_id = %(run_id)s
    AND (coverage.complete OR NOT %(needs_whole)s)
    AND staged.data_as_of < coverage.data_as_of
""")


def stage_listing(connection: Connection, run: Run) -> None:
    """Stage what the listings of the workspace brought; commits."""
    refresh_statistics(connection, "landing")
    _fill(connection, run, _of_listings(run))
    refresh_statistics(connection, "staging")
    connection.commit()


def stage_landing(connection: Connection, run: Run) -> None:
    """Stage everything this run landed, in one transaction, so that the gate never sees half of it; commits."""
    refresh_statistics(connection, "landing")
    _fill(connection, run, [*_of_listings(run), "coverage"])
    # All that follows is joined with these two, which may have been empty a moment ago.
    refresh_statistics(connection, "staging", "repositories", "coverage")
    for resource in _BELOW_REPOSITORIES:
        _fill(connection, run, _tables([resource]))
        _forget_gone(connection, run, resource)
    for table in ["coverage", *_tables(_BELOW_REPOSITORIES)]:
        connection.execute(_FORGET_LEFT.format(table=sql.Identifier(table)), run.keys)
    if not run.judges_all:
        run_sql(connection, "pipeline/stage/judged_subjects.sql", run.keys)
    refresh_statistics(connection, "staging")
    connection.commit()


def _of_listings(run: Run) -> list[str]:
    """The tables that listings feed; a run for events asks only for what events announce, the others stay."""
    listed = [one for one in RESOURCES if one.of == "workspace" and (one.announced_by or not run.incremental)]
    return ["granted_scopes", *_tables(listed)]


def _tables(resources: Iterable[Resource]) -> list[str]:
    return list(dict.fromkeys(one.table for one in resources if one.table))


def _fill(connection: Connection, run: Run, tables: Iterable[str]) -> None:
    keys = {**run.keys, "lists_all": not run.incremental, "in_place_of_listing": REPOSITORY.name}
    for table in tables:
        cursor = run_sql(connection, f"pipeline/stage/{table}.sql", keys)
        log.info("staged %s: %d rows", table, max(cursor.rowcount, 0))


def _forget_gone(connection: Connection, run: Run, resource: Resource) -> None:
    """Forget what this run, reading it again, did not find any more; rows that it staged are as new as its calls."""
    if resource.read_as == "collected":
        # Builds of a merge don't change any more: they are asked for once, and stay.
        return
    keys = {
        **run.keys,
        "resource": resource.asked_after or resource.name,
        # The one object that a call asks for is gone also where the call brought none.
        "needs_whole": resource.read_as != "object",
    }
    connection.execute(_FORGET_GONE.format(table=sql.Identifier(str(resource.table))), keys)
