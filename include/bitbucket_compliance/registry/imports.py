"""Declared data from CSV files: the roster, the classification, the two-step verification export.

A file is taken whole or not at all. Bad is a missing column, an unknown enum value, a bad date, or a row that names
nobody; repeated addresses, padding, capitals and targets that were not read yet are fine.

The newest roster is the roster, whatever it came from: a file, a query, a directory (``bitbucket_compliance.registry.
roster_sources``). Of classification entries the newest of each (workspace, target_type, target) is in force, and of
those that match a repository the first in this order: an entry for the repository itself, for its project, a slug
glob; among globs the one with the most characters other than ``*``; one for this workspace before one for all; a uuid
before a slug; then the alphabet (view ``registry.repository_classification``). Nothing is ever overwritten: who set
what when stands in ``registry.classification_history`` and ``registry.roster_history``.
"""

import csv
import hashlib
import io
import logging
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bitbucket_compliance.core.database import Connection, copy_rows, one_row, refresh_statistics
from bitbucket_compliance.core.errors import ImportRefused
from bitbucket_compliance.policy.model import load_policy
from bitbucket_compliance.registry.classification import (
    CLASSIFICATIONS,
    SENSITIVITIES,
    TARGET_TYPES,
    Entry,
    declare,
    one_at_a_time,
    plain_target,
)

log = logging.getLogger(__name__)

PROBLEMS_SHOWN = 50
LARGEST_FILE = 50 * 1024 * 1024

EMPLOYMENT = ("active", "on_leave", "terminated")


def _today() -> date:
    """The day in the policy's time zone."""
    return datetime.now(ZoneInfo(load_policy().numbers.time_zone)).date()


@dataclass(frozen=True)
class File:
    """A declared file as read: its rows by line, and what identifies it.

    A roster from elsewhere is one too: its name says where it comes from, and its rows are counted in rows.
    """

    name: str
    sha256: str
    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]
    counted_in: str = "line"
    source: str = "file"


class _Problems:
    def __init__(self, file: File):
        self._file = file.name
        self._counted_in = file.counted_in
        self.found: list[str] = []

    def add(self, line: int, column: str, reason: str) -> None:
        self.found.append(f"{self._file}: {self._counted_in} {line}: column {column}: {reason}")

    def refuse_if_any(self) -> None:
        if self.found:
            raise ImportRefused(
                f"{self._file} was refused, nothing of it was taken: {len(self.found)} bad "
                f"{'value' if len(self.found) == 1 else 'values'}; first: {self.found[0]}",
                self.found[:PROBLEMS_SHOWN],
            )


# ----------------------------------------------------------------------- read


def read_csv(path: Path) -> File:
    """Read a UTF-8 CSV (with or without a byte order mark; comma, semicolon or tab).

    Raises:
        ImportRefused: no such file, no text, too large, no header, or a row with more cells than the header.
    """
    content = _content(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = content.count(b"\n", 0, wrong.start) + 1
        raise _refused(path.name, f"line {line}: is not UTF-8 text; save the file as CSV UTF-8") from wrong
    if "\x00" in text:
        raise _refused(path.name, "holds NUL characters: this is no CSV file")
    return _parse(path.name, text, hashlib.sha256(content).hexdigest())


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as unreadable:
        raise _refused(path.name, f"can't be read: {unreadable.strerror or unreadable}") from unreadable
    if len(content) > LARGEST_FILE:
        raise _refused(path.name, f"is larger than {LARGEST_FILE // 1024 // 1024} MB")
    return content


def _parse(name: str, text: str, sha256: str) -> File:
    header_line = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=header_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, dict[str, str]]] = []
    columns: tuple[str, ...] = ()
    started_at = 1
    try:
        for cells in reader:
            line, started_at = started_at, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = tuple(cell.strip() for cell in cells)
                continue
            if any(cell.strip() for cell in cells[len(columns) :]):
                raise _refused(name, f"line {line}: has {len(cells)} cells, the header has {len(columns)}")
            padded = [*cells, *[""] * (len(columns) - len(cells))][: len(columns)]
            rows.append((line, {column: cell.strip() for column, cell in zip(columns, padded, strict=True)}))
    except csv.Error as broken:
        raise _refused(name, f"line {reader.line_num}: {broken}") from broken
    if not columns:
        raise _refused(name, "is empty: the first line has to name the columns")
    return File(name, sha256, columns, tuple(rows))


def _refused(name: str, reason: str) -> ImportRefused:
    message = f"{name} was refused, nothing of it was taken: {reason}"
    return ImportRefused(message, [f"{name}: {reason}"])


