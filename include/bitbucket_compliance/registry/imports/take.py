"""Take declared data into the registry: the roster, the classification, the two-step verification export.

A file is taken whole or not at all. Bad is a missing column, an unknown enum value, a bad date, or a row that names
nobody; repeated addresses, padding, capitals and targets that were not read yet are fine.

The newest roster is the roster, whatever it came from: a file, a query, a directory (``roster_sources``). Of
classification entries the newest of each (workspace, target_type, target) is in force, and of those that match a
repository the first in this order: an entry for the repository itself, for its project, a slug glob; among globs the
one with the most characters other than ``*``; one for this workspace before one for all; a uuid before a slug; then
the alphabet (view ``registry.repository_classification``). Nothing is ever overwritten: who set what when stands in
``registry.classification_history`` and ``registry.roster_history``.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from bitbucket_compliance.core.database import Connection, copy_rows, one_row, refresh_statistics
from bitbucket_compliance.core.errors import ImportRefused
from bitbucket_compliance.registry.classification import declare, one_at_a_time
from bitbucket_compliance.registry.csv_file import File, read_content, read_csv, refused
from bitbucket_compliance.registry.evidence import take_export
from bitbucket_compliance.registry.imports.rows import classification_rows, roster_rows
from bitbucket_compliance.security_tests.policies import load_policy


def import_file(
    connection: Connection, kind: str, path: Path, *, imported_by: str, captured_on: date | None = None
) -> str:
    """Take one declared file into ``registry``, whole or not at all.

    Args:
        kind: ``roster``, ``classification`` or ``mfa``.
        path: the CSV file.
        imported_by: who ran the import.
        captured_on: for ``mfa``: the day the export was made; today where it isn't given.

    Returns:
        A line that says what was taken; for ``mfa``, more lines ``unmatched: …`` for rows that match nobody.

    Raises:
        ImportRefused: names file, line, column and reason of every bad value.
        EvidenceStoreUnavailable: for ``mfa``: the file can't be kept.
    """
    if kind not in (*_TAKERS, "mfa"):
        raise ImportRefused(f"unknown kind of import {kind!r}; known: {', '.join(_TAKERS)}, mfa", [])
    if captured_on and captured_on > _today():
        raise ImportRefused(f"{path.name}: the day of capture {captured_on} lies in the future", [])
    if kind == "mfa":
        return _take_mfa(connection, path, imported_by, captured_on)
    file = read_csv(path)
    with _one_at_a_time(connection):
        return _TAKERS[kind](connection, file, imported_by, captured_on)


def import_roster(connection: Connection, roster: File, *, imported_by: str) -> str:
    """Take a roster that comes from no file, whole or not at all; see ``roster_sources``.

    Raises:
        ImportRefused: it is empty, or names row, column and reason of every bad value.
    """
    if not roster.rows:
        # Everybody would be missing from it.
        raise refused(roster.name, "it brought nobody; look at the query or the directory")
    with _one_at_a_time(connection):
        return _take_roster(connection, roster, imported_by, None)


@contextmanager
def _one_at_a_time(connection: Connection) -> Iterator[None]:
    """A transaction that no other import is in; what it adds is known to the planner."""
    with one_at_a_time(connection):
        yield
        refresh_statistics(connection, "registry")


def _note_import(connection: Connection, kind: str, file: File, imported_by: str, rows: int) -> int:
    # The transaction may be older than the lock that it waited for, and what comes later must not seem to be older.
    cursor = connection.execute(
        "INSERT INTO registry.imports (kind, source, file_name, file_sha256, row_count, imported_by, imported_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, clock_timestamp()) RETURNING import_id",
        (kind, file.source, file.name, file.sha256, rows, imported_by),
    )
    return int(one_row(cursor)["import_id"])


def _take_roster(connection: Connection, file: File, imported_by: str, _: date | None) -> str:
    rows = roster_rows(file)
    import_id = _note_import(connection, "roster", file, imported_by, len(rows))
    copy_rows(
        connection,
        "COPY registry.people (import_id, line, email, name, status, end_date, account_id) FROM STDIN",
        ((import_id, *row) for row in rows),
    )
    return f"imported: roster {file.name}: {len(rows)} people"


def _take_classification(connection: Connection, file: File, imported_by: str, _: date | None) -> str:
    rows = classification_rows(file)
    import_id = _note_import(connection, "classification", file, imported_by, len(rows))
    imported_at = one_row(
        connection.execute("SELECT imported_at FROM registry.imports WHERE import_id = %s", (import_id,))
    )["imported_at"]
    changed = declare(connection, rows, declared_by=imported_by, import_id=import_id, declared_at=imported_at)
    return f"imported: classification {file.name}: {len(rows)} entries, {changed} of them new or changed"


def _take_mfa(connection: Connection, path: Path, imported_by: str, captured_on: date | None) -> str:
    content = read_content(path)
    file = File(path.name, hashlib.sha256(content).hexdigest(), (), ())
    with _one_at_a_time(connection):
        return take_export(
            connection,
            path.name,
            content,
            imported_by=imported_by,
            captured_on=captured_on,
            note_import=lambda rows: _note_import(connection, "mfa", file, imported_by, rows),
        )


_TAKERS: Mapping[str, Callable[[Connection, File, str, date | None], str]] = {
    "roster": _take_roster,
    "classification": _take_classification,
}


def problem_lines(error: ImportRefused) -> Iterator[str]:
    """The lines a person reads when a file was refused."""
    yield from (f"refused: {problem}" for problem in error.problems or [str(error)])


def _today() -> date:
    """The day in the policy's time zone."""
    return datetime.now(ZoneInfo(load_policy().thresholds.time_zone)).date()
