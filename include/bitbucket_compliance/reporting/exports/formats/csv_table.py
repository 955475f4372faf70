"""CSV: UTF-8, a header, a row for each verdict; no cell that a spreadsheet takes for a formula.

Every cell stands in quotes. A cell that begins with ``= + - @`` or their full-width forms, with a tab or an end of
line, gets an apostrophe in front; and each comma, semicolon, vertical bar, tab and end of line inside a cell gets one
behind it where such a sign follows, for a spreadsheet with another list separator than ours begins a cell there (OWASP,
"CSV Injection"). White space, quotes and apostrophes in between hide no formula. ``original`` takes them away again.
Empty cells are nulls, times are ISO 8601 in UTC, ``detail`` is JSON text.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import IO, Any, Final

from bitbucket_compliance.core.database import as_json
from bitbucket_compliance.reporting.exports.formats.columns import COLUMNS, row
from bitbucket_compliance.reporting.exports.model import Counts, Snapshot, Verdict, timestamp

_SIGNS: Final = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")
# What can stand between the place where a cell begins and a formula. Each run is looked at once, however long it is.
_BETWEEN: Final = re.compile(r"[,;|\s\"']+")
_BEGINS_LINE: Final = re.compile(r"'*[\t\r\n]")
_SEPARATOR: Final = re.compile(r"[,;|\t\r\n]")
_SEPARATOR_MADE_SAFE: Final = re.compile(r"([,;|\t\r\n])'")
# The longest cell is a detail; the csv module's own limit is 131,072 characters.
_LONGEST_CELL: Final = 1 << 30


def safe(cell: str) -> str:
    """The cell, harmless in a spreadsheet."""
    inside = _BETWEEN.sub(lambda run: _SEPARATOR.sub(r"\g<0>'", run[0]) if _leads_to_sign(run) else run[0], cell)
    return f"'{inside}" if _begins_formula(cell) else inside


def original(cell: str) -> str:
    """What ``safe`` was given."""
    inside = cell[1:] if cell.startswith("'") and _begins_formula(cell[1:]) else cell
    return _BETWEEN.sub(lambda run: _SEPARATOR_MADE_SAFE.sub(r"\1", run[0]) if _leads_to_sign(run) else run[0], inside)


def _leads_to_sign(run: re.Match[str]) -> bool:
    return run.string[run.end() : run.end() + 1] in _SIGNS


def _begins_formula(cell: str) -> bool:
    front = _BETWEEN.match(cell)
    begins = front.end() if front else 0
    return cell[begins : begins + 1] in _SIGNS or bool(_BEGINS_LINE.match(cell))


def write(file: IO[bytes], snapshot: Snapshot, verdicts: Iterable[Verdict]) -> None:
    """See ``Format``."""
    write_rows(file, COLUMNS, (row(snapshot, verdict) for verdict in verdicts))


def write_rows(file: IO[bytes], columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a table of any columns by the same rules."""
    writer = csv.writer(codecs.getwriter("utf-8")(file), quoting=csv.QUOTE_ALL)
    writer.writerow(columns)
    for values in rows:
        writer.writerow(safe(_text(value)) for value in values)


def read(file: IO[bytes]) -> Iterator[dict[str, str]]:
    """The rows of a written file, each cell as it was before ``safe``."""
    limit = csv.field_size_limit(_LONGEST_CELL)
    try:
        for cells in csv.DictReader(line.decode() for line in file):
            yield {name: original(cell) for name, cell in cells.items()}
    finally:
        csv.field_size_limit(limit)


def count(file: IO[bytes]) -> Counts:
    """See ``Format``."""
    return Counts((cells["test_id"], cells["status"]) for cells in read(file))


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return timestamp(value)
        case dict():
            return as_json(value)
        case _:
            return str(value)
