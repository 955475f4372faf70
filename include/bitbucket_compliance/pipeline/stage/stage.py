"""Stage: from landed JSON to typed tables, one current row per object, by SQL alone.

A file of this folder is a query that bears the name of a table of ``staging`` and gives its rows as this run brought
them; ``fill`` puts them in the place of those with the same key. A row disappears only when what was read whole no
longer names it. All of it is safe to run again.
"""

import logging
from collections.abc import Mapping
from typing import Any, LiteralString

from bitbucket_compliance.core.database import Connection, refresh_statistics, run_sql
from bitbucket_compliance.pipeline.fill import fill, forget_left
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.resources.catalogue import BY_NAME, PULL_REQUESTS, REPOSITORY, RESOURCES
from bitbucket_compliance.resources.model import Resource

log = logging.getLogger(__name__)

_SQL = "pipeline/stage"
_BELOW_REPOSITORIES = [one for one in RESOURCES if one.of == "repository" and one.table]

# Which rows may go that this run did not bring again.
_UNLISTED = """
    kept.workspace = %(workspace)s
    AND (
        NOT %(needs_whole)s
        OR EXISTS (
            SELECT 1 FROM landing.calls AS calls
            WHERE
                calls.workspace = kept.workspace
                AND calls.run_id = %(run_id)s
                AND calls.resource = %(resource)s
                AND calls.complete
        )
    )
"""
_READ_AGAIN = """
    kept.workspace = %(workspace)s
    AND EXISTS (
        SELECT 1 FROM staging.coverage AS coverage
        WHERE
            coverage.workspace = kept.workspace
            AND coverage.repository_id = kept.repository_id
            AND coverage.resource = %(resource)s
            AND coverage.run_id = %(run_id)s
            AND (coverage.complete OR NOT %(needs_whole)s)
    )
"""
# A listing shows what was updated in the window: a merge that leaves it must not come back as another one.
_READ_AGAIN_NOT_MERGED = _READ_AGAIN + " AND kept.merged_on IS null"
# What was seen of an open pull request says nothing any more once own rules are others, also where they come back.
_OWN_RULES_CHANGED = """
    kept.workspace = %(workspace)s
    AND EXISTS (
        SELECT 1 FROM staging.own_merge_rules AS own
        WHERE
            own.workspace = kept.workspace
            AND own.repository_id = kept.repository_id
            AND own.run_id = %(run_id)s
            AND own.is_whole
            AND own.fingerprint <> kept.own_rules
    )
"""


def stage_listing(connection: Connection, run: Run) -> None:
    """Stage what the listings of the workspace brought; commits."""
    refresh_statistics(connection, "landing")
    _stage_listings(connection, run)
    refresh_statistics(connection, "staging")
    # Before anything looks at the classification: whom a slug means is decided when it is met.
    connection.execute("SELECT registry.bind_classification()")
    connection.commit()


def stage_landing(connection: Connection, run: Run) -> None:
    """Stage everything this run landed, in one transaction, so that the gate never sees half of it; commits."""
    refresh_statistics(connection, "landing")
    _stage_listings(connection, run)
    keys = {**run.keys, "lists_all": not run.incremental, "in_place_of_listing": REPOSITORY.name}
    _fill(connection, "coverage", keys)
    run_sql(connection, f"{_SQL}/forget_coverage.sql", keys)
    # All that follows is joined with these two, which may have been empty a moment ago.
    refresh_statistics(connection, "staging", "repositories", "coverage")
    for resource in _BELOW_REPOSITORIES:
        keys = _keys(run, resource.asked_after or resource.name)
        _fill(connection, str(resource.table), keys, _may_go(resource))
    for table in ("coverage", *(str(resource.table) for resource in _BELOW_REPOSITORIES)):
        forget_left(connection, f"staging.{table}", run.workspace)
    if not run.judges_all:
        run_sql(connection, f"{_SQL}/judged_subjects.sql", run.keys)
    # What the gates found of an earlier staging is void.
    connection.execute("UPDATE integration.runs SET staged_at = clock_timestamp() WHERE run_id = %(run_id)s", run.keys)
    refresh_statistics(connection, "staging")
    connection.commit()


def _may_go(resource: Resource) -> LiteralString | None:
    """Which rows may go that this run did not bring again; None: none, for builds of a merge don't change any more."""
    if resource.read_as == "of_pull_request":
        return _OWN_RULES_CHANGED
    if resource.read_as == "collected":
        return None
    return _READ_AGAIN_NOT_MERGED if resource is PULL_REQUESTS else _READ_AGAIN


def _fill(connection: Connection, table: str, keys: Mapping[str, Any], may_go: LiteralString | None = None) -> None:
    rows = fill(connection, f"staging.{table}", f"{_SQL}/{table}.sql", keys, may_go)
    log.info("staged %s: %d rows", table, rows)


def _stage_listings(connection: Connection, run: Run) -> None:
    """What listings feed; a run for events asks only for what events announce, all else stays."""
    _fill(connection, "granted_scopes", run.keys)
    listed = [one for one in RESOURCES if one.of == "workspace" and (one.announced_by or not run.incremental)]
    filled: set[str] = set()
    for resource in listed:
        # Where two resources feed one table, the first one says which rows there are.
        if resource.table and resource.table not in filled:
            filled.add(resource.table)
            keys = _keys(run, resource.name)
            _fill(connection, resource.table, keys, None if resource.read_as == "object" else _UNLISTED)
    run_sql(connection, f"{_SQL}/taken_slugs.sql", run.keys)


def _keys(run: Run, asked_after: str) -> dict[str, Any]:
    """Parameters of a query and its condition; ``asked_after``: the resource whose call tells that a row is gone."""
    # The one object that a call asks for is gone also where the call brought none; addresses hold for one run. What is
    # asked for after another resource is kept and forgotten with it: rules that stay as they were need their model.
    told_by = BY_NAME[asked_after]
    return {**run.keys, "resource": asked_after, "needs_whole": told_by.read_as not in ("object", "addresses")}
