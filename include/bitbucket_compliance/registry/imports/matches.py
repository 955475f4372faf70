"""Whom a declared table names: the members that were read, found as the verdicts find them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from bitbucket_compliance.core.database import Connection, one_row, run_sql
from bitbucket_compliance.policy.model import Thresholds
from bitbucket_compliance.security_tests.matching import mailbox
from bitbucket_compliance.security_tests.policies import policy_of

#: how a row names one person: every address, and the account id if there is one
Named = tuple[Sequence[str], str | None]

_NO_MEMBER: Final = "no member was read yet: the rows are matched at the next run"


@dataclass(frozen=True)
class Matches:
    """How many members of the workspaces that were read a table names, by account id or confirmed address.

    Attributes:
        ambiguous: rows that name several members; such a row decides for none of them.
        not_asked: addresses that no roster in force names, so that Bitbucket was not asked whose they are.
    """

    matched: int
    members: int
    ambiguous: int = 0
    not_asked: int = 0

    def lines(self) -> list[str]:
        """As lines of a preview."""
        if not self.members:
            return [_NO_MEMBER]
        lines = [
            f"{self.matched} of {self.members} members that were read are named by account id or confirmed address"
        ]
        if self.ambiguous:
            lines.append(f"rows that name several members, and decide for none: {self.ambiguous}")
        if self.not_asked:
            lines.append(f"addresses on no roster yet, of which the next run asks Bitbucket whose: {self.not_asked}")
        return lines


class Row(Protocol):
    """A row of a declared table, as far as it names somebody."""

    @property
    def email(self) -> str | None:
        """The first address."""

    @property
    def other_emails(self) -> list[str]:
        """More addresses of the same person."""

    @property
    def account_id(self) -> str | None:
        """The account id."""


def addressed(row: Row) -> Named:
    """How a row names its person."""
    return [email for email in (row.email, *row.other_emails) if email], row.account_id


def members_named(connection: Connection, rows: Iterable[Named]) -> Matches:
    """How many members that were read these rows name, by the rules of the policy of each workspace.

    Args:
        rows: addresses in lower case.

    Raises:
        PolicyInvalid: the policy of a workspace can't be read.
    """
    declared = list(rows)
    by_workspace: dict[str, list[Mapping[str, Any]]] = {}
    for member in run_sql(connection, "registry/imports/members_read.sql").fetchall():
        by_workspace.setdefault(member["workspace"], []).append(member)
    named, ambiguous = 0, 0
    for workspace, members in by_workspace.items():
        found, unclear = _named_in(members, declared, policy_of(connection, workspace).thresholds)
        named += found
        ambiguous += unclear
    emails = sorted({email for of_row, _ in declared for email in of_row})
    not_asked = one_row(run_sql(connection, "registry/imports/addresses_not_named.sql", {"emails": emails}))
    return Matches(named, sum(map(len, by_workspace.values())), ambiguous, int(not_asked["addresses"]))


def _named_in(
    members: Sequence[Mapping[str, Any]], declared: Sequence[Named], thresholds: Thresholds
) -> tuple[int, int]:
    """(members of one workspace that rows name, rows that name several)."""
    plain = thresholds.domains_without_dots, thresholds.domains_without_tags
    by_id = {member["account_id"].casefold(): member["member_id"] for member in members if member["account_id"]}
    by_email: dict[str, set[str]] = {}
    for member in members:
        for email in member["emails"]:
            by_email.setdefault(mailbox(email, *plain), set()).add(member["member_id"])
    named: set[str] = set()
    ambiguous = 0
    for emails, account_id in declared:
        of_row = {member for email in emails for member in by_email.get(mailbox(email, *plain), ())}
        if account_id and account_id.casefold() in by_id:
            of_row.add(by_id[account_id.casefold()])
        if len(of_row) > 1:
            ambiguous += 1
        else:
            named |= of_row
    return len(named), ambiguous
