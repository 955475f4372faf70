"""Audit packages are kept for so long as the policy says; what they were, and who downloaded them, stays noted."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bitbucket_compliance.core.database import Connection, run_sql
from bitbucket_compliance.core.errors import PipelineError
from bitbucket_compliance.security_tests.policies import policy_of

log = logging.getLogger(__name__)


def delete_outdated(connection: Connection, delete: Callable[[str, str], None]) -> int:
    """Delete the zips of packages that the console asked for and that are older than ``packages_kept_days``.

    A zip goes first and is noted then, each for itself: what a broken run left is deleted by the next one. Commits.

    Args:
        delete: deletes a file, named by its folder below the target of exports and its name, where it is still there.

    Returns:
        How many were deleted.

    Raises:
        PipelineError: a workspace's policy can't be read, or a zip can't be deleted; other workspaces' were.
    """
    workspaces = connection.execute(
        "SELECT DISTINCT workspace FROM integration.audit_packages WHERE file IS NOT null AND deleted_at IS null"
        " ORDER BY workspace"
    ).fetchall()
    connection.commit()
    deleted, failed = 0, None
    for row in workspaces:
        try:
            deleted += _delete_of(connection, row["workspace"], delete)
        except PipelineError as error:
            connection.rollback()
            log.error("%s: %s", row["workspace"], error)
            failed = failed or error
    if failed:
        raise failed
    return deleted


def _delete_of(connection: Connection, workspace: str, delete: Callable[[str, str], None]) -> int:
    days = policy_of(connection, workspace).thresholds.packages_kept_days
    keys = {"workspace": workspace, "days": days}
    outdated = run_sql(connection, "reporting/audit/outdated_packages.sql", keys).fetchall()
    connection.commit()
    for one in outdated:
        delete(one["folder"], one["file"])
        connection.execute(
            "UPDATE integration.audit_packages SET deleted_at = clock_timestamp() WHERE package_id = %s",
            (one["package_id"],),
        )
        connection.commit()
        log.info("%s: audit package %s is older than %d days; its zip was deleted", workspace, one["package_id"], days)
    return len(outdated)
