"""The people that a roster names, row by row; a row that is bad is named with its reason, and decides nothing."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from bitbucket_compliance.registry.imports.mapping import EMPLOYMENT, RosterMapping
from bitbucket_compliance.registry.tables.cells import NoDay, addresses, day, says_nothing, visible
from bitbucket_compliance.registry.tables.file import (
    PROBLEMS_SHOWN,
    Columns,
    File,
    Problems,
    find_columns,
    plain_name,
    quoted,
    refused,
)

LINES_SHOWN = 20


@dataclass(frozen=True)
class Person:
    """A row of ``registry.people``."""

    line: int
    email: str | None
    name: str | None
    status: str
    end_date: date | None
    account_id: str | None
    other_emails: list[str]


@dataclass(frozen=True)
class RefusedRow:
    """A row of ``registry.refused_rows``: what is wrong with it, and what could be read of whose it is."""

    line: int
    problems: list[str]
    email: str | None
    name: str | None
    account_id: str | None
    other_emails: list[str]


@dataclass(frozen=True)
class Roster:
    """A roster as it was read.

    Attributes:
        columns: by our name of a column, the headings that were found for it.
        bad: what is wrong with the rows that can't be used.
    """

    file: File
    columns: Mapping[str, tuple[str, ...]]
    people: list[Person]
    refused: list[RefusedRow]
    bad: Problems

    def refuse_if_bad(self, most: float, *, strict: bool = False) -> None:
        """Refuse a roster that has too many bad rows.

        Args:
            most: the share of rows that may be bad. strict: none may.

        Raises:
            ImportRefused: says how many rows are bad, and names each with its reason.
        """
        rows = len(self.file.rows)
        if strict or not self.people:
            self.bad.refuse_if_any()
        if len(self.refused) > most * rows:
            self.bad.refuse_if_any(
                f"{len(self.refused)} of {rows} rows can't be used, more than the policy's "
                f"thresholds.max_bad_row_share ({most:.0%}) allows: "
            )

    def unclear(self, today: date) -> Iterator[str]:
        """What an import should tell of rows, beginning with those that it doesn't take."""
        name, counted_in = self.file.name, self.file.counted_in
        if self.refused:
            yield from (f"refused: {line}" for line in self.bad.lines())
            if len(self.bad.found) > PROBLEMS_SHOWN:
                yield f"refused: {name}: {len(self.bad.found) - PROBLEMS_SHOWN} more bad values"
            yield (
                f"noted: {name}: rows that can't be used: {len(self.refused)}; the import's record keeps them, and "
                "nobody whom one names passes before it is mended"
            )
        ended = [person.line for person in self.people if person.status != "terminated" and _is_past(person, today)]
        if ended:
            yield (
                f"noted: {name}: people who belong here by their status though their last day is past: {len(ended)}; "
                f"the status counts: {counted_in} {_shown(ended)}"
            )
        contradicting = _contradicting(self.people)
        if contradicting:
            lines = sorted({line for lines in contradicting for line in lines})
            yield (
                f"noted: {name}: people whose rows contradict each other: {len(contradicting)}; who belongs here by "
                f"one of them belongs here: {counted_in} {_shown(lines)}"
            )


def read_roster(file: File, mapping: RosterMapping, zone: ZoneInfo) -> Roster:
    """The people of a roster, and the rows that can't be used.

    Args:
        zone: of the policy; the mapping may name another one.

    Raises:
        ImportRefused: a column is missing or stands twice, or nobody is in it.
    """
    columns = find_columns(file, mapping.columns, ("status",))
    if not columns.places["email"] and not columns.places["account_id"]:
        raise refused(
            file.name, f"{file.where}missing column email or account_id; wanted are {', '.join(mapping.columns)}"
        )
    if not file.rows:
        # Everybody would be missing from it.
        raise refused(file.name, "it brought nobody; look at the report, the query or the directory")
    reader = _Rows(file, columns, mapping, ZoneInfo(mapping.time_zone) if mapping.time_zone else zone)
    rows = [reader.row(line, row) for line, row in file.rows]
    found = {ours: tuple(file.header[place] for place in places) for ours, places in columns.places.items()}
    people = [row for row in rows if isinstance(row, Person)]
    return Roster(file, found, people, [row for row in rows if isinstance(row, RefusedRow)], reader.problems)


def _contradicting(people: Sequence[Person]) -> list[list[int]]:
    """The lines of each address and account id of which one row says that they left, another that they didn't."""
    rows: dict[str | None, list[Person]] = {}
    for person in people:
        account_id = f"id {person.account_id.casefold()}" if person.account_id else None
        for key in {person.email, *person.other_emails, account_id} - {None}:
            rows.setdefault(key, []).append(person)
    found = {
        tuple(person.line for person in same)
        for same in rows.values()
        if len({person.status == "terminated" for person in same}) > 1
    }
    return [list(lines) for lines in sorted(found)]


