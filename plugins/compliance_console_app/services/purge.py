"""Delete what was read of a workspace and judged by it: raw answers, tables, results and their history.

What people declared, evidence, exceptions and the audit trail are none of it.
"""

from __future__ import annotations

from typing import Any

import psycopg

from bitbucket_compliance.core.errors import WorkspaceBusy
from compliance_console_app.database import Connection, row, rows

#: schemas that a purge touches, in the order of the flow, and what they hold
SCHEMAS = {
    "landing": "raw answers of Bitbucket, and every call",
    "staging": "repositories, members, rules, pull requests, pipelines",
    "judged": "verdicts before publication",
    "quality": "outcomes of the checks",
    "compliance": "results, their history, inventory, access review",
    "integration": "runs and their steps",
}


def workspaces(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """Every workspace of which something was read: ``name``, ``holds``, ``entries`` of each schema with rows."""
    return {one["workspace"]: _counted(connection, one["workspace"]) for one in rows(connection, "purge/workspaces")}


def purge(connection: Connection, workspace: str) -> tuple[dict[str, int], int]:
    """Delete it within the caller's transaction; the rows that were there by schema, and how many went.

    Raises:
        WorkspaceBusy: a run of the workspace is at work.
    """
    counted = {schema["name"]: schema["entries"] for schema in _counted(connection, workspace)}
    try:
        done = row(connection, "purge/workspace", {"workspace": workspace})
    except psycopg.errors.ObjectInUse:
        raise WorkspaceBusy(f"a run of workspace {workspace} is at work; wait until it is over") from None
    return counted, int(done["deleted"]) if done else 0


def _counted(connection: Connection, workspace: str) -> list[dict[str, Any]]:
    counts = rows(connection, "purge/counts", {"workspace": workspace})
    found = {one["schema_name"]: int(one["entries"]) for one in counts if one["entries"]}
    return [{"name": name, "holds": SCHEMAS[name], "entries": found[name]} for name in SCHEMAS if name in found]
