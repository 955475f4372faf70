"""Delete what was read of a workspace and judged by it: asked for by one person, accepted by another, exported before.

The export is a folder of CSV files, gzipped, with ``manifest.json``, which names each with its SHA-256; the manifest's
own SHA-256 stands in the database. The database itself refuses to delete where any of it is missing
(``registry.purge_workspace``).
"""

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import psycopg
from psycopg import sql

from bitbucket_compliance.core.audit import record
from bitbucket_compliance.core.database import Connection, one_row
from bitbucket_compliance.core.errors import PurgeRefused, WorkspaceBusy
from bitbucket_compliance.core.persons import known_form, why_not_another
from bitbucket_compliance.policy.overrides import keep_version
from bitbucket_compliance.registry import persons
from bitbucket_compliance.security_tests.policies import policy_of

DECISIONS: Final[Mapping[str, str]] = {"accept": "accepted", "reject": "rejected", "withdraw": "withdrawn"}
#: setting that says below which folder the export is written
TARGET: Final = "COMPLIANCE_EXPORT_TARGET"
MANIFEST: Final = "manifest.json"
#: what is exported: the history, the findings, and what people decided
EXPORTED: Final = (
    "compliance.result_history",
    "compliance.findings",
    "compliance.current_results",
    "compliance.exception_endings",
    "compliance.exceptions",
    "compliance.exception_subjects",
    "compliance.evidence",
    "compliance.runs",
    "compliance.changes",
    "compliance.repository_history",
    "compliance.daily_observations",
    "compliance.stale_periods",
    "compliance.record_links",
    "registry.policy_history",
)


@dataclass(frozen=True)
class Purge:
    """A purge that waits for somebody to decide.

    Attributes:
        manifest: where the list of the exported files stands.
    """

    purge_id: str
    workspace: str
    requested_by: str
    requested_at: datetime
    manifest: str
    manifest_sha256: str


def ask(connection: Connection, workspace: str, *, requested_by: str, target: str) -> Purge:
    """Ask to delete the data of a workspace: its history is exported first; in a transaction of its own.

    Args:
        requested_by: who asks; see ``core.persons``. target: folder that the export is written below.

    Raises:
        PurgeRefused: a purge of the workspace waits already, nothing was read of it, or the export can't be written.
        PersonUnclear: ``requested_by`` names nobody.
    """
    with connection.transaction():
        persons.note(connection, requested_by)
        _lock(connection, workspace)
        waiting = [one for one in waiting_for_a_decision(connection) if one.workspace == workspace]
        if waiting:
            raise PurgeRefused(
                f"{waiting[0].requested_by} asked already to delete the data of {workspace}: decide on that first"
            )
        newest = one_row(
            connection.execute("SELECT max(started_at) AS at FROM compliance.runs WHERE workspace = %s", (workspace,))
        )["at"]
        manifest, sha256 = _export(connection, workspace, requested_by, target)
        row = one_row(
            connection.execute(
                "INSERT INTO registry.purges (workspace, requested_by, manifest, manifest_sha256, newest_run_at)"
                " VALUES (%s, %s, %s, %s, %s) RETURNING purge_id::text AS purge_id, workspace, requested_by,"
                " requested_at, manifest, manifest_sha256",
                (workspace, known_form(requested_by), str(manifest), sha256, newest),
            )
        )
        after = {"purge": row["purge_id"], "manifest": str(manifest), "manifest_sha256": sha256}
        record(connection, requested_by, "purge.asked_for", workspace, None, after)
    return Purge(**row)


def decide(
    connection: Connection, purge_id: str, decision: str, *, decided_by: str, reason: str | None = None
) -> tuple[Purge, int]:
    """Accept a purge, which carries it out, as somebody other than who asked; or reject or withdraw it.

    Returns:
        The purge, and how many rows were deleted.

    Raises:
        PurgeRefused: says why this can't be decided so; nothing is deleted then.
        WorkspaceBusy: a run of the workspace is at work.
        PersonUnclear: ``decided_by`` names nobody.
    """
    if decision not in DECISIONS:
        raise PurgeRefused(f"there is no decision {decision!r}; decide {', '.join(DECISIONS)}")
    with connection.transaction():
        purge = _waiting(connection, purge_id)
        policy = policy_of(connection, purge.workspace)
        persons.note(connection, decided_by)
        why = None if decision == "withdraw" else why_not_another(decided_by, [purge.requested_by])
        if why and not policy.thresholds.allow_self_review:
            raise PurgeRefused(f"{purge.requested_by} asked to delete the data of {purge.workspace}: {why}")
        if decision == "accept":
            _check_export(purge)
        connection.execute(
            "INSERT INTO registry.purge_decisions (purge_id, decision, decided_by, reason, policy_version, self_review)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (purge_id, DECISIONS[decision], decided_by, reason, keep_version(connection, policy), why is not None),
        )
        after = {"purge": purge_id, "asked_for_by": purge.requested_by, "reason": reason}
        record(connection, decided_by, f"purge.{DECISIONS[decision]}", purge.workspace, None, after)
        deleted = _carry_out(connection, purge, decided_by) if decision == "accept" else 0
    return purge, deleted


