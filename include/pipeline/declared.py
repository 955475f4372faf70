"""Declared data from CSV files: the roster, the classification, the two-step verification export.

A file is taken whole or not at all. Bad is a missing column, an unknown enum value, a bad date, or a row that names
nobody; repeated addresses, padding, capitals and targets that were not read yet are fine.
"""

import csv
import hashlib
import io
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from include.pipeline.db import copy_rows, one_row, refresh_statistics
from include.pipeline.errors import ImportRefused
from include.pipeline.run import Connection
from include.policy.model import load_policy

log = logging.getLogger(__name__)

PROBLEMS_SHOWN = 50
LARGEST_FILE = 50 * 1024 * 1024

EMPLOYMENT = ("active", "on_leave", "terminated")
TARGET_TYPES = ("repository", "project", "pattern")
CLASSIFICATIONS = ("production", "non_production")
SENSITIVITIES = ("public", "internal", "confidential", "restricted")

# What Atlassian's exports and people call the columns of the two-step verification report, compared without case,
# white space and punctuation.
MFA_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "email": ("email", "emailaddress", "useremail", "mail"),
    "account_id": ("accountid", "atlassianid", "atlassianaccountid", "userid", "aaid", "id"),
    "mfa_enabled": (
        "twostepverification",
        "twostepverificationenabled",
        "twostepverificationstatus",
        "has2sv",
        "2sv",
        "2svenabled",
        "2svstatus",
        "twofactorauthentication",
        "twofactorenabled",
        "2fa",
        "2faenabled",
        "mfa",
        "mfaenabled",
        "mfastatus",
    ),
}
MFA_ON = frozenset({"enabled", "yes", "true", "on", "active", "1", "enforced", "y"})
MFA_OFF = frozenset({"disabled", "no", "false", "off", "inactive", "0", "notenabled", "notset", "n", "none"})


def _today() -> date:
    """The day in the policy's time zone."""
    return datetime.now(ZoneInfo(load_policy().numbers.time_zone)).date()


@dataclass(frozen=True)
class File:
    """A declared file as read: its rows by line, and what identifies it."""

    name: str
    sha256: str
    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]


