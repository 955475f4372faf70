"""Take declared data into the registry: rosters, the classification, the two-step verification export.

A classification is taken whole or not at all. Bad is a missing column or one that stands twice, an unknown word, a
target that is missing, and what is declared of one target in two ways; padding, capitals and targets that were not read
yet are fine. Of a roster a row with an unknown word, a bad date, an address that is none, or that names nobody can't be
used: it is reported and kept in the import's record, nobody is judged from it, and where too many rows are so, or one
is and the import is strict, the roster is refused. Of an export no single cell is bad: a row that says nothing for
certain decides nothing.

A roster has a name; the newest import of each name is the roster of that name, whatever it came from: a file, a query,
a directory (``roster_sources``). Of classification entries the newest of each (workspace, target_type, target) is in
force, and of those that match a repository the first in this order: an entry for the repository itself, for its
project, a slug glob; among globs the one with the most characters other than ``*``; its uuid or slug before a slug that
it had; one for this workspace before one for all; a uuid before a slug; then the alphabet (view
``registry.repository_classification``). A slug means the repository that had it when the entry met it first. Nothing is
ever overwritten: who set what when stands in ``registry.classification_history`` and ``registry.roster_history``, and
what was in force before an import is in force again when that is taken back (``taken_back``).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from psycopg.types.json import Jsonb

from bitbucket_compliance.core.database import Connection, copy_rows, one_row, refresh_statistics, run_sql
from bitbucket_compliance.core.errors import ImportRefused, SourceWrong
from bitbucket_compliance.core.printable import printable
from bitbucket_compliance.registry.classification import declare, new_entries, one_at_a_time
from bitbucket_compliance.registry.evidence.mfa_export import export_lines, unmatched_lines
from bitbucket_compliance.registry.evidence.rows import insert_decision, insert_evidence, locked_evidence
from bitbucket_compliance.registry.evidence.rules import MFA_TEST, Claim
from bitbucket_compliance.registry.evidence.submit import submit
from bitbucket_compliance.registry.evidence_files.apart import read_export
from bitbucket_compliance.registry.evidence_files.checks import sha256_of
from bitbucket_compliance.registry.evidence_files.store import keep
from bitbucket_compliance.registry.evidence_files.types import CSV, CleanFile
from bitbucket_compliance.registry.imports import classification_rows
from bitbucket_compliance.registry.imports.mapping import RosterMapping, load_mapping
from bitbucket_compliance.registry.imports.result import ImportResult, Matches
from bitbucket_compliance.registry.imports.roster import Roster, read_roster
from bitbucket_compliance.registry.tables.file import File, refused
from bitbucket_compliance.registry.tables.read import read_content, read_table
from bitbucket_compliance.security_tests.matching import MAIN_ROSTER
from bitbucket_compliance.security_tests.policies import load_policy

#: a roster may be shorter than the one before by so many people, whatever their share
FEW: Final = 3
#: the roster where nobody names one
MAIN: Final = MAIN_ROSTER
_ROSTER_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


def import_file(
    connection: Connection,
    kind: str,
    path: Path,
    *,
    imported_by: str,
    captured_on: date | None = None,
    is_vouched_for: bool = False,
    mapping: str = "",
    roster_name: str = MAIN,
    strict: bool = False,
    may_shrink: bool = False,
    preview: bool = False,
) -> ImportResult:
    """Take one declared file into ``registry``.

    Args:
        kind: ``roster``, ``classification`` or ``mfa``.
        path: the CSV file or Excel workbook.
        imported_by: who ran the import.
        captured_on: for ``mfa``: the day the export was made; today where it isn't given.
        is_vouched_for: for ``mfa``: its operator submits and accepts it in one act, where the policy's
            ``evidence.review`` allows that; else it waits for somebody else.
        mapping, roster_name, strict, may_shrink: for ``roster``, see ``import_roster``.
        preview: nothing is written.

    Returns:
        What was taken; for ``mfa``, with a line ``unmatched: …`` for each row that matches nobody.

    Raises:
        ImportRefused: names file, line, column and reason of every bad value.
        SourceWrong: there is no such mapping.
        EvidenceRefused, EvidenceStoreUnavailable: for ``mfa``: it can't be submitted, or the file can't be kept.
    """
    if kind not in ("roster", "classification", "mfa"):
        raise ImportRefused(f"unknown kind of import {kind!r}; known: roster, classification, mfa", [])
    if kind == "roster":
        roster = read_table(path, load_mapping(mapping).is_header)
        return import_roster(
            connection,
            roster,
            imported_by=imported_by,
            mapping=mapping,
            roster_name=roster_name,
            strict=strict,
            may_shrink=may_shrink,
            preview=preview,
        )
    if kind == "classification":
        file = read_table(path, classification_rows.is_header)
        if preview:
            return _preview_classification(connection, file)
        with _one_at_a_time(connection):
            return _take_classification(connection, file, imported_by)
    return _import_mfa(connection, path, imported_by, captured_on, preview=preview, is_vouched_for=is_vouched_for)


def import_roster(
    connection: Connection,
    file: File,
    *,
    imported_by: str,
    mapping: str = "",
    roster_name: str = MAIN,
    strict: bool = False,
    may_shrink: bool = False,
    preview: bool = False,
) -> ImportResult:
    """Take a roster; ``roster_sources`` reads those that come from no file.

    Args:
        mapping: what its columns and words mean: a preset's name or the path of a YAML file; empty: the default.
        roster_name: which roster it is, where there are several: it takes the place of the one of this name alone.
        strict: one row that can't be used refuses it.
        may_shrink: a person confirms that it may name many people less than the one before.
        preview: nothing is written.

    Raises:
        ImportRefused: it names nobody, or many people less than the one before; or too many of its rows can't be used,
            each named with its column and reason.
        SourceWrong: there is no such mapping, or the name of the roster is none.
    """
    name = _roster_name(roster_name)
    thresholds = load_policy().thresholds
    meant = load_mapping(mapping)
    roster = read_roster(file, meant, ZoneInfo(thresholds.time_zone))
    roster.refuse_if_bad(thresholds.max_bad_row_share, strict=strict)
    import_id = None
    if preview:
        if not may_shrink:
            _check_shrinkage(connection, name, roster, thresholds.max_shrink_share)
    else:
        with _one_at_a_time(connection):
            if not may_shrink:
                _check_shrinkage(connection, name, roster, thresholds.max_shrink_share)
            import_id = _write_roster(connection, name, roster, meant, imported_by)
    people = f"{len(roster.people)} people"
    return ImportResult(
        "roster",
        file.name,
        people if name == MAIN else f"{people} of the roster {name}",
        import_id,
        is_preview=preview,
        columns=roster.columns,
        rows=len(file.rows),
        taken=len(roster.people),
        matches=_matches(connection, roster) if preview else None,
        unclear=tuple(roster.unclear(thresholds.day_of(datetime.now(UTC)))),
    )


def _roster_name(given: str) -> str:
    name = given.strip().lower() or MAIN
    if not _ROSTER_NAME.fullmatch(name):
        raise SourceWrong(
            f"{given[:60]!r} is no name of a roster: write up to 40 letters, digits, - and _, such as contractors"
        )
    return name


def _write_roster(connection: Connection, name: str, roster: Roster, mapping: RosterMapping, imported_by: str) -> int:
    connection.execute(
        "INSERT INTO registry.roster_mappings (mapping_version, body) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (mapping.version, Jsonb(mapping.body)),
    )
    import_id = _note_import(
        connection,
        "roster",
        roster.file,
        imported_by,
        len(roster.people),
        roster_name=name,
        mapping=mapping,
        refused_rows=len(roster.refused),
    )
    copy_rows(
        connection,
        "COPY registry.people (import_id, line, email, name, status, end_date, account_id, other_emails) FROM STDIN",
        ((import_id, *vars(person).values()) for person in roster.people),
    )
    copy_rows(
        connection,
        "COPY registry.refused_rows (import_id, line, problems, email, name, account_id, other_emails) FROM STDIN",
        ((import_id, *vars(row).values()) for row in roster.refused),
    )
    return import_id


def _matches(connection: Connection, roster: Roster) -> Matches:
    emails = {email for one in roster.people for email in (one.email, *one.other_emails) if email}
    return _members_named(connection, emails, {one.account_id for one in roster.people if one.account_id})


def _members_named(connection: Connection, emails: set[str], account_ids: set[str]) -> Matches:
    found = run_sql(
        connection,
        "registry/imports/members_named.sql",
        {"emails": sorted(emails), "account_ids": sorted(account_ids)},
    )
    return Matches(**one_row(found))


def _check_shrinkage(connection: Connection, name: str, roster: Roster, max_share: float) -> None:
    """Refuse a roster that lost people as no company does in a day: half a roster calls everybody else unknown.

    Raises:
        ImportRefused: says how many were there, and how to confirm it.
    """
    before = connection.execute(
        "SELECT row_count + refused_rows AS rows FROM registry.import_states"
        " WHERE kind = 'roster' AND roster_name = %s AND is_in_force",
        (name,),
    ).fetchone()
    people = len(roster.people) + len(roster.refused)
    lost = before["rows"] - people if before else 0
    confirm = "if that is right, confirm it: MAY_SHRINK=1, or may_shrink of the DAG"
    if lost > FEW and lost > max_share * (people + lost):
        raise refused(
            roster.file.name,
            f"it names {people} people, the roster before {people + lost}: more than {max_share:.0%} are missing; "
            f"{confirm}",
        )
    if lost > 0 and roster.file.doubt:
        raise refused(
            roster.file.name,
            f"it names {people} people, the roster before {people + lost}, and nothing shows that these are all: "
            f"{roster.file.doubt}; {confirm}",
        )


@contextmanager
def _one_at_a_time(connection: Connection) -> Iterator[None]:
    """A transaction that no other import is in; what it adds is known to the planner."""
    with one_at_a_time(connection):
        yield
        refresh_statistics(connection, "registry")


def _note_import(
    connection: Connection,
    kind: str,
    file: File,
    imported_by: str,
    rows: int,
    *,
    roster_name: str = MAIN,
    mapping: RosterMapping | None = None,
    refused_rows: int = 0,
) -> int:
    """The import's id."""
    cursor = connection.execute(
        "INSERT INTO registry.imports (kind, source, file_name, file_sha256, row_count, imported_by, roster_name,"
        " mapping, mapping_version, refused_rows)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING import_id",
        (
            kind,
            file.source,
            file.name,
            file.sha256,
            rows,
            imported_by,
            roster_name,
            mapping and mapping.name,
            mapping and mapping.version,
            refused_rows,
        ),
    )
    return int(one_row(cursor)["import_id"])


