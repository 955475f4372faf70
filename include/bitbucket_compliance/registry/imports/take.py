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
it had; one for this workspace before one for all; of its uuid and its slug what was declared last; the stricter one;
then the alphabet (view ``registry.repository_classification``). A slug means the repository that had it when the entry
met it first. Nothing is ever overwritten: who set what when stands in ``registry.classification_history`` and
``registry.roster_history``, and what was in force before an import is in force again when that is taken back
(``taken_back``).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from bitbucket_compliance.core.database import Connection, run_sql
from bitbucket_compliance.core.errors import ImportRefused
from bitbucket_compliance.core.printable import printable
from bitbucket_compliance.registry.classification import declare, new_entries
from bitbucket_compliance.registry.evidence.mfa_export import export_lines, unmatched_lines
from bitbucket_compliance.registry.evidence.rows import insert_decision, insert_evidence, locked_evidence
from bitbucket_compliance.registry.evidence.rules import MFA_TEST, Claim
from bitbucket_compliance.registry.evidence.submit import submit
from bitbucket_compliance.registry.evidence_files import apart
from bitbucket_compliance.registry.evidence_files.checks import sha256_of
from bitbucket_compliance.registry.evidence_files.store import keep
from bitbucket_compliance.registry.evidence_files.types import CSV, CleanFile
from bitbucket_compliance.registry.imports import classification_rows
from bitbucket_compliance.registry.imports.mapping import load_mapping
from bitbucket_compliance.registry.imports.matches import addressed, members_named
from bitbucket_compliance.registry.imports.record import note_import, one_import_at_a_time
from bitbucket_compliance.registry.imports.result import ImportResult
from bitbucket_compliance.registry.imports.take_roster import MAIN, import_roster
from bitbucket_compliance.registry.tables.file import File
from bitbucket_compliance.registry.tables.read import HeaderRule, header_by, read_content, read_table
from bitbucket_compliance.security_tests.policies import load_policy


def import_file(
    connection: Connection,
    kind: str,
    file: Path | tuple[str, bytes],
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
        file: the CSV file or Excel workbook: a path, or name and content of what somebody uploaded.
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
        InspectionUnavailable: an uploaded file can't be looked at now.
    """
    if kind not in ("roster", "classification", "mfa"):
        raise ImportRefused(f"unknown kind of import {kind!r}; known: roster, classification, mfa", [])
    if kind == "roster":
        roster = _read(file, load_mapping(mapping).header_rule)
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
        declared = _read(file, classification_rows.HEADER_RULE)
        if preview:
            return _preview_classification(connection, declared)
        with one_import_at_a_time(connection):
            return _take_classification(connection, declared, imported_by)
    return _import_mfa(connection, file, imported_by, captured_on, preview=preview, is_vouched_for=is_vouched_for)


def _read(file: Path | tuple[str, bytes], rule: HeaderRule) -> File:
    """A declared table; what somebody uploaded is opened in a process of its own, by the same reader."""
    return read_table(file, header_by(rule)) if isinstance(file, Path) else apart.read_table(*file, rule)


# -------------------------------------------------------------------------------------------------- classification


def _take_classification(connection: Connection, file: File, imported_by: str) -> ImportResult:
    entries = classification_rows.classification_entries(file, _known(connection))
    import_id = note_import(connection, "classification", file, imported_by, len(entries))
    changed = declare(connection, entries, declared_by=imported_by, import_id=import_id)
    told = f"{len(entries)} entries, {changed} of them new or changed"
    return ImportResult("classification", file.name, told, import_id, rows=len(file.rows), taken=len(entries))


def _known(connection: Connection) -> classification_rows.Known:
    workspaces = connection.execute(
        "SELECT lower(workspace_id) AS id, lower(workspace) AS slug FROM staging.workspaces"
    )
    by_slug: dict[str, list[tuple[str, str]]] = {}
    for row in connection.execute(
        "SELECT lower(workspace) AS workspace, lower(slug) AS slug, lower(repository_id) AS id"
        " FROM staging.repositories WHERE slug IS NOT null"
    ):
        by_slug.setdefault(row["slug"], []).append((row["workspace"], row["id"]))
    return classification_rows.Known({row["id"]: row["slug"] for row in workspaces}, by_slug)


def _preview_classification(connection: Connection, file: File) -> ImportResult:
    entries = classification_rows.classification_entries(file, _known(connection))
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
    file: Path | tuple[str, bytes],
    imported_by: str,
    captured_on: date | None,
    *,
    preview: bool,
    is_vouched_for: bool,
) -> ImportResult:
    policy = load_policy()
    today = policy.thresholds.day_of(datetime.now(UTC))
    name = file.name if isinstance(file, Path) else file[0]
    if captured_on and captured_on > today:
        raise ImportRefused(f"{name}: the day of capture {captured_on} lies in the future", [])
    if not (preview or (is_vouched_for and policy.evidence.review == "operator")):
        return _submit_mfa(connection, file, imported_by, captured_on or today)
    content = read_content(file) if isinstance(file, Path) else file[1]
    if preview:
        # What somebody uploads is handed in as evidence: what stops it there stops its preview.
        handed_in = content if isinstance(file, Path) else apart.clean_file(name, content).content
        return _preview_mfa(connection, name, handed_in)
    with one_import_at_a_time(connection):
        return _take_mfa(connection, name, content, imported_by, captured_on, today)


def _preview_mfa(connection: Connection, name: str, content: bytes) -> ImportResult:
    export = apart.read_export(name, content)
    return ImportResult(
        "mfa",
        name,
        f"{len(export.people)} people",
        is_preview=True,
        rows=len(export.people) + len(export.nobody),
        taken=len(export.people),
        matches=members_named(connection, map(addressed, export.people)),
        unclear=tuple(f"noted: {line}" for line in export_lines(name, export)),
    )


def _submit_mfa(
    connection: Connection, file: Path | tuple[str, bytes], submitted_by: str, captured_on: date
) -> ImportResult:
    """An export that waits for somebody else, as any evidence does."""
    handed_in = submit(
        connection, file, test_id=MFA_TEST, workspace=None, captured_on=captured_on, submitted_by=submitted_by
    )
    told = (
        f"submitted as evidence {handed_in.evidence_id}, captured on {captured_on}; "
        "it decides nothing before somebody else accepts it"
    )
    name = file.name if isinstance(file, Path) else file[0]
    return ImportResult("mfa", name, told, evidence_id=handed_in.evidence_id, unclear=handed_in.lines)


def _take_mfa(
    connection: Connection, name: str, content: bytes, imported_by: str, captured_on: date | None, today: date
) -> ImportResult:
    """An export that its operator vouches for: accepted at once."""
    export = apart.read_export(name, content)
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
    import_id = note_import(connection, "mfa", File(name, sha256, (), ()), imported_by, len(export.people))
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
