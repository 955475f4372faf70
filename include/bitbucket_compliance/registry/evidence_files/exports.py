"""The two-step verification export of Atlassian's admin console, as it came: a CSV or an Excel workbook.

No single cell is bad: a row that doesn't say for certain whether two-step verification is on says that it is unclear.
Refused is a table that names no columns for it, that names nobody, or that is longer than any organisation.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from bitbucket_compliance.registry.evidence_files.checks import LARGEST_FILE
from bitbucket_compliance.registry.evidence_files.types import Export, ExportRow, TwoStep
from bitbucket_compliance.registry.tables.cells import addresses, says_nothing, visible
from bitbucket_compliance.registry.tables.file import Columns, File, find_columns, plain_name, refused
from bitbucket_compliance.registry.tables.read import table

MOST_LINES = 50_000

_TWO_STEP_NAMES: Final = (
    *(
        f"{count} {what}{kind}"
        for count, what in (("two", "step"), ("2", "step"), ("two", "factor"), ("2", "factor"), ("multi", "factor"))
        for kind in ("", " verification", " authentication", " auth", " verification (2SV)", " authentication (2FA)")
    ),
    "multi-factor authentication (MFA)",
    *("2sv", "2fa", "mfa"),
)
# What Atlassian's exports and people call the columns, in any spelling.
_HEADINGS: Final = {
    "email": ("email", "email address", "user email", "mail", "work email", "primary email"),
    "account_id": ("account id", "atlassian id", "atlassian account id", "user id", "aaid", "id"),
    "two_step_verification": tuple(
        heading.format(name)
        for name in _TWO_STEP_NAMES
        for heading in ("{}", "{} enabled", "{} status", "{} active", "{} on", "has {}", "has {} enabled", "uses {}")
    ),
    "single_sign_on": ("SAML single sign-on", "single sign-on", "SAML SSO", "SAML", "SSO"),
    "status": ("status", "account status", "user status"),
}
#: in a heading that is none of these, they still may say that it is off
_TWO_STEP: Final = re.compile(r"twostep|2step|2sv|2fa|mfa|twofactor|2factor|multifactor")
# A policy's words (required, enforced, optional) say neither on nor off.
_ON: Final = frozenset({"enabled", "yes", "true", "on", "active", "1", "y", "enrolled"})
_OFF: Final = frozenset({"disabled", "no", "false", "off", "inactive", "0", "notenabled", "notenrolled", "notset", "n"})
_DEACTIVATED: Final = frozenset({"deactivated", "accountdeactivated", "closed", "accountclosed", "deleted"})


def is_header(cells: Sequence[str]) -> bool:
    """Whether a row holds headings of an export."""
    plain = {plain_name(cell) for cell in cells}
    names = {ours: plain & set(map(plain_name, theirs)) for ours, theirs in _HEADINGS.items()}
    return bool(names["two_step_verification"] and (names["email"] or names["account_id"]))


def export_of(name: str, content: bytes) -> Export:
    """What an export says of the people that it lists.

    Args:
        name: of the file, for messages.
        content: a table as ``tables.read`` reads it, columns in any order.

    Raises:
        ImportRefused: names the file and what is wrong with it.
    """
    _check_size(name, content)
    file = table(name, content, is_header)
    columns = _columns(file)
    others = [
        place
        for place, heading in enumerate(file.header)
        if _TWO_STEP.search(plain_name(heading)) and place not in columns.places["two_step_verification"]
    ]
    people, nobody = [], []
    for line, row in file.rows:
        emails = [email for _, cell in columns.cells("email", row) for email in addresses(cell)[0]]
        ids = [visible(cell) for _, cell in columns.cells("account_id", row) if not says_nothing(cell)]
        if emails or ids:
            says = _says(columns, row, [row[place] for place in others])
            people.append(ExportRow(line, next(iter(emails), None), next(iter(ids), None), says, emails[1:]))
        else:
            nobody.append(line)
    if not people:
        raise refused(name, "it lists nobody; export the report again")
    return Export(people, nobody)


def _check_size(name: str, content: bytes) -> None:
    if len(content) > LARGEST_FILE:
        raise refused(name, f"is larger than {LARGEST_FILE // 1024 // 1024} MB")
    lines = max(content.count(b"\n"), content.count(b"\r"))
    if lines > MOST_LINES:
        raise refused(name, f"has {lines:,} lines; {MOST_LINES:,} are the most: split the export")


def _columns(file: File) -> Columns:
    """Where the file has the columns that are read; of two-step verification all of them.

    Raises:
        ImportRefused: one that is needed is missing; names it, and nothing of a file that may be another one.
    """
    columns = find_columns(file, _HEADINGS, (), may_repeat=True)
    # Atlassian has exports that name people by address alone, and others by account id alone.
    if not columns.places["email"] and not columns.places["account_id"]:
        raise refused(file.name, f"{file.where}missing column email or account_id")
    if not columns.places["two_step_verification"]:
        raise refused(file.name, f"{file.where}missing column mfa_enabled (two-step verification)")
    return columns


def _says(columns: Columns, row: Sequence[str], others: Sequence[str]) -> TwoStep:
    """What a row says of two-step verification; the first that applies (design.md §5).

    Args:
        others: cells of further columns that have to do with it: nobody knows what their "yes" means.
    """
    stated = set(_words(columns, row, "status"))
    if stated and stated <= _DEACTIVATED:
        return "deactivated"
    said = set(_words(columns, row, "two_step_verification"))
    is_on = bool(said & _ON)
    is_off = bool(said & _OFF) or any(plain_name(cell) in _OFF for cell in others)
    if is_on and not is_off:
        return "on"
    if _ON & set(_words(columns, row, "single_sign_on")):
        return "single_sign_on"
    return "off" if is_off and not is_on else "unclear"


def _words(columns: Columns, row: Sequence[str], ours: str) -> Iterator[str]:
    return (plain_name(visible(cell)) for _, cell in columns.cells(ours, row) if not says_nothing(cell))