# -------------------------------------------------------------------------------------------------- classification


def _take_classification(connection: Connection, file: File, imported_by: str) -> ImportResult:
    entries = classification_rows.classification_entries(file)
    import_id = _note_import(connection, "classification", file, imported_by, len(entries))
    changed = declare(connection, entries, declared_by=imported_by, import_id=import_id)
    told = f"{len(entries)} entries, {changed} of them new or changed"
    return ImportResult("classification", file.name, told, import_id, rows=len(file.rows), taken=len(entries))


def _preview_classification(connection: Connection, file: File) -> ImportResult:
    entries = classification_rows.classification_entries(file)
    new = new_entries(connection, entries)
    unknown = run_sql(
        connection,
        "registry/imports/targets_unknown.sql",
        {
            "workspaces": [entry.workspace for entry in entries],
            "target_types": [entry.target_type for entry in entries],
            "targets": [entry.target for entry in entries],
        },
    ).fetchall()
    return ImportResult(
        "classification",
        file.name,
        f"{len(entries)} entries, {len(new)} of them new or changed",
        is_preview=True,
        columns={heading: (heading,) for heading in file.header},
        rows=len(file.rows),
        taken=len(entries),
        unclear=tuple(
            f"noted: {file.name}: {row['target_type']} {row['target']} matches no repository that was read"
            for row in unknown
        ),
    )


