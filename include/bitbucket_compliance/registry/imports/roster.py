"""The people that a roster names, row by row; a row that is bad is named with its reason."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from bitbucket_compliance.registry.imports.mapping import EMPLOYMENT, RosterMapping
from bitbucket_compliance.registry.tables.cells import NoDay, addresses, day, says_nothing, visible
from bitbucket_compliance.registry.tables.file import Columns, File, Problems, find_columns, plain_name, quoted, refused

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


def roster_people(file: File, mapping: RosterMapping, zone: ZoneInfo) -> list[Person]:
    """The people of a roster, all of them.

    Args:
        zone: of the policy; the mapping may name another one.

    Raises:
        ImportRefused: a column is missing or stands twice, nobody is in it, or names row, column and reason of every
            bad value.
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
    people = [reader.person(line, row) for line, row in file.rows]
    reader.problems.refuse_if_any()
    return [person for person in people if person]


def oddities(file: File, people: Sequence[Person], today: date) -> Iterator[str]:
    """What an import should tell of rows that were taken as they are."""
    ended = [person.line for person in people if person.status != "terminated" and _is_past(person.end_date, today)]
    if ended:
        shown = ", ".join(map(str, ended[:LINES_SHOWN])) + (" and more" if len(ended) > LINES_SHOWN else "")
        yield (
            f"noted: {file.name}: {len(ended)} people belong here by their status though their last day is past; the "
            f"status counts: {file.counted_in} {shown}"
        )


def _is_past(end_date: date | None, today: date) -> bool:
    return end_date is not None and end_date < today


class _Rows:
    """Reads rows, and collects what is wrong with them."""

    def __init__(self, file: File, columns: Columns, mapping: RosterMapping, zone: ZoneInfo):
        self.problems = Problems(file.name, file.counted_in)
        self._columns = columns
        self._mapping = mapping
        self._zone = zone

    def person(self, line: int, row: Sequence[str]) -> Person | None:
        """The person of one row; None: it is bad."""
        status = self._status(line, row)
        end_date = self._end_date(line, row)
        account_id = visible(self._columns.cell("account_id", row))
        name = self._columns.cell("name", row)
        emails = self._emails(line, row, has_id=not says_nothing(account_id))
        if emails == [] and not name and not account_id:
            self.problems.add(line, "email", "the row names nobody: give an email, a name or an account_id")
        if emails is None or status is None:
            return None
        # One spelling of each name; those who compare names decide how.
        plain = unicodedata.normalize("NFC", name) or None
        return Person(line, next(iter(emails), None), plain, status, end_date, account_id or None, emails[1:])

    def _emails(self, line: int, row: Sequence[str], *, has_id: bool) -> list[str] | None:
        """Every address of the row, each once; None: a cell holds something else, and no account id stands beside."""
        found: list[str] = []
        for heading, cell in self._columns.cells("email", row):
            emails, wrong = addresses(cell)
            if wrong and not has_id and not _is_login(heading, emails):
                self.problems.add(line, heading, f"{quoted(cell)} is no e-mail address")
                return None
            found += emails
        return list(dict.fromkeys(found))

    def _status(self, line: int, row: Sequence[str]) -> str | None:
        found: dict[str, str] = {}
        for heading, cell in self._columns.cells("status", row):
            word = self._mapping.statuses.get(plain_name(cell))
            if word is None:
                self.problems.add(
                    line, heading, f"{quoted(cell)} is unknown; known: {', '.join(EMPLOYMENT)}, or say it in a mapping"
                )
                return None
            found.setdefault(word, heading)
        if len(found) > 1:
            self._contradict(line, found)
            return None
        return next(iter(found))

    def _end_date(self, line: int, row: Sequence[str]) -> date | None:
        found: dict[date, str] = {}
        for heading, cell in self._columns.cells("end_date", row):
            if says_nothing(cell):
                continue
            try:
                found.setdefault(day(cell, self._zone, self._mapping.date_format), heading)
            except NoDay as no:
                self.problems.add(line, heading, f"{quoted(cell)} {no}")
        if len(found) > 1:
            self._contradict(line, found)
        return next(iter(found), None)

    def _contradict(self, line: int, found: dict[str, str] | dict[date, str]) -> None:
        said = " and ".join(f"{heading!r} says {value}" for value, heading in found.items())
        first = next(iter(found.values()))
        self.problems.add(line, first, f"{said}: say in a mapping which column counts")


def _is_login(heading: str, emails: Sequence[str]) -> bool:
    """Whether a column need not hold addresses: names of logins are often none."""
    return not emails and "mail" not in plain_name(heading)
