"""Hand in evidence: a file is cleaned, what is stated of it is checked, and both wait for a decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from bitbucket_compliance.core.database import Connection
from bitbucket_compliance.core.errors import EvidenceRefused, ImportRefused
from bitbucket_compliance.registry.evidence.mfa_export import export_lines
from bitbucket_compliance.registry.evidence.rows import insert_evidence
from bitbucket_compliance.registry.evidence.rules import Claim, checked_claim
from bitbucket_compliance.registry.evidence_files.apart import clean_file, read_export
from bitbucket_compliance.registry.evidence_files.checks import read_file
from bitbucket_compliance.registry.evidence_files.store import keep
from bitbucket_compliance.registry.evidence_files.types import CSV, CleanFile, Export
from bitbucket_compliance.security_tests import BY_ID
from bitbucket_compliance.security_tests.policies import policy_of


@dataclass(frozen=True)
class Submission:
    """Evidence that waits for a decision; ``lines``: what its submitter should know."""

    evidence_id: str
    lines: tuple[str, ...] = ()


def submit(
    connection: Connection,
    file: Path | tuple[str, bytes],
    *,
    test_id: str,
    workspace: str | None,
    scope: str | None = None,
    targets: Sequence[str] = (),
    captured_on: date,
    submitted_by: str,
    note: str | None = None,
) -> Submission:
    """Hand in evidence; it decides nothing before somebody else accepts it.

    Args:
        file: a path, or name and content.
        test_id: any test of the catalogue.
        workspace: slug; an export may do without.
        scope: ``workspace``, ``project``, ``repository`` or ``members``; None: what fits the file.
        targets: project keys, repository slugs or uuids, addresses or account ids, as the scope asks.
        captured_on: the day it was captured, in the policy's time zone; validity counts from it.
        submitted_by: who vouches for it. note: what it shows.

    Raises:
        EvidenceRefused: says what is wrong; nothing is stored then.
        EvidenceStoreUnavailable, InspectionUnavailable: the file can't be kept, or not be looked at; as above.
    """
    name, content = read_file(file) if isinstance(file, Path) else file
    cleaned = clean_file(name, content)
    is_export = cleaned.type is CSV
    claim = checked_claim(
        is_export=is_export,
        test_id=test_id,
        workspace=workspace,
        scope=scope,
        targets=targets,
        captured_on=captured_on,
        submitted_by=submitted_by,
        note=note,
    )
    export = _export(cleaned) if is_export else Export([])
    with connection.transaction():
        _not_in_the_future(connection, claim)
        known = _handed_in_before(connection, claim, cleaned)
        url = keep(cleaned.content, cleaned.type.extensions[0])
        evidence_id = insert_evidence(connection, claim, cleaned, url, export.people)
    said = export_lines(cleaned.name, export) if is_export else []
    return Submission(evidence_id, (*_decides_nothing(test_id), *known, *said))


def _export(file: CleanFile) -> Export:
    try:
        return read_export(file.name, file.content)
    except ImportRefused as unfit:
        raise EvidenceRefused(str(unfit)) from unfit


def _not_in_the_future(connection: Connection, claim: Claim) -> None:
    today = policy_of(connection, claim.workspace).thresholds.day_of(datetime.now(UTC))
    if claim.captured_on > today:
        raise EvidenceRefused(
            f"the day of capture {claim.captured_on} lies in the future (today is {today} in the policy's time zone); "
            "give the day on which it was captured"
        )


def _handed_in_before(connection: Connection, claim: Claim, file: CleanFile) -> list[str]:
    """What the reviewer should know of the same file under other claims.

    Raises:
        EvidenceRefused: the very same evidence waits or is accepted already.
    """
    rows = connection.execute(
        """
        SELECT evidence_id::text AS evidence_id, status, workspace, scope, targets, captured_on
        FROM registry.evidence_states
        WHERE test_id = %s AND file_sha256 = %s AND status IN ('submitted', 'accepted')
        ORDER BY submitted_at DESC
        """,
        (claim.test_id, file.sha256),
    ).fetchall()
    for row in rows:
        if (row["workspace"], row["scope"], row["targets"], row["captured_on"]) == (
            claim.workspace,
            claim.scope,
            claim.targets,
            claim.captured_on,
        ):
            raise EvidenceRefused(
                f"{file.name}: this very evidence is {row['status']} already as {row['evidence_id']}; "
                "nothing was stored"
            )
    return [
        f"the same file is evidence {row['evidence_id']}, {row['status']}, captured on {row['captured_on']}"
        for row in rows[:3]
    ]


def _decides_nothing(test_id: str) -> list[str]:
    if set(BY_ID[test_id].bases) == {"registry"}:
        return [f"{test_id} is decided by what the registry declares: this evidence is kept and decides nothing"]
    return []
