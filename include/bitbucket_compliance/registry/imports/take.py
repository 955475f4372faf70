"""Take declared data into the registry: the roster, the classification, the two-step verification export.

A roster or a classification is taken whole or not at all. Bad is a missing column or one that stands twice, an unknown
word, a bad date, an address that is none, a row that names nobody, a table without rows, and what is declared of one
target in two ways; repeated addresses, padding, capitals and targets that were not read yet are fine. Of an export no
single cell is bad: a row that says nothing for certain decides nothing.

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
from typing import Any, Final
from zoneinfo import ZoneInfo

from bitbucket_compliance.core.database import Connection, copy_rows, one_row, refresh_statistics
from bitbucket_compliance.core.errors import ImportRefused
from bitbucket_compliance.core.printable import printable
from bitbucket_compliance.registry.classification import declare, one_at_a_time
from bitbucket_compliance.registry.evidence.mfa_export import export_lines, unmatched_lines
from bitbucket_compliance.registry.evidence.rows import insert_decision, insert_evidence, locked_evidence
from bitbucket_compliance.registry.evidence.rules import MFA_TEST, Claim
from bitbucket_compliance.registry.evidence.submit import submit
from bitbucket_compliance.registry.evidence_files.apart import read_export
from bitbucket_compliance.registry.evidence_files.checks import sha256_of
from bitbucket_compliance.registry.evidence_files.store import keep
from bitbucket_compliance.registry.evidence_files.types import CSV, CleanFile
from bitbucket_compliance.registry.imports import classification_rows
from bitbucket_compliance.registry.imports.mapping import load_mapping
from bitbucket_compliance.registry.imports.roster import oddities, roster_people
from bitbucket_compliance.registry.tables.file import File, refused
from bitbucket_compliance.registry.tables.read import read_content, read_table
from bitbucket_compliance.security_tests.policies import load_policy

#: a roster may be shorter than the one before by so many people, whatever their share
FEW: Final = 3


def import_file(
    connection: Connection,
    kind: str,
    path: Path,
    *,
    imported_by: str,
    captured_on: date | None = None,
    is_vouched_for: bool = False,
    mapping: str = "",
    may_shrink: bool = False,
) -> str:
    """Take one declared file into ``registry``, whole or not at all.

    Args:
        kind: ``roster``, ``classification`` or ``mfa``.
        path: the CSV file or Excel workbook.
        imported_by: who ran the import.
        captured_on: for ``mfa``: the day the export was made; today where it isn't given.
        is_vouched_for: for ``mfa``: its operator submits and accepts it in one act, where the policy's
            ``evidence.review`` allows that; else it waits for somebody else.
        mapping, may_shrink: for ``roster``, see ``import_roster``.

    Returns:
        A line that says what was taken; for ``mfa``, more lines ``unmatched: …`` for rows that match nobody.

    Raises:
        ImportRefused: names file, line, column and reason of every bad value.
        SourceWrong: there is no such mapping.
        EvidenceRefused, EvidenceStoreUnavailable: for ``mfa``: it can't be submitted, or the file can't be kept.
    """
    if kind not in ("roster", "classification", "mfa"):
        raise ImportRefused(f"unknown kind of import {kind!r}; known: roster, classification, mfa", [])
    policy = load_policy()
    today = policy.thresholds.day_of(datetime.now(UTC))
    if captured_on and captured_on > today:
        raise ImportRefused(f"{path.name}: the day of capture {captured_on} lies in the future", [])
    if kind == "mfa" and not (is_vouched_for and policy.evidence.review == "operator"):
        return _submit_mfa(connection, path, imported_by, captured_on or today)
    if kind == "mfa":
        content = read_content(path)
        with _one_at_a_time(connection):
            return _take_mfa(connection, path.name, content, imported_by, captured_on, today)
    if kind == "roster":
        roster = read_table(path, load_mapping(mapping).is_header)
        return import_roster(connection, roster, imported_by=imported_by, mapping=mapping, may_shrink=may_shrink)
    file = read_table(path, classification_rows.is_header)
    with _one_at_a_time(connection):
        return _take_classification(connection, file, imported_by)


def import_roster(
    connection: Connection, roster: File, *, imported_by: str, mapping: str = "", may_shrink: bool = False
) -> str:
    """Take a roster, whole or not at all; ``roster_sources`` reads those that come from no file.

    Args:
        mapping: what its columns and words mean: a preset's name or the path of a YAML file; empty: the default.
        may_shrink: a person confirms that it may name many people less than the one before.

    Raises:
        ImportRefused: it names nobody, or many people less than the one before; or names row, column and reason of
            every bad value.
        SourceWrong: there is no such mapping.
    """
    thresholds = load_policy().thresholds
    people = roster_people(roster, load_mapping(mapping), ZoneInfo(thresholds.time_zone))
    with _one_at_a_time(connection):
        if not may_shrink:
            _check_shrinkage(connection, roster, len(people), thresholds.max_shrink_share)
        noted = _note_import(connection, "roster", roster, imported_by, len(people))
        copy_rows(
            connection,
            "COPY registry.people (import_id, line, email, name, status, end_date, account_id, other_emails)"
            " FROM STDIN",
            ((noted["import_id"], *vars(person).values()) for person in people),
        )
    taken = f"imported: roster {roster.name}: {len(people)} people"
    return "\n".join([taken, *oddities(roster, people, thresholds.day_of(datetime.now(UTC)))])


def _check_shrinkage(connection: Connection, roster: File, people: int, max_share: float) -> None:
    """Refuse a roster that lost people as no company does in a day: half a roster calls everybody else unknown.

    Raises:
        ImportRefused: says how many were there, and how to confirm it.
    """
    before = connection.execute("SELECT rows FROM registry.roster_history WHERE is_current").fetchone()
    lost = before["rows"] - people if before else 0
    confirm = "if that is right, confirm it: MAY_SHRINK=1, or may_shrink of the DAG"
    if lost > FEW and lost > max_share * (people + lost):
        raise refused(
            roster.name,
            f"it names {people} people, the roster before {people + lost}: more than {max_share:.0%} are missing; "
            f"{confirm}",
        )
    if lost > 0 and roster.doubt:
        raise refused(
            roster.name,
            f"it names {people} people, the roster before {people + lost}, and nothing shows that these are all: "
            f"{roster.doubt}; {confirm}",
        )


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


def _take_classification(connection: Connection, file: File, imported_by: str) -> str:
    rows = classification_rows.classification_entries(file)
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
    export = read_export(name, content)
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
    noted = _note_import(connection, "mfa", File(name, sha256, (), ()), imported_by, len(export.people))
    evidence_id = insert_evidence(connection, claim, file, url, export.people, noted["import_id"])
    row = locked_evidence(connection, evidence_id)
    insert_decision(connection, row, "accepted", imported_by, None, load_policy(), self_review=True)
    taken = f"imported: mfa {name}: {len(export.people)} people, accepted as captured on {captured_on or 'this day'}"
    noted_lines = [f"noted: {line}" for line in export_lines(name, export)]
    return "\n".join([taken, *noted_lines, *unmatched_lines(connection, evidence_id, name)])


def problem_lines(error: ImportRefused) -> Iterator[str]:
    """The lines a person reads when a file was refused."""
    yield from (f"refused: {printable(problem)}" for problem in error.problems or [str(error)])
