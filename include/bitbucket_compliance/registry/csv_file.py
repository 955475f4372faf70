"""A declared CSV file: its rows by line, or everything that is wrong with it."""

import csv
import hashlib
import io
import re
from dataclasses import dataclass, replace
from pathlib import Path

from bitbucket_compliance.core.configured_folders import read_at_most
from bitbucket_compliance.core.errors import ImportRefused

PROBLEMS_SHOWN = 50
LONGEST_QUOTE = 40
LARGEST_FILE = 50 * 1024 * 1024
MOST_COLUMNS = 500


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


class Problems:
    """What is wrong with a file's values, each with its place."""

    def __init__(self, name: str, counted_in: str = "line"):
        self._name = name
        self._counted_in = counted_in
        self.found: list[str] = []

    def add(self, line: int, column: str, reason: str) -> None:
        self.found.append(f"{self._name}: {self._counted_in} {line}: column {column}: {reason}")

    def refuse_if_any(self) -> None:
        if self.found:
            raise ImportRefused(
                f"{self._name} was refused, nothing of it was taken: {len(self.found)} bad "
                f"{'value' if len(self.found) == 1 else 'values'}; first: {self.found[0]}",
                self.found[:PROBLEMS_SHOWN],
            )


def read_csv(path: Path) -> File:
    """The file at ``path``; see ``table``.

    Raises:
        ImportRefused: also where there is no such file, or it is too large.
    """
    content = read_content(path)
    header, rows = table(path.name, content)
    by_column = tuple((line, dict(zip(header, cells, strict=True))) for line, cells in rows)
    return File(path.name, hashlib.sha256(content).hexdigest(), header, by_column)


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


def table(name: str, content: bytes) -> tuple[tuple[str, ...], list[tuple[int, list[str]]]]:
    """The header of a UTF-8 CSV (with or without a byte order mark; comma, semicolon or tab), and what is below it.

    Returns:
        The names of the columns; the rows that aren't blank, each with its line, trimmed and as wide as the header.

    Raises:
        ImportRefused: no text, no header, too many columns, or a row with more cells than the header.
    """
    text = _text(name, content)
    header_line = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=header_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    header: tuple[str, ...] = ()
    started_at = 1
    try:
        for cells in reader:
            line, started_at = started_at, reader.line_num + 1
            trimmed = [cell.strip() for cell in cells]
            if len(cells) > MOST_COLUMNS:
                raise refused(name, f"has {len(cells):,} columns; {MOST_COLUMNS} are the most")
            if not header:
                header = tuple(trimmed) if any(trimmed) else ()
                continue
            if any(trimmed[len(header) :]):
                raise refused(name, f"line {line}: has {len(cells)} cells, the header has {len(header)}")
            if any(trimmed):
                rows.append((line, [*trimmed, *[""] * (len(header) - len(cells))][: len(header)]))
    except csv.Error as broken:
        raise refused(name, f"line {reader.line_num}: {broken}") from broken
    if not header:
        raise refused(name, "is empty: the first line has to name the columns")
    return header, rows


def _text(name: str, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = content.count(b"\n", 0, wrong.start) + 1
        raise refused(name, f"line {line}: is not UTF-8 text; save the file as CSV UTF-8") from wrong
    if "\x00" in text:
        raise refused(name, "holds NUL characters: this is no CSV file")
    return text


def refused(name: str, reason: str) -> ImportRefused:
    message = f"{name} was refused, nothing of it was taken: {reason}"
    return ImportRefused(message, [f"{name}: {reason}"])


def renamed(file: File, wanted: tuple[str, ...], optional: tuple[str, ...] = ()) -> File:
    """The file with the wanted columns alone, under our names.

    Raises:
        ImportRefused: a wanted column is missing; names it, and nothing of a file that may be another one altogether.
    """
    by_plain_name: dict[str, str] = {}
    for column in file.columns:
        by_plain_name.setdefault(plain_name(column), column)
    found = {ours: by_plain_name.get(plain_name(ours)) for ours in wanted}
    missing = [ours for ours, theirs in found.items() if theirs is None and ours not in optional]
    if missing:
        where = "line 1: " if file.source == "file" else ""
        raise refused(file.name, f"{where}missing column {', '.join(missing)}; wanted are {', '.join(wanted)}")
    rows = tuple(
        (line, {ours: row[theirs] for ours, theirs in found.items() if theirs is not None}) for line, row in file.rows
    )
    return replace(file, columns=wanted, rows=rows)


def quoted(cell: str) -> str:
    """A cell of a file whose columns are the wanted ones, as a message shows it."""
    return repr(cell if len(cell) <= LONGEST_QUOTE else f"{cell[:LONGEST_QUOTE]}…")


def plain_name(name: str) -> str:
    """A column's name for comparison: without case, white space and punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())
