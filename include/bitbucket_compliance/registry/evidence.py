"""The life of evidence: submitted, accepted or rejected by somebody else, expired or withdrawn. Rule: design.md §5.

Rows are only ever added. Accepting freezes the subjects that evidence covers: those in its scope that existed on the
day of capture. Whether it is past its validity is computed when it is read (``compliance.evidence``).
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg

from bitbucket_compliance.core.database import Connection, copy_rows, one_row, run_sql
from bitbucket_compliance.core.errors import EvidenceRefused, ImportRefused
from bitbucket_compliance.policy.model import Numbers
from bitbucket_compliance.policy.overrides import plain, policy_of
from bitbucket_compliance.registry.evidence_rules import MFA_TEST, Claim, checked_claim, text
from bitbucket_compliance.registry.files import BY_MEDIA_TYPE, CSV, CleanFile, clean_file, read_file, sha256_of
from bitbucket_compliance.registry.mfa_export import ExportRow, read_export
from bitbucket_compliance.registry.store import keep, read_kept
from bitbucket_compliance.security_tests import BY_ID

OUTCOMES: Mapping[str, str] = {"accept": "accepted", "reject": "rejected", "withdraw": "withdrawn"}
LINES_SHOWN = 50


@dataclass(frozen=True)
class Submission:
    """Evidence that waits for a decision; ``lines`` tell what whoever handed it in should know."""

    evidence_id: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decided:
    """Evidence that was decided on: its status now, how many subjects it covers, what is left to tell."""

    evidence_id: str
    status: str
    subjects: int = 0
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeptFile:
    """A file as it is handed out again."""

    name: str
    media_type: str
    content: bytes

    @property
    def headers(self) -> dict[str, str]:
        """HTTP headers under which a browser saves the file and never runs or shows it as a page."""
        ascii_name = re.sub(r"[^A-Za-z0-9._-]", "_", self.name)
        return {
            "Content-Type": self.media_type,
            "Content-Length": str(len(self.content)),
            "Content-Disposition": f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(self.name, '')}",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "private, no-store",
        }


# --------------------------------------------------------------------- submit


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
        EvidenceStoreUnavailable: the file can't be kept; nothing is stored then.
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
    people = _people(cleaned) if is_export else []
    with connection.transaction():
        _not_in_the_future(connection, claim)
        known = _handed_in_before(connection, claim, cleaned)
        url = keep(cleaned.content, cleaned.type.extensions[0])
        evidence_id = _insert(connection, claim, cleaned, url, people)
    return Submission(evidence_id, (*_decides_nothing(test_id), *known))


def _people(file: CleanFile) -> list[ExportRow]:
    try:
        people = read_export(file.name, file.content)
    except ImportRefused as unfit:
        raise EvidenceRefused(str(unfit)) from unfit
    if not people:
        raise EvidenceRefused(f"{file.name} was refused, nothing was stored: it lists nobody; export the report again")
    return people


def _not_in_the_future(connection: Connection, claim: Claim) -> None:
    today = _today(policy_of(connection, claim.workspace).numbers)
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


def _insert(
    connection: Connection,
    claim: Claim,
    file: CleanFile,
    url: str,
    people: Sequence[ExportRow],
    import_id: int | None = None,
) -> str:
    cursor = connection.execute(
        """
        INSERT INTO registry.evidence (
            test_id, scope, workspace, kind, captured_on, targets, note, submitted_by, submitted_at,
            file_name, file_sha256, submitted_sha256, media_type, size_bytes, storage_url, import_id
        )
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp(), %s, %s, %s, %s, %s, %s, %s)
        RETURNING evidence_id::text AS evidence_id
        """,
        (
            claim.test_id,
            claim.scope,
            claim.workspace,
            file.type.kind,
            claim.captured_on,
            claim.targets,
            claim.note,
            claim.submitted_by,
            file.name,
            file.sha256,
            file.submitted_sha256,
            file.type.media_type,
            len(file.content),
            url,
            import_id,
        ),
    )
    evidence_id = str(one_row(cursor)["evidence_id"])
    copy_rows(
        connection,
        "COPY registry.evidence_members (evidence_id, line, email, account_id, mfa_enabled) FROM STDIN",
        ((evidence_id, row.line, row.email, row.account_id, row.mfa_enabled) for row in people),
    )
    return evidence_id


# --------------------------------------------------------------------- decide


def decide(
    connection: Connection, evidence_id: str, decision: str, *, decided_by: str, reason: str | None = None
) -> Decided:
    """Accept or reject evidence that waits, as somebody other than its submitter; or withdraw it.

    Anybody may withdraw, with a reason: the submitter, and whoever could have reviewed it.

    Args:
        decision: ``accept``, ``reject`` or ``withdraw``. reason: needed for the latter two.

    Raises:
        EvidenceRefused: says why this can't be decided so; nothing is stored then.
    """
    if decision not in OUTCOMES:
        raise EvidenceRefused(f"there is no decision {decision!r}; decide accept, reject or withdraw")
    person = text("who decides", decided_by, needed=True)
    reason = text("the reason", reason)
    if decision != "accept" and not reason:
        raise EvidenceRefused(f"a reason is missing; say why evidence {evidence_id} is {OUTCOMES[decision]}")
    with connection.transaction():
        row = _locked(connection, evidence_id)
        numbers = policy_of(connection, row["workspace"]).numbers
        if decision == "withdraw":
            _may_be_withdrawn(row)
        else:
            _may_be_decided(row, person, numbers)
        subjects, lines = _freeze(connection, row, numbers) if decision == "accept" else (0, [])
        _note_decision(connection, row["evidence_id"], OUTCOMES[decision], person, reason)
    return Decided(row["evidence_id"], OUTCOMES[decision], subjects, tuple(lines))


def _locked(connection: Connection, evidence_id: str) -> dict[str, Any]:
    """One piece of evidence; nobody else decides on it before this transaction ends."""
    try:
        key = str(UUID(evidence_id.strip()))
    except ValueError:
        raise EvidenceRefused(f"{evidence_id!r} is no evidence id; make evidence lists them") from None
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('evidence ' || %s, 0))", (key,))
    row = connection.execute(
        "SELECT *, evidence_id::text AS evidence_id FROM registry.evidence_states WHERE evidence_id = %s::uuid", (key,)
    ).fetchone()
    if row is None:
        raise EvidenceRefused(f"there is no evidence {key}; make evidence lists them")
    return row


def _may_be_withdrawn(row: Mapping[str, Any]) -> None:
    if row["status"] not in ("submitted", "accepted"):
        raise EvidenceRefused(f"evidence {row['evidence_id']} is {_as_told(row)}; there is nothing to withdraw")


def _may_be_decided(row: Mapping[str, Any], person: str, numbers: Numbers) -> None:
    if row["status"] != "submitted":
        raise EvidenceRefused(
            f"evidence {row['evidence_id']} is {_as_told(row)}; what is decided stays, withdraw it or submit it anew"
        )
    if _same_person(person, row["submitted_by"]) and not numbers.allow_self_review:
        raise EvidenceRefused(
            f"evidence {row['evidence_id']} was submitted by {row['submitted_by']}; somebody else has to decide "
            "(policy numbers.allow_self_review relaxes this, withdraw takes it back)"
        )


def _as_told(row: Mapping[str, Any]) -> str:
    return f"{row['status']} already, by {row['decided_by']} at {row['decided_at']:%Y-%m-%d %H:%M}"


def _same_person(one: str, other: str) -> bool:
    return (
        unicodedata.normalize("NFKC", one).strip().casefold() == unicodedata.normalize("NFKC", other).strip().casefold()
    )


def _note_decision(connection: Connection, evidence_id: str, outcome: str, person: str, reason: str | None) -> None:
    try:
        connection.execute(
            "INSERT INTO registry.evidence_decisions (evidence_id, decision, decided_by, decided_at, reason)"
            " VALUES (%s, %s, %s, clock_timestamp(), %s)",
            (evidence_id, outcome, person, reason),
        )
    except psycopg.errors.UniqueViolation:
        raise EvidenceRefused(f"evidence {evidence_id} was decided on by somebody else in this moment") from None


def _freeze(connection: Connection, row: Mapping[str, Any], numbers: Numbers) -> tuple[int, list[str]]:
    """Write down what the evidence covers; (how many subjects, what is named and not found)."""
    until = row["captured_on"] + timedelta(days=numbers.evidence_validity_days)
    if until <= _today(numbers):
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
    values = key | ({} if subject_type == "workspace" else {"time_zone": numbers.time_zone})
    count = run_sql(connection, f"registry/freeze_{plural}.sql", values).rowcount
    if not count:
        raise EvidenceRefused(
            f"evidence {row['evidence_id']} would cover nothing: no {subject_type} of workspace {row['workspace']} "
            f"that was read is in its scope and existed on {row['captured_on']}; run the workspace first "
            f"(make run WORKSPACE={row['workspace']}), or submit it with other targets"
        )
    unmatched = run_sql(connection, "registry/unmatched_targets.sql", key).fetchall()
    return count, [
        f"unmatched: {target['target']}: no {subject_type} that was read and existed on {row['captured_on']} "
        "is called so"
        for target in unmatched
    ]


def unmatched_lines(connection: Connection, evidence_id: str, name: str) -> list[str]:
    """A line for each row of an export that matches no member, as far as that can be known yet. No error: they may be
    people of another product of the organisation.
    """
    read = one_row(connection.execute("SELECT EXISTS (SELECT 1 FROM staging.members) AS members"))
    if not read["members"]:
        return [f"unmatched: {name}: no member was read yet: the rows are matched at the next run"]
    rows = connection.execute(
        "SELECT line, looked_up FROM registry.unmatched_evidence_rows WHERE evidence_id = %s ORDER BY line",
        (evidence_id,),
    ).fetchall()
    nobody = [row["line"] for row in rows if row["looked_up"]]
    waiting = len(rows) - len(nobody)
    lines = [
        f"unmatched: {name}: line {line}: no member of a workspace that was read has this address or account id"
        for line in nobody[:LINES_SHOWN]
    ]
    if len(nobody) > LINES_SHOWN:
        lines.append(
            f"unmatched: {name}: {len(nobody) - LINES_SHOWN} more; registry.unmatched_evidence_rows lists them all"
        )
    if waiting:
        lines.append(f"unmatched: {name}: addresses never looked up: {waiting}; the next run asks for them")
    return lines


# --------------------------------------------------------------------- import


def take_export(
    connection: Connection,
    name: str,
    content: bytes,
    *,
    imported_by: str,
    captured_on: date | None,
    note_import: Callable[[int], int],
) -> str:
    """Take an export that its operator vouches for: accepted at once; joins the caller's transaction.

    Args:
        captured_on: the day the export was made; None: today.
        note_import: notes the import of so many rows and gives its id.

    Returns:
        A line that says what was taken, then a line ``unmatched: …`` for each row that matches nobody.

    Raises:
        ImportRefused: names file, line, column and reason of every bad value.
        EvidenceStoreUnavailable: the file can't be kept.
    """
    people = read_export(name, content, is_vouched_for=True)
    sha256 = sha256_of(content)
    known = connection.execute(
        "SELECT captured_on FROM registry.evidence_states"
        " WHERE test_id = %s AND file_sha256 = %s AND status = 'accepted'"
        " ORDER BY captured_on DESC LIMIT 1",
        (MFA_TEST, sha256),
    ).fetchone()
    if known and captured_on in (None, known["captured_on"]):
        # The same bytes can't be a newer capture: taking them again would stretch their validity.
        return (
            f"imported: mfa {name}: nothing new, this very file is accepted as captured on "
            f"{known['captured_on']}; CAPTURED_ON=YYYY-MM-DD states another day"
        )
    url = keep(content, CSV.extensions[0])
    day = captured_on or _today(policy_of(connection, None).numbers)
    claim = Claim(MFA_TEST, None, "members", [], day, imported_by, None)
    file = CleanFile(name, CSV, content, sha256, sha256)
    evidence_id = _insert(connection, claim, file, url, people, note_import(len(people)))
    _note_decision(connection, evidence_id, "accepted", imported_by, None)
    taken = f"imported: mfa {name}: {len(people)} people, accepted as captured on {captured_on or 'this day'}"
    return "\n".join([taken, *unmatched_lines(connection, evidence_id, name)])


# ----------------------------------------------------------------------- read


def open_evidence(connection: Connection, evidence_id: str) -> KeptFile:
    """The stored file of a piece of evidence; its SHA-256 is checked.

    Raises:
        EvidenceRefused: there is no such evidence, or only its rows were taken.
        EvidenceStoreUnavailable: the file is gone or was changed.
    """
    row = _found(connection, evidence_id)
    if row["storage_url"] is None or row["media_type"] not in BY_MEDIA_TYPE:
        raise EvidenceRefused(f"of evidence {evidence_id} no file is kept: only its rows were taken")
    kind = BY_MEDIA_TYPE[row["media_type"]]
    name: str = row["file_name"]
    if Path(name).suffix.lower().removeprefix(".") not in kind.extensions:
        name = f"{name}.{kind.extensions[0]}"
    return KeptFile(name, kind.media_type, read_kept(row["storage_url"], row["file_sha256"]))


def _found(connection: Connection, evidence_id: str) -> dict[str, Any]:
    with connection.transaction():
        return _locked(connection, evidence_id)


def listed(connection: Connection, test_id: str = "", workspace: str = "") -> Iterator[dict[str, Any]]:
    """Rows of ``compliance.evidence``, the newest first; empty: any."""
    yield from connection.execute(
        "SELECT * FROM compliance.evidence WHERE %(test_id)s::text IN ('', test_id)"
        " AND (%(workspace)s::text = '' OR workspace IS NULL OR workspace = %(workspace)s)"
        " ORDER BY submitted_at DESC, evidence_id",
        {"test_id": test_id, "workspace": plain(workspace)},
    )


def _today(numbers: Numbers) -> date:
    return datetime.now(ZoneInfo(numbers.time_zone)).date()