# ------------------------------------------------------------------------------------- two-step verification export


def _import_mfa(
    connection: Connection,
    path: Path,
    imported_by: str,
    captured_on: date | None,
    *,
    preview: bool,
    is_vouched_for: bool,
) -> ImportResult:
    policy = load_policy()
    today = policy.thresholds.day_of(datetime.now(UTC))
    if captured_on and captured_on > today:
        raise ImportRefused(f"{path.name}: the day of capture {captured_on} lies in the future", [])
    if preview:
        return _preview_mfa(connection, path)
    if not (is_vouched_for and policy.evidence.review == "operator"):
        return _submit_mfa(connection, path, imported_by, captured_on or today)
    content = read_content(path)
    with _one_at_a_time(connection):
        return _take_mfa(connection, path.name, content, imported_by, captured_on, today)


def _preview_mfa(connection: Connection, path: Path) -> ImportResult:
    export = read_export(path.name, read_content(path))
    emails = {email for row in export.people for email in (row.email, *row.other_emails) if email}
    return ImportResult(
        "mfa",
        path.name,
        f"{len(export.people)} people",
        is_preview=True,
        rows=len(export.people) + len(export.nobody),
        taken=len(export.people),
        matches=_members_named(connection, emails, {row.account_id for row in export.people if row.account_id}),
        unclear=tuple(f"noted: {line}" for line in export_lines(path.name, export)),
    )


