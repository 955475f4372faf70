"""Stage: from landed JSON to typed tables, one current row per object, by SQL alone.

A row disappears only when a listing that was read whole no longer names it. Each file is one set-based statement,
safe to run again.
"""

import logging

from bitbucket_compliance.core.database import Connection, refresh_statistics, run_sql
from bitbucket_compliance.pipeline.run.run import Run

log = logging.getLogger(__name__)

# In the order of their needs: coverage before what forgets by it, branching models before the rules that use them.
_AFTER_LISTING = ("workspaces", "granted_scopes", "repositories", "members", "member_emails")
# A run for events asks for no members: those of the last listing stay.
_AFTER_EVENTS = ("granted_scopes", "repositories")
_AFTER_READING = (
    "branching_models",
    "branch_restrictions",
    "pull_requests",
    "pull_request_builds",
    "pipelines_configs",
    "latest_pipelines",
    "forget_repositories",
)


def stage_listing(connection: Connection, run: Run) -> None:
    """Stage what the listings of the workspace brought; commits."""
    refresh_statistics(connection, "landing")
    _run_files(connection, run, _listed(run))
    refresh_statistics(connection, "staging")
    connection.commit()


def stage_landing(connection: Connection, run: Run) -> None:
    """Stage everything this run landed, in one transaction, so that the gate never sees half of it; commits."""
    refresh_statistics(connection, "landing")
    _run_files(connection, run, (*_listed(run), "coverage"))
    # All that follows is joined with these two, which may have been empty a moment ago.
    refresh_statistics(connection, "staging", "repositories", "coverage")
    _run_files(connection, run, _AFTER_READING)
    if not run.judges_all:
        run_sql(connection, "pipeline/judge/judge_touched.sql", run.keys)
    refresh_statistics(connection, "staging")
    connection.commit()


def _listed(run: Run) -> tuple[str, ...]:
    return _AFTER_EVENTS if run.only_events else _AFTER_LISTING


def _run_files(connection: Connection, run: Run, names: tuple[str, ...]) -> None:
    keys = {**run.keys, "lists_all": not run.only_events}
    for name in names:
        cursor = run_sql(connection, f"pipeline/stage/{name}.sql", keys)
        log.info("staged %s: %d rows", name, max(cursor.rowcount, 0))
