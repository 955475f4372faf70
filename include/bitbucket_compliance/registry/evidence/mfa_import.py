"""Take a two-step verification export that its operator vouches for, accepted at once."""

from collections.abc import Callable
from datetime import date

from bitbucket_compliance.core.database import Connection, one_row
from bitbucket_compliance.registry.evidence.files.checks import sha256_of
from bitbucket_compliance.registry.evidence.files.store import keep
from bitbucket_compliance.registry.evidence.files.types import CSV, CleanFile
from bitbucket_compliance.registry.evidence.mfa_export import read_export
from bitbucket_compliance.registry.evidence.rows import insert_decision, insert_evidence, today_of
from bitbucket_compliance.registry.evidence.rules import MFA_TEST, Claim
from bitbucket_compliance.security_tests.policies import policy_of

LINES_SHOWN = 50


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
    day = captured_on or today_of(policy_of(connection, None).thresholds)
    claim = Claim(MFA_TEST, None, "members", [], day, imported_by, None)
    file = CleanFile(name, CSV, content, sha256, sha256)
    evidence_id = insert_evidence(connection, claim, file, url, people, note_import(len(people)))
    insert_decision(connection, evidence_id, "accepted", imported_by, None)
    taken = f"imported: mfa {name}: {len(people)} people, accepted as captured on {captured_on or 'this day'}"
    return "\n".join([taken, *unmatched_lines(connection, evidence_id, name)])


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