class _Problems:
    def __init__(self, file: str):
        self._file = file
        self.found: list[str] = []

    def add(self, line: int, column: str, reason: str) -> None:
        self.found.append(f"{self._file}: line {line}: column {column}: {reason}")

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
    try:
        content = path.read_bytes()
    except OSError as unreadable:
        raise _refused(path.name, f"can't be read: {unreadable.strerror or unreadable}") from unreadable
    if len(content) > LARGEST_FILE:
        raise _refused(path.name, f"is larger than {LARGEST_FILE // 1024 // 1024} MB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = content.count(b"\n", 0, wrong.start) + 1
        raise _refused(path.name, f"line {line}: is not UTF-8 text; save the file as CSV UTF-8") from wrong
    if "\x00" in text:
        raise _refused(path.name, "holds NUL characters: this is no CSV file")
    return _parse(path.name, text, hashlib.sha256(content).hexdigest())


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
        raise _refused(
            file.name, f"line 1: missing column {', '.join(missing)}; the file has {', '.join(file.columns)}"
        )
    rows = tuple(
        (line, {ours: row[theirs] for ours, theirs in found.items() if theirs is not None}) for line, row in file.rows
    )
    return File(file.name, file.sha256, tuple(wanted), rows)


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


def _roster_rows(file: File) -> list[tuple[Any, ...]]:
    file = _renamed(file, _same_names("email", "name", "status", "end_date", "account_id"))
    problems = _Problems(file.name)
    rows = []
    for line, row in file.rows:
        status = _enum(problems, line, row, "status", EMPLOYMENT)
        end_date = _date(problems, line, row, "end_date")
        if not (row["email"] or row["name"] or row["account_id"]):
            problems.add(line, "email", "the row names nobody: give an email, a name or an account_id")
        rows.append(
            (
                line,
                row["email"].lower() or None,
                row["name"] or None,
                status,
                end_date,
                row["account_id"] or None,
            )
        )
    problems.refuse_if_any()
    return rows


def _classification_rows(file: File) -> list[tuple[Any, ...]]:
    columns = _same_names("target_type", "target", "classification", "sensitivity", "owner", "workspace")
    file = _renamed(file, columns, optional=("workspace",))
    problems = _Problems(file.name)
    rows = []
    for line, row in file.rows:
        target_type = _enum(problems, line, row, "target_type", TARGET_TYPES)
        classification = _enum(problems, line, row, "classification", CLASSIFICATIONS)
        sensitivity = _enum(problems, line, row, "sensitivity", SENSITIVITIES) if row["sensitivity"] else None
        if not row["target"]:
            problems.add(line, "target", "the row names nothing: give a slug, a project key or a pattern")
        workspace = row.get("workspace", "").lower() or None
        rows.append(
            (
                workspace,
                target_type,
                _target(row["target"]),
                classification,
                sensitivity,
                row["owner"] or None,
            )
        )
    problems.refuse_if_any()
    return list({row[:3]: row for row in rows}.values())


_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


def _target(target: str) -> str:
    lowered = target.lower()
    return f"{{{lowered}}}" if _UUID.fullmatch(lowered) else lowered


def _mfa_rows(file: File) -> list[tuple[Any, ...]]:
    # Atlassian has exports that name people by address alone, and others by account id alone.
    if not {_plain(column) for column in file.columns} & {*MFA_COLUMNS["email"], *MFA_COLUMNS["account_id"]}:
        has = ", ".join(file.columns)
        raise _refused(file.name, f"line 1: missing column email or account_id; the file has {has}")
    file = _renamed(file, MFA_COLUMNS, optional=("email", "account_id"))
    problems = _Problems(file.name)
    rows = []
    for line, row in file.rows:
        state = _plain(row["mfa_enabled"])
        if state not in MFA_ON | MFA_OFF:
            problems.add(line, "two-step verification", f"{row['mfa_enabled']!r} is unknown; known: enabled, disabled")
        email, account_id = row.get("email", "").lower() or None, row.get("account_id") or None
        if not (email or account_id):
            problems.add(line, "email", "the row names nobody: give an email or an account id")
        rows.append((line, email, account_id, state in MFA_ON))
    problems.refuse_if_any()
    return rows


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
        One line that says what was taken.

    Raises:
        ImportRefused: names file, line, column and reason of every bad value.
    """
    if kind not in _TAKERS:
        raise ImportRefused(f"unknown kind of import {kind!r}; known: {', '.join(_TAKERS)}", [])
    if captured_on and captured_on > _today():
        raise ImportRefused(f"{path.name}: the day of capture {captured_on} lies in the future", [])
    file = read_csv(path)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('compliance imports', 0))")
        taken = _TAKERS[kind](connection, file, imported_by, captured_on)
        refresh_statistics(connection, "registry")
    return taken


def _note_import(connection: Connection, kind: str, file: File, imported_by: str, rows: int) -> int:
    cursor = connection.execute(
        "INSERT INTO registry.imports (kind, file_name, file_sha256, row_count, imported_by)"
        " VALUES (%s, %s, %s, %s, %s) RETURNING import_id",
        (kind, file.name, file.sha256, rows, imported_by),
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
    in_force = {
        (row["workspace"], row["target_type"], row["target"]): (
            row["classification"],
            row["sensitivity"],
            row["owner"],
        )
        for row in connection.execute("SELECT * FROM registry.classification_in_force")
    }
    changed = [row for row in rows if in_force.get(row[:3]) != row[3:]]
    copy_rows(
        connection,
        "COPY registry.classification (workspace, target_type, target, classification, sensitivity, owner,"
        " import_id, declared_by) FROM STDIN",
        ((*row, import_id, imported_by) for row in changed),
    )
    return f"imported: classification {file.name}: {len(rows)} entries, {len(changed)} of them new or changed"


def _take_mfa(connection: Connection, file: File, imported_by: str, captured_on: date | None) -> str:
    rows = _mfa_rows(file)
    known = connection.execute(
        "SELECT captured_on FROM registry.evidence_states"
        " WHERE test_id = 'user_mfa_enabled' AND file_sha256 = %s AND status = 'accepted'"
        " ORDER BY captured_on DESC LIMIT 1",
        (file.sha256,),
    ).fetchone()
    if known and captured_on in (None, known["captured_on"]):
        # The same bytes can't be a newer capture: taking them again would stretch their validity.
        return (
            f"imported: mfa {file.name}: nothing new, this very file is accepted as captured on "
            f"{known['captured_on']}; CAPTURED_ON=YYYY-MM-DD states another day"
        )
    import_id = _note_import(connection, "mfa", file, imported_by, len(rows))
    cursor = connection.execute(
        """
        INSERT INTO registry.evidence (
            test_id, scope, kind, captured_on, submitted_by, file_name, file_sha256, import_id
        )
        VALUES ('user_mfa_enabled', 'members', 'mfa_export', %s, %s, %s, %s, %s)
        RETURNING evidence_id
        """,
        (
            captured_on or _today(),
            imported_by,
            file.name,
            file.sha256,
            import_id,
        ),
    )
    evidence_id = one_row(cursor)["evidence_id"]
    connection.execute(
        "INSERT INTO registry.evidence_decisions (evidence_id, decision, decided_by) VALUES (%s, 'accepted', %s)",
        (evidence_id, imported_by),
    )
    copy_rows(
        connection,
        "COPY registry.evidence_members (evidence_id, line, email, account_id, mfa_enabled) FROM STDIN",
        ((evidence_id, *cells) for cells in rows),
    )
    return f"imported: mfa {file.name}: {len(rows)} people, accepted as captured on {captured_on or 'this day'}"


_TAKERS: Mapping[str, Callable[[Connection, File, str, date | None], str]] = {
    "roster": _take_roster,
    "classification": _take_classification,
    "mfa": _take_mfa,
}


def problem_lines(error: ImportRefused) -> Iterator[str]:
    """The lines a person reads when a file was refused."""
    yield from (f"refused: {problem}" for problem in error.problems or [str(error)])