def _shown(lines: Sequence[int]) -> str:
    return ", ".join(map(str, lines[:LINES_SHOWN])) + (" and more" if len(lines) > LINES_SHOWN else "")


def _is_past(person: Person, today: date) -> bool:
    return person.end_date is not None and person.end_date < today


class _Rows:
    """Reads rows, and collects what is wrong with them."""

    def __init__(self, file: File, columns: Columns, mapping: RosterMapping, zone: ZoneInfo):
        self.problems = Problems(file.name, file.counted_in)
        used = {file.header[place] for places in columns.places.values() for place in places}
        self._unreadable = {place: why for place, why in file.unreadable.items() if place[1] in used}
        self._columns = columns
        self._mapping = mapping
        self._zone = zone

    def row(self, line: int, row: Sequence[str]) -> Person | RefusedRow:
        """The person of one row, or what is wrong with it."""
        before = len(self.problems.found)
        status = self._status(line, row)
        end_date = self._end_date(line, row)
        account_id = next((visible(cell) for _, cell in self._cells(line, "account_id", row)), "")
        known_id = None if says_nothing(account_id) else account_id
        name = next((cell for _, cell in self._cells(line, "name", row)), "")
        before_emails = len(self.problems.found)
        emails = self._emails(line, row, has_id=known_id is not None)
        names_nobody = not (emails or name or known_id) and len(self.problems.found) == before_emails
        if names_nobody:
            self.problems.add(line, "email", "the row names nobody: give an email, a name or an account_id")
        bad = [f"column {one.column}: {one.reason}" for one in self.problems.found[before:]]
        # One spelling of each name; those who compare names decide how.
        plain = unicodedata.normalize("NFC", name) or None
        email = next(iter(emails), None)
        if bad or status is None:
            return RefusedRow(line, bad, email, plain, known_id, emails[1:])
        return Person(line, email, plain, status, end_date, known_id, emails[1:])

    def _cells(self, line: int, ours: str, row: Sequence[str]) -> Iterator[tuple[str, str]]:
        """(heading, cell) of every column of that meaning; what its source could not read is bad."""
        for heading, cell in self._columns.cells(ours, row):
            why = self._unreadable.get((line, heading))
            if why is None:
                yield heading, cell
            else:
                self.problems.add(line, heading, why)

    def _emails(self, line: int, row: Sequence[str], *, has_id: bool) -> list[str]:
        """Every address of the row, each once; bad is a cell that holds something else, with no account id beside."""
        found: list[str] = []
        for heading, cell in self._cells(line, "email", row):
            emails, wrong = addresses(cell)
            if wrong and not has_id and not _is_login(heading, emails):
                self.problems.add(line, heading, "is no e-mail address", cell)
            found += emails
        return list(dict.fromkeys(found))

    def _status(self, line: int, row: Sequence[str]) -> str | None:
        found: dict[str, str] = {}
        for heading, cell in self._cells(line, "status", row):
            word = self._mapping.statuses.get(plain_name(cell))
            if word is None:
                unknown = f"is unknown; known: {', '.join(EMPLOYMENT)}, or say it in a mapping"
                self.problems.add(line, heading, unknown, told=f"{quoted(cell)} {unknown}")
                return None
            found.setdefault(word, heading)
        if len(found) > 1:
            self._contradict(line, found)
            return None
        return next(iter(found), None)

    def _end_date(self, line: int, row: Sequence[str]) -> date | None:
        found: dict[date, str] = {}
        for heading, cell in self._cells(line, "end_date", row):
            if says_nothing(cell):
                continue
            try:
                found.setdefault(day(cell, self._zone, self._mapping.date_format), heading)
            except NoDay as no:
                self.problems.add(line, heading, str(no), cell)
        if len(found) > 1:
            self._contradict(line, found)
        return next(iter(found), None)

    def _contradict(self, line: int, found: Mapping[str, str] | Mapping[date, str]) -> None:
        said = " and ".join(f"{heading!r} says {value}" for value, heading in found.items())
        first = next(iter(found.values()))
        which = "say in a mapping which column counts"
        columns = " and ".join(map(repr, found.values()))
        self.problems.add(line, first, f"{columns} say different things: {which}", told=f"{said}: {which}")


def _is_login(heading: str, emails: Sequence[str]) -> bool:
    """Whether a column need not hold addresses: names of logins are often none."""
    return not emails and "mail" not in plain_name(heading)
