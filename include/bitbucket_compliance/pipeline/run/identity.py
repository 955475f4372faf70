"""Which workspace a run is of: a workspace is its uuid, however its slug is spelt and whatever it is called today.

Everything is kept under the slug that Bitbucket calls it by, in lower case. A run may name it otherwise: in capitals,
by its uuid, or by a slug that it got since.
"""

import logging
import re
from dataclasses import replace
from datetime import UTC, datetime

from bitbucket_compliance.core.database import Connection
from bitbucket_compliance.core.errors import WorkspaceUnknown
from bitbucket_compliance.pipeline.run.lease import dag_of, give_lease_back, take_lease, work_on
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.policy.overrides import keep_version
from bitbucket_compliance.security_tests.policies import policy_of

log = logging.getLogger(__name__)

_SLUG = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,127}")
_UUID = re.compile(r"\{?([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})\}?")


def plain_workspace(named: str) -> str:
    """A workspace as it may stand in a path: its slug in lower case, or its uuid in braces.

    Raises:
        WorkspaceUnknown: it is neither.
    """
    lowered = named.strip().lower()
    by_uuid = _UUID.fullmatch(lowered)
    if by_uuid:
        return f"{{{by_uuid[1]}}}"
    if not _SLUG.fullmatch(lowered):
        raise WorkspaceUnknown(
            f"workspace {named!r} is no workspace slug and no uuid; give the part behind bitbucket.org/ in its address"
        )
    return lowered


def kept_as(connection: Connection, named: str) -> str:
    """The slug under which a workspace is kept that was read before, by that slug, its uuid or a slug that it had.

    Returns:
        ``named`` in its plain form where none was.

    Raises:
        WorkspaceUnknown: ``named`` is no slug and no uuid.
    """
    plain = plain_workspace(named)
    row = connection.execute(
        """
        SELECT workspaces.workspace
        FROM staging.workspaces AS workspaces
        LEFT JOIN integration.workspace_renamings AS renamings
            ON lower(workspaces.workspace_id) = lower(renamings.workspace_id)
        WHERE %(plain)s IN (workspaces.workspace, lower(workspaces.workspace_id), renamings.old_slug)
        ORDER BY workspaces.workspace = %(plain)s DESC, renamings.noticed_at DESC NULLS LAST
        LIMIT 1
        """,
        {"plain": plain},
    ).fetchone()
    return str(row["workspace"]) if row else plain


def workspace_of(connection: Connection, run_id: str, named: str) -> str:
    """The name under which the workspace of a run is kept now; that of ``named`` where there is no such run."""
    row = connection.execute("SELECT workspace FROM integration.runs WHERE run_id = %s", (run_id,)).fetchone()
    return str(row["workspace"]) if row else kept_as(connection, named)


def recognise(connection: Connection, run: Run, workspace_id: str, slug: str) -> Run:
    """The run of the workspace that Bitbucket says it is; what is kept of it gets its slug of today. Commits.

    Raises:
        PolicyInvalid: what was set for the workspace holds something unknown.
        WorkspaceUnknown: the slug belongs to another workspace than the one that is kept under it.
        RunNotNeeded, WaitForOtherRun: another run of the workspace is at work.
    """
    slug, workspace_id = slug.lower(), workspace_id.lower()
    under = connection.execute(
        "SELECT workspace, lower(workspace_id) AS id FROM staging.workspaces"
        " WHERE workspace = %s OR lower(workspace_id) = %s",
        (slug, workspace_id),
    ).fetchall()
    other = next((row["id"] for row in under if row["id"] != workspace_id), None)
    if other is not None:
        raise WorkspaceUnknown(
            f"workspace {slug!r} is {workspace_id} now, and another one is kept under this slug: {other}, which was "
            f"renamed or deleted; run that one by its new slug, or delete the data of {slug!r} in the console "
            "(Integrations), then run again"
        )
    known = next((str(row["workspace"]) for row in under), None)
    now, dag_id = datetime.now(UTC), dag_of(connection, run.run_id)
    if known not in (None, slug):
        take_lease(connection, str(known), run.run_id, now, dag_id=dag_id)
        connection.execute("SELECT integration.rename_workspace(%s, %s)", (workspace_id, slug))
        give_lease_back(connection, str(known), run.run_id)
        log.warning("workspace %s is called %s now: all its data is kept under the new slug", known, slug)
    if run.workspace != slug:
        give_lease_back(connection, run.workspace, run.run_id)
        take_lease(connection, slug, run.run_id, now, dag_id=dag_id)
        connection.execute("UPDATE integration.runs SET workspace = %s WHERE run_id = %s", (slug, run.run_id))
    if known not in (None, run.workspace) or run.workspace != slug:
        # For the name that the run began with nobody may have set the policy that holds for the workspace.
        policy = policy_of(connection, slug)
        run = replace(run, workspace=slug, policy=policy, policy_version=keep_version(connection, policy))
        connection.execute(
            "UPDATE integration.runs SET policy_version = %s WHERE run_id = %s", (run.policy_version, run.run_id)
        )
    connection.commit()
    work_on(connection, slug)
    return replace(run, workspace_id=workspace_id if known else None)
