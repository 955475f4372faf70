"""Rows of evidence and of decisions on it; they are only ever added."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

import psycopg

from bitbucket_compliance.core.audit import record
from bitbucket_compliance.core.database import Connection, copy_rows, one_row
from bitbucket_compliance.core.errors import EvidenceRefused
from bitbucket_compliance.policy.model import Policy
from bitbucket_compliance.policy.overrides import keep_version, plain
from bitbucket_compliance.registry import persons
from bitbucket_compliance.registry.evidence.rules import Claim
from bitbucket_compliance.registry.evidence_files.types import CleanFile, ExportRow

AUDITED: Final = (
    "status", "test_id", "workspace", "scope", "captured_on", "file_name", "file_sha256", "decision_reason",
    "self_accepted",
)  # fmt: skip


def insert_evidence(
    connection: Connection,
    claim: Claim,
    file: CleanFile,
    url: str,
    people: Sequence[ExportRow],
    import_id: int | None = None,
) -> str:
    """Add a piece of evidence with the people that it lists, and a line in the audit trail; returns its id.

    Joins the caller's transaction.
    """
    persons.note(connection, claim.submitted_by)
    cursor = connection.execute(
        """
        INSERT INTO registry.evidence (
            test_id, scope, workspace, kind, captured_on, targets, note, submitted_by,
            file_name, file_sha256, submitted_sha256, media_type, size_bytes, storage_url, import_id
        )
        VALUES (
            %(test_id)s, %(scope)s, %(workspace)s, %(kind)s, %(captured_on)s, %(targets)s, %(note)s, %(submitted_by)s,
            %(file_name)s, %(file_sha256)s, %(submitted_sha256)s, %(media_type)s, %(size_bytes)s,
            %(storage_url)s, %(import_id)s
        )
        RETURNING evidence_id::text AS evidence_id
        """,
        {
            **asdict(claim),
            "kind": file.type.kind,
            "file_name": file.name,
            "file_sha256": file.sha256,
            "submitted_sha256": file.submitted_sha256,
            "media_type": file.type.media_type,
            "size_bytes": len(file.content),
            "storage_url": url,
            "import_id": import_id,
        },
    )
    evidence_id = str(one_row(cursor)["evidence_id"])
    copy_rows(
        connection,
        "COPY registry.evidence_members (evidence_id, line, email, account_id, two_step, other_emails) FROM STDIN",
        ((evidence_id, *vars(row).values()) for row in people),
    )
    after = facts(state_of(connection, evidence_id))
    record(connection, claim.submitted_by, "evidence.submitted", evidence_id, None, after)
    return evidence_id


def insert_decision(
    connection: Connection,
    row: Mapping[str, Any],
    outcome: str,
    person: str,
    reason: str | None,
    policy: Policy,
    *,
    self_review: bool,
) -> None:
    """Add a decision on evidence, with a line in the audit trail.

    Args:
        row: of ``registry.evidence_states``. policy: that it is decided under.
        self_review: no other person decides, because the policy allows it or the import is its operator's.

    Raises:
        EvidenceRefused: somebody else decided in the same moment.
    """
    evidence_id = row["evidence_id"]
    try:
        connection.execute(
            "INSERT INTO registry.evidence_decisions"
            " (evidence_id, decision, decided_by, reason, policy_version, self_review)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (evidence_id, outcome, person, reason, keep_version(connection, policy), self_review),
        )
    except psycopg.errors.UniqueViolation:
        raise EvidenceRefused(f"evidence {evidence_id} was decided on by somebody else in this moment") from None
    after = facts(state_of(connection, evidence_id))
    record(connection, person, f"evidence.{outcome}", evidence_id, facts(row), after)


def facts(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the audit trail keeps of a row of ``registry.evidence_states``."""
    return {name: row[name] for name in AUDITED if row[name] not in (None, False)}


def state_of(connection: Connection, evidence_id: str) -> dict[str, Any]:
    """The row of ``registry.evidence_states``."""
    return one_row(
        connection.execute(
            "SELECT *, evidence_id::text AS evidence_id FROM registry.evidence_states WHERE evidence_id = %s::uuid",
            (evidence_id,),
        )
    )


def known_evidence(connection: Connection, evidence_id: str) -> dict[str, Any]:
    """One piece of evidence, for whoever only looks at it.

    Raises:
        EvidenceRefused: there is no such evidence.
    """
    key = _key(evidence_id)
    try:
        return state_of(connection, key)
    except LookupError:
        raise EvidenceRefused(f"there is no evidence {key}; the list of evidence shows what there is") from None


def locked_evidence(connection: Connection, evidence_id: str) -> dict[str, Any]:
    """One piece of evidence; nobody else decides on it before this transaction ends.

    Raises:
        EvidenceRefused: there is no such evidence.
    """
    key = _key(evidence_id)
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('evidence ' || %s, 0))", (key,))
    return known_evidence(connection, key)


def _key(evidence_id: str) -> str:
    try:
        return str(UUID(evidence_id.strip()))
    except ValueError:
        raise EvidenceRefused(f"{evidence_id!r} is no evidence id; the list of evidence shows them") from None


def listed(connection: Connection, test_id: str = "", workspace: str = "") -> Iterator[dict[str, Any]]:
    """Rows of ``compliance.evidence``, the newest first; empty: any."""
    yield from connection.execute(
        "SELECT * FROM compliance.evidence WHERE %(test_id)s::text IN ('', test_id)"
        " AND (%(workspace)s::text = '' OR workspace IS NULL OR workspace = %(workspace)s)"
        " ORDER BY submitted_at DESC, evidence_id",
        {"test_id": test_id, "workspace": plain(workspace)},
    )
