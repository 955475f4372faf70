"""What a purge would delete of each workspace: raw answers, tables, results and their history.

What people declared, evidence, exceptions and the audit trail are none of it. Asking for one and deciding on it is
``bitbucket_compliance.registry.purges``.
"""

from __future__ import annotations

from typing import Any

from compliance_console_app.database import Connection, rows

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


def _counted(connection: Connection, workspace: str) -> list[dict[str, Any]]:
    counts = rows(connection, "purge/counts", {"workspace": workspace})
    found = {one["schema_name"]: int(one["entries"]) for one in counts if one["entries"]}
    return [{"name": name, "holds": SCHEMAS[name], "entries": found[name]} for name in SCHEMAS if name in found]
