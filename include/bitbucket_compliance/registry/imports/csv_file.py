"""A declared CSV file: its rows by line, or everything that is wrong with it."""

import csv
import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bitbucket_compliance.core.errors import ImportRefused

PROBLEMS_SHOWN = 50
LARGEST_FILE = 50 * 1024 * 1024


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


def read_csv(path: Path) -> File:
    """Read a UTF-8 CSV (with or without a byte order mark; comma, semicolon or tab).

    Raises:
        ImportRefused: no such file, no text, too large, no header, or a row with more cells than the header.
    """
    content = read_content(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = content.count(b"\n", 0, wrong.start) + 1
        raise refused(path.name, f"line {line}: is not UTF-8 text; save the file as CSV UTF-8") from wrong
    if "\x00" in text:
        raise refused(path.name, "holds NUL characters: this is no CSV file")
    return _parse(path.name, text, hashlib.sha256(content).hexdigest())


def read_content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as unreadable:
        raise refused(path.name, f"can't be read: {unreadable.strerror or unreadable}") from unreadable
    if len(content) > LARGEST_FILE:
        raise refused(path.name, f"is larger than {LARGEST_FILE // 1024 // 1024} MB")
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
                raise refused(name, f"line {line}: has {len(cells)} cells, the header has {len(columns)}")
            padded = [*cells, *[""] * (len(columns) - len(cells))][: len(columns)]
            rows.append((line, {column: cell.strip() for column, cell in zip(columns, padded, strict=True)}))
    except csv.Error as broken:
        raise refused(name, f"line {reader.line_num}: {broken}") from broken
    if not columns:
        raise refused(name, "is empty: the first line has to name the columns")
    return File(name, sha256, columns, tuple(rows))


def refused(name: str, reason: str) -> ImportRefused:
    message = f"{name} was refused, nothing of it was taken: {reason}"
    return ImportRefused(message, [f"{name}: {reason}"])


def renamed(file: File, wanted: Mapping[str, tuple[str, ...]], optional: tuple[str, ...] = ()) -> File:
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
        raise refused(file.name, f"{where}missing column {', '.join(missing)}; {it} has {', '.join(file.columns)}")
    rows = tuple(
        (line, {ours: row[theirs] for ours, theirs in found.items() if theirs is not None}) for line, row in file.rows
    )
    return replace(file, columns=tuple(wanted), rows=rows)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def same_names(*columns: str) -> dict[str, tuple[str, ...]]:
    return {column: (_plain(column),) for column in columns}