def waiting_for_a_decision(connection: Connection) -> list[Purge]:
    """The purges that nobody has decided on, the oldest first."""
    rows = connection.execute(
        "SELECT purge_id::text AS purge_id, workspace, requested_by, requested_at, manifest, manifest_sha256"
        " FROM registry.purges WHERE NOT EXISTS ("
        "SELECT 1 FROM registry.purge_decisions WHERE purge_decisions.purge_id = purges.purge_id)"
        " ORDER BY requested_at"
    )
    return [Purge(**row) for row in rows]


def _lock(connection: Connection, workspace: str) -> None:
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('compliance purge ' || %s, 0))", (workspace,))


def _waiting(connection: Connection, purge_id: str) -> Purge:
    try:
        key = str(UUID(purge_id))
    except ValueError:
        raise PurgeRefused(f"{ascii(purge_id)[:60]} is no id of a purge") from None
    row = connection.execute("SELECT workspace FROM registry.purges WHERE purge_id = %s", (key,)).fetchone()
    if row is not None:
        _lock(connection, row["workspace"])
    found = [one for one in waiting_for_a_decision(connection) if one.purge_id == key]
    if not found:
        raise PurgeRefused("no such purge waits for a decision: it was decided already, or nobody asked for it")
    return found[0]


def _carry_out(connection: Connection, purge: Purge, decided_by: str) -> int:
    try:
        row = one_row(connection.execute("SELECT registry.purge_workspace(%s) AS deleted", (purge.purge_id,)))
    except psycopg.errors.ObjectInUse:
        raise WorkspaceBusy(f"a run of workspace {purge.workspace} is at work; wait until it is over") from None
    except psycopg.errors.ObjectNotInPrerequisiteState:
        raise PurgeRefused(
            f"workspace {purge.workspace} was read since its export: withdraw this purge and ask for a new one"
        ) from None
    deleted = int(row["deleted"])
    after = {"deleted": deleted, "manifest_sha256": purge.manifest_sha256}
    record(connection, decided_by, "data.purged", purge.workspace, None, after)
    return deleted


# ------------------------------------------------------------------------------------------------- the export


def _export(connection: Connection, workspace: str, asked_by: str, target: str) -> tuple[Path, str]:
    """Write the export; where its manifest stands, and the SHA-256 of that."""
    if not target or "://" in target:
        raise PurgeRefused(f"there is no folder to export the history to before it goes: set {TARGET} to one")
    moment = datetime.now(UTC)
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in workspace)
    folder = Path(target) / f"purge-{safe}-{moment:%Y%m%dT%H%M%SZ}-{uuid4().hex[:8]}"
    try:
        folder.mkdir(parents=True, mode=0o700)
        files = [_export_table(connection, table, workspace, folder) for table in EXPORTED]
        about = {"workspace": workspace, "asked_for_by": asked_by, "at": moment.isoformat(), "files": files}
        content = (json.dumps(about, ensure_ascii=False, indent=2) + "\n").encode()
        manifest = folder / MANIFEST
        manifest.write_bytes(content)
    except OSError as error:
        raise PurgeRefused(
            f"the history of {workspace} can't be exported to {target} ({error.strerror or type(error).__name__}): "
            f"make the folder of {TARGET} writable for Airflow's API server"
        ) from error
    return manifest, hashlib.sha256(content).hexdigest()


def _export_table(connection: Connection, table: str, workspace: str, folder: Path) -> dict[str, Any]:
    path = folder / f"{table}.csv.gz"
    statement = sql.SQL(
        "COPY (SELECT * FROM {table} WHERE lower(workspace) = lower({workspace})) TO STDOUT (FORMAT csv, HEADER)"
    ).format(table=sql.Identifier(*table.split(".")), workspace=sql.Literal(workspace))
    with gzip.open(path, "wb") as file, connection.cursor() as cursor, cursor.copy(statement) as copy:
        for block in copy:
            file.write(block)
        rows = cursor.rowcount
    return {"file": path.name, "rows": rows, "sha256": _sha256_of(path)}


def _check_export(purge: Purge) -> None:
    """The export is there, whole, as it was written.

    Raises:
        PurgeRefused: it is not.
    """
    manifest = Path(purge.manifest)
    try:
        is_whole = _sha256_of(manifest) == purge.manifest_sha256 and all(
            _sha256_of(manifest.parent / one["file"]) == one["sha256"]
            for one in json.loads(manifest.read_bytes())["files"]
        )
    except OSError:
        is_whole = False
    if not is_whole:
        raise PurgeRefused(
            f"the export {manifest} is gone, or is not what was written: withdraw this purge and ask for a new one"
        )


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
