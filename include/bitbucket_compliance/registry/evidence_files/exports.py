"""The two-step verification export of Atlassian's admin console: a CSV.

A file is taken whole or not at all. Bad is a missing column, a value that is neither on nor off, a row that names
nobody, and what no export should hold: formulas, more lines than any organisation has people, bytes that are no text.
Repeated addresses, padding, capitals and people who were not read yet are fine.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from bitbucket_compliance.registry.csv_file import LONGEST_QUOTE, Problems, plain_name, quoted, refused, table
from bitbucket_compliance.registry.evidence_files.checks import LARGEST_FILE
from bitbucket_compliance.registry.evidence_files.types import ExportRow

MOST_LINES = 50_000

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
_FORMULA = re.compile(r"\A(?:[=@]|[+-](?![\d\s.,()/+-]*$)(?![\w.+-]*@[\w.-]+$))")


def people_of(name: str, content: bytes, *, is_vouched_for: bool) -> list[ExportRow]:
    """The people that an export lists.

    Args:
        name: of the file, for messages.
        content: a CSV as ``table`` reads it, columns in any order.
        is_vouched_for: the operator takes it as it came from Atlassian: in columns that are not read, text that looks
            like a formula is fine, for people choose their names themselves and one must not stop the whole export.

    Raises:
        ImportRefused: names file, line, column and reason of everything that is bad.
    """
    _check_size(name, content)
    header, rows = table(name, content)
    places = _places(name, header)
    plain = [place for place in places.values() if place is not None] if is_vouched_for else range(len(header))
    problems = Problems(name)
    people = []
    for line, cells in rows:
        person = {ours: cells[place] if place is not None else "" for ours, place in places.items()}
        for column, reason in _bad([(header[place], cells[place]) for place in plain], person):
            problems.add(line, column, reason)
        is_on = plain_name(person["mfa_enabled"]) in MFA_ON
        people.append(ExportRow(line, person["email"].lower() or None, person["account_id"] or None, is_on))
    problems.refuse_if_any()
    return people


def _check_size(name: str, content: bytes) -> None:
    if len(content) > LARGEST_FILE:
        raise refused(name, f"is larger than {LARGEST_FILE // 1024 // 1024} MB")
    lines = max(content.count(b"\n"), content.count(b"\r"))
    if lines > MOST_LINES:
        raise refused(name, f"has {lines:,} lines; {MOST_LINES:,} are the most: split the export")


def _bad(suspects: Iterable[tuple[str, str]], person: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(column, reason) of what is wrong with one row; ``suspects``: column and cell that may be no formula."""
    for column, cell in suspects:
        if _FORMULA.match(cell):
            yield (
                column[:LONGEST_QUOTE],
                f"{quoted(cell)} is a formula to a spreadsheet; empty the cell or leave the column out",
            )
    if plain_name(person["mfa_enabled"]) not in MFA_ON | MFA_OFF:
        yield "two-step verification", f"{quoted(person['mfa_enabled'])} is unknown; known: enabled, disabled"
    if not (person["email"] or person["account_id"]):
        yield "email", "the row names nobody: give an email or an account id"


def _places(name: str, header: tuple[str, ...]) -> dict[str, int | None]:
    """Where the file has the columns that are read, by our names.

    Raises:
        ImportRefused: one that is needed is missing; names it, and nothing of a file that may be another one.
    """
    by_plain_name: dict[str, int] = {}
    for place, column in enumerate(header):
        by_plain_name.setdefault(plain_name(column), place)
    places = {
        ours: next((by_plain_name[theirs] for theirs in spellings if theirs in by_plain_name), None)
        for ours, spellings in MFA_COLUMNS.items()
    }
    # Atlassian has exports that name people by address alone, and others by account id alone.
    if places["email"] is None and places["account_id"] is None:
        raise refused(name, "line 1: missing column email or account_id")
    if places["mfa_enabled"] is None:
        raise refused(name, "line 1: missing column mfa_enabled (two-step verification)")
    return places
