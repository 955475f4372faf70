"""CSV: UTF-8, a header, a row for each verdict; no cell that a spreadsheet takes for a formula.

A cell that begins with ``= + - @``, a tab or an end of line, or with their full-width forms, gets an apostrophe in
front (OWASP, "CSV Injection"). So does a cell in which such a character follows apostrophes: taking one apostrophe away
always gives the original. Empty cells are nulls, times are ISO 8601 in UTC, ``detail`` is JSON text.
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

_STARTS_FORMULA: Final = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_WAS_MADE_SAFE: Final = re.compile("'+[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
# The longest cell is a detail; the csv module's own limit is 131,072 characters.
_LONGEST_CELL: Final = 1 << 30


def safe(cell: str) -> str:
    """The cell, harmless in a spreadsheet."""
    return f"'{cell}" if _STARTS_FORMULA.match(cell) else cell


def original(cell: str) -> str:
    """What ``safe`` was given."""
    return cell[1:] if _WAS_MADE_SAFE.match(cell) else cell


def write(file: IO[bytes], snapshot: Snapshot, verdicts: Iterable[Verdict]) -> None:
    """See ``Format``."""
    write_rows(file, COLUMNS, (row(snapshot, verdict) for verdict in verdicts))


def write_rows(file: IO[bytes], columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a table of any columns by the same rules."""
    writer = csv.writer(codecs.getwriter("utf-8")(file))
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
