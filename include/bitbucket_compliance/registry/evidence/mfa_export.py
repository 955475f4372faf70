"""The two-step verification export of Atlassian's admin console: a CSV, read with pandas.

A file is taken whole or not at all. Bad is a missing column, a value that is neither on nor off, a row that names
nobody, and what no export should hold: formulas, more lines than any organisation has people, bytes that are no text.
Repeated addresses, padding, capitals and people who were not read yet are fine.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bitbucket_compliance.core.errors import ImportRefused
from bitbucket_compliance.registry.evidence.files.checks import LARGEST_FILE

if TYPE_CHECKING:
    import pandas as pd

PROBLEMS_SHOWN = 50
MOST_LINES = 50_000
MOST_COLUMNS = 500

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

# A spreadsheet takes these for formulas. Behind a sign, a number, a dash or an address is none.
_FORMULA = re.compile(r"[=@]|[+-](?![\d\s.,()/+-]*$)(?![\w.+-]*@[\w.-]+$)")


@dataclass(frozen=True)
class ExportRow:
    """What one line says of one person."""

    line: int
    email: str | None
    account_id: str | None
    mfa_enabled: bool


@dataclass(frozen=True)
class _Table:
    """The header, and the rows below it: trimmed, by place, indexed by their lines."""

    header: tuple[str, ...]
    rows: "pd.DataFrame"


def read_export(name: str, content: bytes, *, is_vouched_for: bool = False) -> list[ExportRow]:
    """The people that an export lists.

    Args:
        name: of the file, for messages.
        content: UTF-8 with or without a byte order mark; comma, semicolon or tab; columns in any order.
        is_vouched_for: the operator takes it as it came from Atlassian: in columns that are not read, text that looks
            like a formula is fine, for people choose their names themselves and one must not stop the whole export.

    Raises:
        ImportRefused: names file, line, column and reason of everything that is bad.
    """
    table = _table(name, _text(name, content))
    places = _places(name, table.header)
    plain = [place for place in places.values() if place is not None] if is_vouched_for else range(len(table.header))
    problems: list[str] = []
    people = []
    for line, *cells in table.rows.itertuples(name=None):
        person = {ours: cells[place] if place is not None else "" for ours, place in places.items()}
        suspects = [(table.header[place], cells[place]) for place in plain]
        problems += [f"{name}: line {line}: column {column}: {reason}" for column, reason in _bad(suspects, person)]
        people.append(
            ExportRow(
                int(line),
                person["email"].lower() or None,
                person["account_id"] or None,
                _plain(person["mfa_enabled"]) in MFA_ON,
            )
        )
    if problems:
        raise ImportRefused(
            f"{name} was refused, nothing of it was taken: {len(problems)} bad "
            f"{'value' if len(problems) == 1 else 'values'}; first: {problems[0]}",
            problems[:PROBLEMS_SHOWN],
        )
    return people


def _bad(suspects: Iterable[tuple[str, str]], person: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(column, reason) of what is wrong with one row; ``suspects``: column and cell that may be no formula."""
    for column, cell in suspects:
        if _FORMULA.match(cell):
            yield column, f"{cell[:40]!r} is a formula to a spreadsheet; empty the cell or leave the column out"
    if _plain(person["mfa_enabled"]) not in MFA_ON | MFA_OFF:
        yield "two-step verification", f"{person['mfa_enabled']!r} is unknown; known: enabled, disabled"
    if not (person["email"] or person["account_id"]):
        yield "email", "the row names nobody: give an email or an account id"


def _places(name: str, header: tuple[str, ...]) -> dict[str, int | None]:
    """Where the file has the columns that are read, by our names.

    Raises:
        ImportRefused: one that is needed is missing; names it and what the file has.
    """
    by_plain_name: dict[str, int] = {}
    for place, column in enumerate(header):
        by_plain_name.setdefault(_plain(column), place)
    places = {
        ours: next((by_plain_name[theirs] for theirs in spellings if theirs in by_plain_name), None)
        for ours, spellings in MFA_COLUMNS.items()
    }
    # Atlassian has exports that name people by address alone, and others by account id alone.
    if places["email"] is None and places["account_id"] is None:
        raise _refused(name, f"line 1: missing column email or account_id; the file has {', '.join(header)}")
    if places["mfa_enabled"] is None:
        raise _refused(name, f"line 1: missing column mfa_enabled; the file has {', '.join(header)}")
    return places


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _refused(name: str, reason: str) -> ImportRefused:
    return ImportRefused(f"{name} was refused, nothing of it was taken: {reason}", [f"{name}: {reason}"])


# ----------------------------------------------------------------------- read


def _text(name: str, content: bytes) -> str:
    if len(content) > LARGEST_FILE:
        raise _refused(name, f"is larger than {LARGEST_FILE // 1024 // 1024} MB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = content.count(b"\n", 0, wrong.start) + 1
        raise _refused(name, f"line {line}: is not UTF-8 text; save the file as CSV UTF-8") from wrong
    if "\x00" in text:
        raise _refused(name, "holds NUL characters: this is no CSV file")
    lines = max(text.count("\n"), text.count("\r"))
    if lines > MOST_LINES:
        raise _refused(name, f"has {lines:,} lines; {MOST_LINES:,} are the most: split the export")
    return text


def _table(name: str, text: str) -> _Table:
    import pandas as pd

    delimiter = max(",;\t", key=next((line for line in text.splitlines() if line.strip()), "").count)
    shape = _shape(name, text, delimiter)
    width = max(shape.values(), default=0)
    if width > MOST_COLUMNS:
        raise _refused(name, f"has {width:,} columns; {MOST_COLUMNS} are the most")
    frame = (
        pd.read_csv(
            io.StringIO(text, newline=""),
            sep=delimiter,
            header=None,
            names=range(width),
            index_col=False,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
        ).fillna("")
        if width
        else pd.DataFrame()
    )
    if len(frame) != (len(shape) if width else 0):
        raise _refused(name, "can't be read as a table: its lines or quotes don't pair; export it again")
    frame = frame.set_axis(list(shape)[: len(frame)], axis=0).apply(lambda cells: cells.str.strip())
    frame = frame[(frame != "").any(axis=1)]
    if frame.empty:
        raise _refused(name, "is empty: the first line has to name the columns")
    header, rows = frame.iloc[0].tolist()[: shape[frame.index[0]]], frame.iloc[1:]
    beyond = rows.index[(rows.iloc[:, len(header) :] != "").any(axis=1)]
    if len(beyond):
        raise _refused(name, f"line {beyond[0]}: has {shape[beyond[0]]} cells, the header has {len(header)}")
    return _Table(tuple(header), rows.iloc[:, : len(header)])


def _shape(name: str, text: str, delimiter: str) -> dict[int, int]:
    """Number of cells of each row, by the line on which it begins.

    pandas tells no lines, and reads over quotes that don't pair, which could swallow rows.
    """
    shape = {}
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    started_at = 1
    try:
        for cells in reader:
            shape[started_at] = len(cells)
            started_at = reader.line_num + 1
    except csv.Error as broken:
        raise _refused(name, f"line {reader.line_num}: {broken}") from broken
    return shape
