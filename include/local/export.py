"""`make export`: write the published results of a run or of an instant into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from local import environment as env
from local.services import LocalError, Services, migrate_compliance, require_postgres

USAGE: Final = (
    "usage: make export FORMAT=ocsf|oscal|csv|parquet [WORKSPACE=slug] [AT=2026-03-31 | RUN=run_id] [OUT=folder]"
)
FOLDER: Final = "exports"


def export(name: str, workspace: str, at: str, run_id: str, out: str) -> int:
    """Write it and print where; a file for each workspace where none is named.

    Raises:
        LocalError: no format was given, or OUT is an address.
        ExportRefused: there is no such format, workspace, run or instant, or the format's library is not installed.
    """
    import psycopg
    from psycopg.rows import dict_row

    from bitbucket_compliance.reporting.exports import export as exports
    from bitbucket_compliance.reporting.exports.formats import load
    from bitbucket_compliance.reporting.exports.snapshot.read import ExportRequest

    if not name:
        raise LocalError(USAGE)
    load(name)
    if "://" in out:
        raise LocalError(f"OUT={out}: give a folder of this machine; the DAG export_results writes to object stores")
    request = ExportRequest(workspace.strip(), at.strip(), run_id.strip())
    folder = Path(out).expanduser().absolute() if out else env.ROOT / FOLDER
    with Services() as services:
        connections = services.connections(needs_bitbucket=False)
        require_postgres(connections)
        migrate_compliance(connections)
        with psycopg.connect(connections.address.dsn, row_factory=dict_row) as connection:
            connection.execute("SET TIME ZONE 'UTC'")
            made = exports.export(connection, name, request, folder)
    for one in made:
        counts = ", ".join(f"{count} {status}" for status, count in one.snapshot.by_status.items())
        print(f"{one.file}\n  {one.snapshot.verdicts} verdicts of {one.snapshot.workspace}: {counts}")
    return 0
