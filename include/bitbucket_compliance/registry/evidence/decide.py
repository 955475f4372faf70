"""Decide on evidence: somebody else accepts or rejects it, anybody withdraws it.

Accepting freezes the subjects that evidence covers: those in its scope that existed on the day of capture. Whether it
is past its validity is computed when it is read (``compliance.evidence``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bitbucket_compliance.core.database import Connection, one_row, run_sql
from bitbucket_compliance.core.errors import EvidenceRefused
from bitbucket_compliance.core.persons import why_not_another
from bitbucket_compliance.policy.model import Policy, Thresholds
from bitbucket_compliance.registry import persons
from bitbucket_compliance.registry.evidence.mfa_export import unmatched_lines
from bitbucket_compliance.registry.evidence.rows import insert_decision, locked_evidence, state_of
from bitbucket_compliance.registry.evidence.rules import text
from bitbucket_compliance.security_tests import BY_ID
from bitbucket_compliance.security_tests.policies import policy_of

OUTCOMES: Mapping[str, str] = {"accept": "accepted", "reject": "rejected", "withdraw": "withdrawn"}


@dataclass(frozen=True)
class Decided:
    """Evidence that was decided on: its status now, how many subjects it covers, what the person should know."""

    evidence_id: str
    status: str
    subjects: int = 0
    lines: tuple[str, ...] = ()


def decide(
    connection: Connection, evidence_id: str, decision: str, *, decided_by: str, reason: str | None = None
) -> Decided:
    """Accept or reject evidence that waits, as somebody other than its submitter; or withdraw it.

    Anybody may withdraw, with a reason: its submitter as well as a reviewer.

    Args:
        decision: ``accept``, ``reject`` or ``withdraw``. reason: needed for the latter two.
        decided_by: who decides; see ``core.persons``.

    Raises:
        PersonUnclear: ``decided_by`` names nobody.
        EvidenceRefused: says why this can't be decided so; nothing is stored then.
    """
    if decision not in OUTCOMES:
        raise EvidenceRefused(f"there is no decision {decision!r}; decide accept, reject or withdraw")
    reason = text("the reason", reason)
    if decision != "accept" and not reason:
        raise EvidenceRefused(f"a reason is missing; say why evidence {evidence_id} is {OUTCOMES[decision]}")
    with connection.transaction():
        row = locked_evidence(connection, evidence_id)
        policy = policy_of(connection, row["workspace"])
        persons.note(connection, decided_by)
        if decision == "withdraw":
            _may_be_withdrawn(row)
            is_alone = False
        else:
            is_alone = _may_be_decided(row, decided_by, policy)
        subjects, lines = _freeze(connection, row, policy.thresholds) if decision == "accept" else (0, [])
        insert_decision(connection, row, OUTCOMES[decision], decided_by, reason, policy, self_review=is_alone)
    return Decided(row["evidence_id"], OUTCOMES[decision], subjects, tuple(lines))


def would_cover(connection: Connection, evidence_id: str) -> list[dict[str, Any]]:
    """What evidence that waits would cover if it were accepted now, by the rule of accepting; nothing of it is kept.

    Returns:
        ``subject_id``, ``subject_name``, ``status`` and ``severity`` of each subject; none for an export, whose rows
        are matched by every run.

    Raises:
        EvidenceRefused: it is past its validity, or would cover nothing.
    """
    with connection.transaction(force_rollback=True):
        row = state_of(connection, evidence_id)
        _freeze(connection, row, policy_of(connection, row["workspace"]).thresholds)
        key = {"evidence_id": row["evidence_id"]}
        return run_sql(connection, "registry/evidence/would_cover.sql", key).fetchall()


def _may_be_withdrawn(row: Mapping[str, Any]) -> None:
    if row["status"] not in ("submitted", "accepted"):
        raise EvidenceRefused(f"evidence {row['evidence_id']} is {_as_told(row)}; there is nothing to withdraw")


def _may_be_decided(row: Mapping[str, Any], person: str, policy: Policy) -> bool:
    """Whether the policy lets somebody decide alone here: who submitted it, or who may be the same person."""
    if row["status"] != "submitted":
        raise EvidenceRefused(
            f"evidence {row['evidence_id']} is {_as_told(row)}; what is decided stays, withdraw it or submit it anew"
        )
    why = why_not_another(person, [row["submitted_by"]])
    if why and not policy.thresholds.allow_self_review:
        raise EvidenceRefused(
            f"evidence {row['evidence_id']} was submitted by {row['submitted_by']}: {why} "
            "(policy thresholds.allow_self_review relaxes this, withdraw takes it back)"
        )
    return why is not None


def _as_told(row: Mapping[str, Any]) -> str:
    return f"{row['status']} already, by {row['decided_by']} at {row['decided_at']:%Y-%m-%d %H:%M}"


def _freeze(connection: Connection, row: Mapping[str, Any], thresholds: Thresholds) -> tuple[int, list[str]]:
    """Write down what the evidence covers; (how many subjects, what is named and not found)."""
    until = row["captured_on"] + timedelta(days=thresholds.evidence_validity_days)
    if until <= thresholds.day_of(datetime.now(UTC)):
        raise EvidenceRefused(
            f"evidence {row['evidence_id']} is past its validity: captured on {row['captured_on']}, it held until "
            f"{until}; capture it again and submit that"
        )
    key = {"evidence_id": row["evidence_id"]}
    if row["kind"] == "mfa_export":
        listed = connection.execute(
            "SELECT count(*) AS rows FROM registry.evidence_members WHERE evidence_id = %(evidence_id)s", key
        )
        return int(one_row(listed)["rows"]), unmatched_lines(connection, row["evidence_id"], row["file_name"])
    subject_type = BY_ID[row["test_id"]].subject_type
    plural = {"repository": "repositories", "member": "members", "workspace": "workspace"}[subject_type]
    values = key | ({} if subject_type == "workspace" else {"time_zone": thresholds.time_zone})
    count = run_sql(connection, f"registry/evidence/freeze_{plural}.sql", values).rowcount
    if not count:
        raise EvidenceRefused(
            f"evidence {row['evidence_id']} would cover nothing: no {subject_type} of workspace {row['workspace']} "
            f"that was read is in its scope and existed on {row['captured_on']}; let a run read the workspace "
            "first (Sync now under Integrations), or submit it with other targets"
        )
    unmatched = run_sql(connection, "registry/evidence/unmatched_targets.sql", key).fetchall()
    return count, [
        f"unmatched: {target['target']}: no {subject_type} that was read and existed on {row['captured_on']} "
        "is called so"
        for target in unmatched
    ]