def _submit_mfa(connection: Connection, path: Path, submitted_by: str, captured_on: date) -> ImportResult:
    """An export that waits for somebody else, as any evidence does."""
    handed_in = submit(
        connection, path, test_id=MFA_TEST, workspace=None, captured_on=captured_on, submitted_by=submitted_by
    )
    told = (
        f"submitted as evidence {handed_in.evidence_id}, captured on {captured_on}; "
        "it decides nothing before somebody else accepts it"
    )
    return ImportResult("mfa", path.name, told, unclear=handed_in.lines)


def _take_mfa(
    connection: Connection, name: str, content: bytes, imported_by: str, captured_on: date | None, today: date
) -> ImportResult:
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
        told = (
            f"nothing new, this very file is accepted as captured on {known['captured_on']}; "
            "CAPTURED_ON=YYYY-MM-DD states another day"
        )
        return ImportResult("mfa", name, told)
    url = keep(content, CSV.extensions[0])
    claim = Claim(MFA_TEST, None, "members", [], captured_on or today, imported_by, None)
    file = CleanFile(name, CSV, content, sha256, sha256)
    import_id = _note_import(connection, "mfa", File(name, sha256, (), ()), imported_by, len(export.people))
    evidence_id = insert_evidence(connection, claim, file, url, export.people, import_id)
    row = locked_evidence(connection, evidence_id)
    insert_decision(connection, row, "accepted", imported_by, None, load_policy(), self_review=True)
    noted = [f"noted: {line}" for line in export_lines(name, export)]
    return ImportResult(
        "mfa",
        name,
        f"{len(export.people)} people, accepted as captured on {captured_on or 'this day'}",
        import_id,
        rows=len(export.people) + len(export.nobody),
        taken=len(export.people),
        unclear=(*noted, *unmatched_lines(connection, evidence_id, name)),
    )


def problem_lines(error: ImportRefused) -> Iterator[str]:
    """The lines a person reads when a file was refused."""
    yield from (f"refused: {printable(problem)}" for problem in error.problems or [str(error)])