def _renamed(file: File, wanted: Mapping[str, tuple[str, ...]], optional: tuple[str, ...] = ()) -> File:
    """The file with its columns under our names.

    Raises:
        ImportRefused: a wanted column is missing; names it and what the file has.
    """
    by_plain_name: dict[str, str] = {}
    for column in file.columns:
        by_plain_name.setdefault(_plain(column), column)
    found = {
        ours: next((by_plain_name[name] for name in spellings if name in by_plain_name), None)
        for ours, spellings in wanted.items()
    }
    missing = [ours for ours, theirs in found.items() if theirs is None and ours not in optional]
    if missing:
        where, it = ("line 1: ", "the file") if file.source == "file" else ("", "it")
        raise _refused(file.name, f"{where}missing column {', '.join(missing)}; {it} has {', '.join(file.columns)}")
    rows = tuple(
        (line, {ours: row[theirs] for ours, theirs in found.items() if theirs is not None}) for line, row in file.rows
    )
    return replace(file, columns=tuple(wanted), rows=rows)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _same_names(*columns: str) -> dict[str, tuple[str, ...]]:
    return {column: (_plain(column),) for column in columns}


# ---------------------------------------------------------------------- check


def _enum(problems: _Problems, line: int, row: Mapping[str, str], column: str, known: tuple[str, ...]) -> str | None:
    value = row[column].casefold()
    if value in known:
        return value
    problems.add(line, column, f"{row[column]!r} is unknown; known: {', '.join(known)}")
    return None


def _date(problems: _Problems, line: int, row: Mapping[str, str], column: str) -> date | None:
    if not row[column]:
        return None
    try:
        return date.fromisoformat(row[column])
    except ValueError:
        problems.add(line, column, f"{row[column]!r} is no date; write it as YYYY-MM-DD")
        return None


ROSTER_COLUMNS = ("email", "name", "status", "end_date", "account_id")


def _roster_rows(file: File) -> list[tuple[Any, ...]]:
    # A file has all columns by contract; a query may leave out what its table doesn't hold.
    optional = () if file.source == "file" else ("name", "end_date", "account_id")
    file = _renamed(file, _same_names(*ROSTER_COLUMNS), optional)
    problems = _Problems(file)
    rows = []
    for line, given in file.rows:
        row = {column: given.get(column, "") for column in ROSTER_COLUMNS}
        status = _enum(problems, line, row, "status", EMPLOYMENT)
        end_date = _date(problems, line, row, "end_date")
        if not (row["email"] or row["name"] or row["account_id"]):
            problems.add(line, "email", "the row names nobody: give an email, a name or an account_id")
        # One spelling of each name; how names are compared is the business of who compares them.
        name = unicodedata.normalize("NFC", row["name"])
        rows.append((line, row["email"].lower() or None, name or None, status, end_date, row["account_id"] or None))
    problems.refuse_if_any()
    return rows


def _classification_rows(file: File) -> list[Entry]:
    columns = _same_names("target_type", "target", "classification", "sensitivity", "owner", "workspace")
    file = _renamed(file, columns, optional=("workspace",))
    problems = _Problems(file)
    rows = []
    for line, row in file.rows:
        target_type = _enum(problems, line, row, "target_type", TARGET_TYPES)
        classification = _enum(problems, line, row, "classification", CLASSIFICATIONS)
        sensitivity = _enum(problems, line, row, "sensitivity", SENSITIVITIES) if row["sensitivity"] else None
        if not row["target"]:
            problems.add(line, "target", "the row names nothing: give a slug, a project key or a pattern")
        workspace = row.get("workspace", "").lower() or None
        if target_type and classification:
            target = plain_target(row["target"])
            rows.append(Entry(workspace, target_type, target, classification, sensitivity, row["owner"] or None))
    problems.refuse_if_any()
    return list({entry.key: entry for entry in rows}.values())


# ----------------------------------------------------------------------- take


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
    """Take a roster that comes from no file, whole or not at all; see ``bitbucket_compliance.registry.roster_sources``.

    Raises:
        ImportRefused: it is empty, or names row, column and reason of every bad value.
    """
    if not roster.rows:
        # Everybody would be missing from it.
        raise _refused(roster.name, "it brought nobody; look at the query or the directory")
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
    rows = _roster_rows(file)
    import_id = _note_import(connection, "roster", file, imported_by, len(rows))
    copy_rows(
        connection,
        "COPY registry.people (import_id, line, email, name, status, end_date, account_id) FROM STDIN",
        ((import_id, *row) for row in rows),
    )
    return f"imported: roster {file.name}: {len(rows)} people"


def _take_classification(connection: Connection, file: File, imported_by: str, _: date | None) -> str:
    rows = _classification_rows(file)
    import_id = _note_import(connection, "classification", file, imported_by, len(rows))
    imported_at = one_row(
        connection.execute("SELECT imported_at FROM registry.imports WHERE import_id = %s", (import_id,))
    )["imported_at"]
    changed = declare(connection, rows, declared_by=imported_by, import_id=import_id, declared_at=imported_at)
    return f"imported: classification {file.name}: {len(rows)} entries, {changed} of them new or changed"


def _take_mfa(connection: Connection, path: Path, imported_by: str, captured_on: date | None) -> str:
    from bitbucket_compliance.registry.evidence import take_export

    content = _content(path)
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
