"""Reads a table out of a file: CSV as any program writes it, or the first sheet of an Excel workbook that fits."""

import csv
import hashlib
import io
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

from bitbucket_compliance.core.configured_folders import read_at_most
from bitbucket_compliance.registry.tables.file import File, plain_name, refused
from bitbucket_compliance.registry.tables.text import decoded
from bitbucket_compliance.registry.tables.workbook import is_workbook, rows_of_workbook

LARGEST_FILE = 50 * 1024 * 1024
MOST_COLUMNS = 500
#: a report may begin with lines about itself: so many at most
MOST_LINES_ABOVE: Final = 30

IsHeader = Callable[[Sequence[str]], bool]
#: groups of headings in plain spelling: a row of headings has one of each group at least
HeaderRule = Sequence[Collection[str]]
Row = tuple[int, list[str]]

_SEPARATOR_LINE = re.compile(r'\A\s*+"?sep=(.)"?[ \t]*+(?:\r\n|\r|\n|\Z)', re.IGNORECASE)
_DELIMITERS: Final = ",;\t|"


def header_by(rule: HeaderRule) -> IsHeader:
    """Whether a row holds headings, by a rule that is data."""

    def is_header(cells: Sequence[str]) -> bool:
        plain = {plain_name(cell) for cell in cells}
        return all(not plain.isdisjoint(group) for group in rule)

    return is_header


def read_table(path: Path, is_header: IsHeader | None = None) -> File:
    """The file at ``path``; see ``table``.

    Raises:
        ImportRefused: also where there is no such file, or it is too large.
    """
    return table(path.name, read_content(path), is_header)


def read_content(path: Path) -> bytes:
    """The bytes of a file; no more of it is read than may be taken.

    Raises:
        ImportRefused: there is no such file, it is none, or it is too large.
    """
    try:
        content = read_at_most(path, LARGEST_FILE)
    except OSError as unreadable:
        raise refused(path.name, f"can't be read: {unreadable.strerror or unreadable}") from unreadable
    if len(content) > LARGEST_FILE:
        raise refused(path.name, f"is larger than {LARGEST_FILE // 1024 // 1024} MB")
    return content


def table(name: str, content: bytes, is_header: IsHeader | None = None) -> File:
    """The headings of a table, and the rows below that aren't blank.

    Args:
        content: an Excel workbook; or a CSV as UTF-8, UTF-16 with a byte order mark, or Windows-1252 where it can be
            nothing else, separated by comma, semicolon, tab, bar or what a first line ``sep=`` says.
        is_header: whether a row holds the headings; a report may have lines above it. None: the first row does.

    Raises:
        ImportRefused: no such file, no headings, too many columns, or a row with more cells than there are headings.
    """
    rows = rows_of(name, content, is_header)
    header_line, header, below = _split(name, rows, is_header)
    fitting = tuple((line, _fitted(name, line, cells, len(header))) for line, cells in below)
    return File(name, hashlib.sha256(content).hexdigest(), header, fitting, header_line=header_line)


def rows_of(name: str, content: bytes, is_header: IsHeader | None = None) -> list[Row]:
    """The rows of a table that aren't blank, headings among them, each with its line; see ``table``."""
    if is_workbook(content):
        return rows_of_workbook(name, content, is_header)
    return _rows_of_text(name, decoded(name, content), is_header)


def _rows_of_text(name: str, text: str, is_header: IsHeader | None) -> list[Row]:
    """The rows that aren't blank, trimmed, each with the line on which it begins."""
    lines_before = 0
    separator = _SEPARATOR_LINE.match(text)
    if separator:
        lines_before = len(re.findall(r"\r\n|\r|\n", text[: separator.end()]))
        text = text[separator.end() :]
    delimiter = separator[1] if separator else _delimiter(text, is_header)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    started_at = 1
    try:
        for cells in reader:
            line, started_at = started_at, reader.line_num + 1
            if len(cells) > MOST_COLUMNS:
                raise refused(name, f"has {len(cells):,} columns; {MOST_COLUMNS} are the most")
            trimmed = [cell.strip() for cell in cells]
            if any(trimmed):
                rows.append((line + lines_before, trimmed))
    except csv.Error as broken:
        raise refused(name, f"line {reader.line_num + lines_before}: {broken}") from broken
    return rows


def _delimiter(text: str, is_header: IsHeader | None) -> str:
    """What separates the headings; without any that are known, the most frequent on the first line that isn't blank."""
    lines = [line for line in re.split(r"[\r\n]+", text[:20_000]) if line.strip()][:MOST_LINES_ABOVE]
    ranked = sorted(_DELIMITERS, key=lambda mark: -(lines[0].count(mark) if lines else 0))
    if is_header is None:
        return ranked[0]
    for mark in ranked:
        if any(is_header([cell.strip(' "') for cell in line.split(mark)]) for line in lines):
            return mark
    return ranked[0]


def _split(name: str, rows: list[Row], is_header: IsHeader | None) -> tuple[int, tuple[str, ...], list[Row]]:
    """The headings with their line, and the rows below them."""
    if not rows:
        raise refused(name, "is empty: the first line has to name the columns")
    place = 0
    if is_header:
        place = next((at for at, (_, cells) in enumerate(rows[:MOST_LINES_ABOVE]) if is_header(cells)), 0)
    line, header = rows[place]
    return line, tuple(header), rows[place + 1 :]


def _fitted(name: str, line: int, cells: list[str], width: int) -> tuple[str, ...]:
    if any(cells[width:]):
        raise refused(name, f"line {line}: has {len(cells)} cells, the header has {width}")
    return tuple([*cells, *[""] * (width - len(cells))][:width])
