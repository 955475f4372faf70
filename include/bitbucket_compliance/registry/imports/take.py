"""Take declared data into the registry: the roster, the classification, the two-step verification export.

A file is taken whole or not at all. Bad is a missing column, an unknown enum value, a bad date, or a row that names
nobody; repeated addresses, padding, capitals and targets that were not read yet are fine.

The newest roster is the roster, whatever it came from: a file, a query, a directory (``roster_sources``). Of
classification entries the newest of each (workspace, target_type, target) is in force, and of those that match a
repository the first in this order: an entry for the repository itself, for its project, a slug glob; among globs the
one with the most characters other than ``*``; its uuid or slug before a slug that it had; one for this workspace before
one for all; a uuid before a slug; then the alphabet (view ``registry.repository_classification``). A slug means the
repository that had it when the entry met it first. Nothing is ever overwritten: who set what when stands in
``registry.classification_history`` and ``registry.roster_history``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from bitbucket_compliance.core.database import Connection, copy_rows, one_row, refresh_statistics
from bitbucket_compliance.core.errors import ImportRefused
from bitbucket_compliance.core.printable import printable
from bitbucket_compliance.registry.classification import declare, one_at_a_time
from bitbucket_compliance.registry.csv_file import File, read_content, read_csv, refused
from bitbucket_compliance.registry.evidence.mfa_export import unmatched_lines
from bitbucket_compliance.registry.evidence.rows import insert_decision, insert_evidence, locked_evidence
from bitbucket_compliance.registry.evidence.rules import MFA_TEST, Claim
from bitbucket_compliance.registry.evidence.submit import submit
from bitbucket_compliance.registry.evidence_files.apart import read_export
from bitbucket_compliance.registry.evidence_files.checks import sha256_of
from bitbucket_compliance.registry.evidence_files.store import keep
from bitbucket_compliance.registry.evidence_files.types import CSV, CleanFile
from bitbucket_compliance.registry.imports.rows import classification_rows, roster_rows
from bitbucket_compliance.security_tests.policies import load_policy


def import_file(
    connection: Connection,
    kind: str,
    path: Path,
    *,
    imported_by: str,
    captured_on: date | None = None,
    is_vouched_for: bool = False,
) -> str:
    """Take one declared file into ``registry``, whole or not at all.

    Args:
        kind: ``roster``, ``classification`` or ``mfa``.
        path: the CSV file.
        imported_by: who ran the import.
        captured_on: for ``mfa``: the day the export was made; today where it isn't given.
        is_vouched_for: for ``mfa``: its operator submits and accepts it in one act; else it waits for somebody else.

    Returns:
        A line that says what was taken; for ``mfa``, more lines ``unmatched: …`` for rows that match nobody.

    Raises:
        ImportRefused: names file, line, column and reason of every bad value.
        EvidenceRefused, EvidenceStoreUnavailable: for ``mfa``: it can't be submitted, or the file can't be kept.
    """
    if kind not in ("roster", "classification", "mfa"):
        raise ImportRefused(f"unknown kind of import {kind!r}; known: roster, classification, mfa", [])
    today = load_policy().thresholds.day_of(datetime.now(UTC))
    if captured_on and captured_on > today:
        raise ImportRefused(f"{path.name}: the day of capture {captured_on} lies in the future", [])
    if kind == "mfa" and not is_vouched_for:
        return _submit_mfa(connection, path, imported_by, captured_on or today)
    if kind == "mfa":
        content = read_content(path)
        with _one_at_a_time(connection):
            return _take_mfa(connection, path.name, content, imported_by, captured_on, today)
    file = read_csv(path)
    with _one_at_a_time(connection):
        return (_take_roster if kind == "roster" else _take_classification)(connection, file, imported_by)


def import_roster(connection: Connection, roster: File, *, imported_by: str) -> str:
    """Take a roster that comes from no file, whole or not at all; see ``roster_sources``.

    Raises:
        ImportRefused: it is empty, or names row, column and reason of every bad value.
    """
    if not roster.rows:
        # Everybody would be missing from it.
        raise refused(roster.name, "it brought nobody; look at the query or the directory")
    with _one_at_a_time(connection):
        return _take_roster(connection, roster, imported_by)


@contextmanager
def _one_at_a_time(connection: Connection) -> Iterator[None]:
    """A transaction that no other import is in; what it adds is known to the planner."""
    with one_at_a_time(connection):
        yield
        refresh_statistics(connection, "registry")


def _note_import(connection: Connection, kind: str, file: File, imported_by: str, rows: int) -> dict[str, Any]:
    """The import's ``import_id``."""
    cursor = connection.execute(
        "INSERT INTO registry.imports (kind, source, file_name, file_sha256, row_count, imported_by)"
        " VALUES (%s, %s, %s, %s, %s, %s) RETURNING import_id",
        (kind, file.source, file.name, file.sha256, rows, imported_by),
    )
    return one_row(cursor)


def _take_roster(connection: Connection, file: File, imported_by: str) -> str:
    rows = roster_rows(file)
    noted = _note_import(connection, "roster", file, imported_by, len(rows))
    copy_rows(
        connection,
        "COPY registry.people (import_id, line, email, name, status, end_date, account_id) FROM STDIN",
        ((noted["import_id"], *row) for row in rows),
    )
    return f"imported: roster {file.name}: {len(rows)} people"


def _take_classification(connection: Connection, file: File, imported_by: str) -> str:
    rows = classification_rows(file)
    noted = _note_import(connection, "classification", file, imported_by, len(rows))
    changed = declare(connection, rows, declared_by=imported_by, import_id=noted["import_id"])
    return f"imported: classification {file.name}: {len(rows)} entries, {changed} of them new or changed"


def _submit_mfa(connection: Connection, path: Path, submitted_by: str, captured_on: date) -> str:
    """An export that waits for somebody else, as any evidence does."""
    handed_in = submit(
        connection, path, test_id=MFA_TEST, workspace=None, captured_on=captured_on, submitted_by=submitted_by
    )
    taken = (
        f"imported: mfa {path.name}: submitted as evidence {handed_in.evidence_id}, captured on {captured_on}; "
        "it decides nothing before somebody else accepts it"
    )
    return "\n".join([taken, *handed_in.lines])


def _take_mfa(
    connection: Connection, name: str, content: bytes, imported_by: str, captured_on: date | None, today: date
) -> str:
    """An export that its operator vouches for: accepted at once."""
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
    claim = Claim(MFA_TEST, None, "members", [], captured_on or today, imported_by, None)
    file = CleanFile(name, CSV, content, sha256, sha256)
    noted = _note_import(connection, "mfa", File(name, sha256, (), ()), imported_by, len(people))
    evidence_id = insert_evidence(connection, claim, file, url, people, noted["import_id"])
    row = locked_evidence(connection, evidence_id)
    insert_decision(connection, row, "accepted", imported_by, None, load_policy(), self_review=True)
    taken = f"imported: mfa {name}: {len(people)} people, accepted as captured on {captured_on or 'this day'}"
    return "\n".join([taken, *unmatched_lines(connection, evidence_id, name)])


def problem_lines(error: ImportRefused) -> Iterator[str]:
    """The lines a person reads when a file was refused."""
    yield from (f"refused: {printable(problem)}" for problem in error.problems or [str(error)])
