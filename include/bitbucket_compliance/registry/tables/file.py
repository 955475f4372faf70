"""A declared table as it was read, what is wrong with it, and which of its columns mean what."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bitbucket_compliance.core.errors import ImportRefused

PROBLEMS_SHOWN = 50
LONGEST_QUOTE = 40


@dataclass(frozen=True)
class File:
    """A declared table: its headings, its rows by line, and what identifies it.

    A roster from elsewhere is one too: its name says where it comes from, and its rows are counted in rows.

    Attributes:
        rows: each with its line, its cells trimmed and as many as there are headings.
        header_line: where the headings stand; 0: they are no line of a file.
        doubt: why nothing shows that it is whole; empty: it is.
        unreadable: by line and column, why what its source holds there can't be read; the cell is empty then.
    """

    name: str
    sha256: str
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    counted_in: str = "line"
    source: str = "file"
    header_line: int = 1
    doubt: str = ""
    unreadable: Mapping[tuple[int, str], str] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """What a message about a heading begins with."""
        return f"line {self.header_line}: " if self.header_line else ""


@dataclass(frozen=True)
class Problem:
    """What is wrong with a value.

    Attributes:
        reason: without the value, as it may be kept.
        told: the same with the value, as who imports the table is told.
    """

    line: int
    column: str
    reason: str
    told: str


class Problems:
    """What is wrong with a table's values, each with its place."""

    def __init__(self, name: str, counted_in: str = "line"):
        self._name = name
        self._counted_in = counted_in
        self.found: list[Problem] = []

    def add(self, line: int, column: str, reason: str, cell: str = "", told: str = "") -> None:
        """Note one; ``cell``: what stands there, shown before the reason; ``told``: the whole sentence instead."""
        said = told or (f"{quoted(cell)} {reason}" if cell else reason)
        self.found.append(Problem(line, column, reason, said))

    def lines(self) -> list[str]:
        """A line for each, at most ``PROBLEMS_SHOWN``."""
        return [
            f"{self._name}: {self._counted_in} {one.line}: column {one.column}: {one.told}"
            for one in self.found[:PROBLEMS_SHOWN]
        ]

    def refuse_if_any(self, because: str = "") -> None:
        """Refuse the table where anything is wrong with it.

        Raises:
            ImportRefused: says how many values are bad, ``because`` first where that is why.
        """
        if self.found:
            lines = self.lines()
            raise ImportRefused(
                f"{self._name} was refused, nothing of it was taken: {because}{len(self.found)} bad "
                f"{'value' if len(self.found) == 1 else 'values'}; first: {lines[0]}",
                lines,
            )


def refused(name: str, reason: str) -> ImportRefused:
    message = f"{name} was refused, nothing of it was taken: {reason}"
    return ImportRefused(message, [f"{name}: {reason}"])


def quoted(cell: str) -> str:
    """A cell of a file whose columns are the wanted ones, as a message shows it."""
    return repr(cell if len(cell) <= LONGEST_QUOTE else f"{cell[:LONGEST_QUOTE]}…")


def plain_name(name: str) -> str:
    """A heading or a word for comparison: without case, white space and punctuation."""
    return re.sub(r"[\W_]", "", name.casefold())


# --------------------------------------------------------------------------------------------------------- columns


@dataclass(frozen=True)
class Columns:
    """Where a table has what is wanted, by our names: the places of its columns, none where it has no such column."""

    header: tuple[str, ...]
    places: Mapping[str, tuple[int, ...]]

    def cells(self, ours: str, row: Sequence[str]) -> Iterator[tuple[str, str]]:
        """(heading, cell) of every column of that meaning, in the order in which they are preferred."""
        for place in self.places[ours]:
            yield self.header[place], row[place]

    def cell(self, ours: str, row: Sequence[str]) -> str:
        """The cell of the one column of that meaning; empty where there is none."""
        return next((cell for _, cell in self.cells(ours, row)), "")


def find_columns(
    file: File, headings: Mapping[str, Sequence[str]], needed: Sequence[str], *, may_repeat: bool = False
) -> Columns:
    """The columns that mean what is wanted, found by their headings in any spelling.

    Args:
        headings: by our name of a column, how others call it, the preferred first.
        needed: our names of those that must be there.
        may_repeat: whether a heading that stands twice is fine, for all columns of it are looked at.

    Raises:
        ImportRefused: one that is needed is missing, or the same heading stands twice; names it, and nothing else of a
            file that may be another one altogether.
    """
    by_heading: dict[str, list[int]] = {}
    for place, heading in enumerate(file.header):
        by_heading.setdefault(plain_name(heading), []).append(place)
    places: dict[str, tuple[int, ...]] = {}
    for ours, theirs in headings.items():
        found = [by_heading[name] for name in dict.fromkeys(map(plain_name, theirs)) if name and name in by_heading]
        for same in found:
            if len(same) > 1 and not may_repeat:
                raise _stands_twice(file, same)
        places[ours] = tuple(place for same in found for place in same)
    missing = [ours for ours in needed if not places[ours]]
    if missing:
        raise refused(file.name, f"{file.where}missing column {', '.join(missing)}; wanted are {', '.join(headings)}")
    return Columns(file.header, places)


def _stands_twice(file: File, places: Sequence[int]) -> ImportRefused:
    numbers = " and ".join(str(place + 1) for place in places)
    return refused(
        file.name,
        f"{file.where}the heading {quoted(file.header[places[0]])} stands twice, in columns {numbers}, and nothing "
        "tells which one counts: leave one out or call it otherwise",
    )
