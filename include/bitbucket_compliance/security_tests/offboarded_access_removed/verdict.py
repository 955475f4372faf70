"""Judge offboarded_access_removed: is anybody still a member who has left? Rules: design.md §5, test 7.

Employment dates never reach the verdict: readers of results are not readers of HR data.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from bitbucket_compliance.security_tests.matching import (
    INCOMPLETE_LOOKUP,
    all_addresses,
    as_one_mailbox,
    comparable_name,
    comparable_names,
    match_people,
    members_of_one_row,
    records,
    with_row_keys,
)
from bitbucket_compliance.security_tests.tables import Tables
from bitbucket_compliance.security_tests.verdicts import Verdict, as_frame

if TYPE_CHECKING:
    import pandas as pd

_Decision = tuple[str, str, dict[str, Any]]
#: the name of a roster, and a line of it
_Row = tuple[str, int]


def judge(tables: Tables) -> "pd.DataFrame":
    """Verdicts for all members of the workspace."""
    thresholds = tables.thresholds
    mailboxes = thresholds.domains_without_dots, thresholds.domains_without_tags
    return decide(
        members=tables.read("members"),
        emails=as_one_mailbox(tables.read("member_emails"), *mailboxes),
        roster=as_one_mailbox(tables.read("roster"), *mailboxes),
        refused=as_one_mailbox(tables.read("refused_rows"), *mailboxes),
        lookup=tables.value("email_lookup"),
        as_of=tables.as_of,
        today=tables.today,
        grace_days=thresholds["offboarding_grace_days"],
        max_age_days=thresholds.roster_max_age_days,
        precedence=thresholds.roster_precedence,
    )


def decide(
    *,
    members: "pd.DataFrame",
    emails: "pd.DataFrame",
    roster: "pd.DataFrame",
    lookup: str | None,
    as_of: datetime,
    today: date,
    grace_days: int,
    max_age_days: float,
    refused: "pd.DataFrame | None" = None,
    precedence: Sequence[str] = (),
) -> "pd.DataFrame":
    """The rules, on plain tables.

    Args:
        members: ``member_id, account_id, display_name, member_type``.
        emails: ``email, member_id``, confirmed by Bitbucket.
        roster: ``line, email, name, status, end_date, account_id, imported_at``; ``other_emails`` where there are any,
            ``roster_name`` where there are several rosters.
        lookup: outcome of the look-up of addresses; None where there was nothing to look up.
        as_of: when the run started. today: the day then, in the policy's time zone.
        grace_days: days after the last one that access may remain. max_age_days: of each roster.
        refused: the rows of these rosters that could not be used, as ``roster`` without status and end_date.
        precedence: names of rosters, the one that decides before the others first.
    """
    people = with_row_keys(roster)
    rosters = _Rosters(people, as_of, max_age_days, precedence)
    gone = {row["line"]: _is_gone(row["status"], row["end_date"], today, grace_days) for row in records(people)}
    matched = _Matched.of(people, members, emails, refused)
    names = comparable_names(people)
    unresolved = lookup in INCOMPLETE_LOOKUP and bool(set(all_addresses(people)["email"]) - set(emails["email"]))

    def verdict(member: dict[str, Any]) -> Verdict:
        facts_of_member = _Member(
            rows=matched.rows.get(member["member_id"], []),
            unclear=matched.unclear.get(member["member_id"]),
            refused=matched.refused_of(member),
            has_a_namesake=comparable_name(member["display_name"]) in names,
            lookup=lookup if unresolved else None,
        )
        if member["member_type"] == "app_user":
            decision: _Decision = ("app_user", "An app is no person: it is on no roster.", {})
        else:
            decision = rosters.problem() or _decide_member(facts_of_member, gone, rosters)
        code, reason, detail = decision
        facts: dict[str, Any] = {key: detail[key] for key in ("matched_by", "decided_by") if key in detail}
        return Verdict(member["member_id"], code, reason, detail, facts)

    return as_frame(verdict(member) for member in records(members))


# ------------------------------------------------------------------------------------------- what is known of a member


@dataclass(frozen=True)
class _Member:
    """What the rosters have on one member.

    Attributes:
        rows: that name the member alone, each with how it matches.
        unclear: a row that points at others too, and a sentence that says so.
        refused: rows on the member that could not be used.
        has_a_namesake: whether a row carries the display name.
        lookup: why declared addresses are not known to belong to nobody; None: they are.
    """

    rows: list[tuple[_Row, str]]
    unclear: tuple[_Row, str] | None
    refused: list[_Row]
    has_a_namesake: bool
    lookup: str | None


@dataclass
class _Matched:
    """By member: the rows that name them alone, a row that names several, and rows that could not be used."""

    rows: dict[str, list[tuple[_Row, str]]] = field(default_factory=dict)
    unclear: dict[str, tuple[_Row, str]] = field(default_factory=dict)
    refused: dict[str, list[_Row]] = field(default_factory=dict)
    refused_names: dict[str, list[_Row]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        people: "pd.DataFrame",
        members: "pd.DataFrame",
        emails: "pd.DataFrame",
        refused: "pd.DataFrame | None",
    ) -> "_Matched":
        found = cls()
        pairs = match_people(people, members, emails)
        of_several = members_of_one_row(pairs)
        shown_names = {
            member["member_id"]: member["display_name"] or member["member_id"] for member in records(members)
        }
        for pair in records(pairs):
            row = pair["line"]
            if named := of_several.get(row):
                both = " and at ".join(shown_names.get(one, one) for one in named)
                found.unclear.setdefault(pair["member_id"], (row, f"{_told(row)} points at {both}"))
            else:
                found.rows.setdefault(pair["member_id"], []).append((row, pair["matched_by"]))
        if refused is not None and not refused.empty:
            found._add_refused(with_row_keys(refused), members, emails)
        return found

    def _add_refused(self, refused: "pd.DataFrame", members: "pd.DataFrame", emails: "pd.DataFrame") -> None:
        for pair in records(match_people(refused, members, emails)):
            self.refused.setdefault(pair["member_id"], []).append(pair["line"])
        for row in records(refused):
            # Nothing but the name tells whose it is.
            if not (row["email"] or row["other_emails"] or row["account_id"]) and row["name"]:
                self.refused_names.setdefault(comparable_name(row["name"]), []).append(row["line"])

    def refused_of(self, member: Mapping[str, Any]) -> list[_Row]:
        """The rows on a member that could not be used; by name where they say nothing else."""
        by_name = self.refused_names.get(comparable_name(member["display_name"]), [])
        return sorted({*self.refused.get(member["member_id"], []), *by_name})


class _Rosters:
    """The rosters in force: which decides before which, and which are too old."""

    def __init__(self, people: "pd.DataFrame", as_of: datetime, max_age_days: float, precedence: Sequence[str]):
        imported = {row["line"][0]: row["imported_at"] for row in records(people)}
        oldest = as_of - timedelta(days=max_age_days)
        self.stale = {name for name, imported_at in imported.items() if imported_at < oldest}
        self._until: dict[str, datetime] = {name: at + timedelta(days=max_age_days) for name, at in imported.items()}
        self.names = set(imported)
        self._max_age_days = max_age_days
        self._ranks = {name: rank for rank, name in reversed(list(enumerate(precedence)))}

    def rank(self, name: str) -> int:
        """0 for the one that decides before all others; those that the policy does not name come last."""
        return self._ranks.get(name, len(self._ranks))

    def problem(self) -> _Decision | None:
        """Why nobody can be judged by them."""
        if not self.names:
            return "no_roster", "No roster was imported yet.", {}
        return (*self.too_old(self.names), {}) if self.stale == self.names else None

    def decide_until(self, names: Iterable[str]) -> str:
        """The last instant at which none of these rosters is too old."""
        return min(self._until[name] for name in names).isoformat()

    def too_old(self, names: set[str]) -> tuple[str, str]:
        """A verdict that waits for a newer import."""
        which = "The roster" if len(self.names) == 1 else f"The roster {' and '.join(sorted(names))}"
        return "stale_roster", f"{which} was imported more than {self._max_age_days:g} days ago."


# ----------------------------------------------------------------------------------------------------------- the rules


def _decide_member(member: _Member, gone: Mapping[_Row, bool], rosters: _Rosters) -> _Decision:
    detail = _matches(member, gone)
    decided = _decide_by_rows(member, gone, rosters, detail) if member.rows else None
    if decided:
        return decided
    if member.refused:
        return _by_refused_row(member, detail)
    if member.unclear:
        return _by_unclear_row(member, detail)
    if member.lookup is not None:
        return *INCOMPLETE_LOOKUP[member.lookup], detail
    if member.has_a_namesake:
        return (
            "ambiguous_match",
            "Somebody on the roster has the same name, but no row carries this member's address or account id.",
            detail,
        )
    if rosters.stale:
        return *rosters.too_old(rosters.stale), detail
    return "not_on_roster", "No row of the roster names this member.", detail


def _decide_by_rows(
    member: _Member, gone: Mapping[_Row, bool], rosters: _Rosters, detail: dict[str, Any]
) -> _Decision | None:
    """What the rows of a member say: those of the roster that decides before the others; None: not known."""
    first = min(rosters.rank(row[0]) for row, _ in member.rows)
    says = _said((row for row, _ in member.rows if rosters.rank(row[0]) == first), gone)
    if "rosters" in detail:
        detail["decided_by"] = sorted(says)
    undecided = _undecided(says, rosters)
    if undecided:
        return *undecided, detail
    detail["roster_counts_until"] = rosters.decide_until(says)
    may_differ = _may_differ(member, set(says), first, rosters)
    if not all(says.values()):
        if member.refused:
            return _by_refused_row(member, detail)
        return None if may_differ else (*_ON_ROSTER, detail)
    if any(rosters.rank(name) <= first for name, _ in member.refused):
        return _by_refused_row(member, detail)
    by_address_alone = member.lookup is not None and "account_id" not in detail["matched_by"]
    return None if may_differ or by_address_alone else (*_OFFBOARDED, detail)


_ON_ROSTER = ("on_roster", "The roster names this member as somebody who belongs here.")
_OFFBOARDED = ("offboarded", "Every roster row of this member says the person has left.")


def _said(rows: Iterable[_Row], gone: Mapping[_Row, bool]) -> dict[str, bool]:
    """By roster, whether all its rows say that the person left."""
    says: dict[str, bool] = {}
    for row in rows:
        says[row[0]] = says.get(row[0], True) and gone[row]
    return says


def _undecided(says: Mapping[str, bool], rosters: _Rosters) -> tuple[str, str] | None:
    """Why the rosters that come first decide nothing: one is too old, or they contradict each other."""
    if too_old := rosters.stale & set(says):
        return rosters.too_old(too_old)
    if len(set(says.values())) > 1:
        return (
            "rosters_contradict",
            f"The rosters {' and '.join(sorted(says))} contradict each other on this member, and the policy gives none "
            "of them precedence.",
        )
    return None


def _may_differ(member: _Member, deciding: set[str], first: int, rosters: _Rosters) -> bool:
    """Whether a roster that counts as much as the deciding ones may say something else: a row of it that nobody can
    tell whose it is, or addresses that could not be looked up."""
    others = {name for name in rosters.names - deciding if rosters.rank(name) <= first}
    return bool(others) and (
        member.lookup is not None or (member.unclear is not None and member.unclear[0][0] in others)
    )


def _by_refused_row(member: _Member, detail: dict[str, Any]) -> _Decision:
    return (
        "roster_row_refused",
        f"A row on this member could not be used when the roster was imported: {_told(member.refused[0])}.",
        {**detail, "refused_rows": len(member.refused)},
    )


def _by_unclear_row(member: _Member, detail: dict[str, Any]) -> _Decision:
    said = member.unclear[1] if member.unclear else ""
    return "ambiguous_match", f"It is not clear who is meant: {said}. That row decides nothing.", detail


def _told(row: _Row) -> str:
    name, line = row
    return f"line {line} of the roster" if name == "main" else f"line {line} of the roster {name}"


def _matches(member: _Member, gone: Mapping[_Row, bool]) -> dict[str, Any]:
    """How many rows match a member by what; where they contradict each other, how many say that the person left, and
    where they are of several rosters, what each of these says."""
    rows = member.rows
    detail: dict[str, Any] = {"matched_by": sorted({how for _, how in rows}), "roster_rows": len(rows)}
    says_gone = sum(gone[row] for row, _ in rows)
    if 0 < says_gone < len(rows):
        detail["rows_that_say_gone"] = says_gone
    rosters = _said((row for row, _ in rows), gone)
    if len(rosters) > 1:
        detail["rosters"] = {name: "left" if left else "belongs here" for name, left in sorted(rosters.items())}
    return detail


def _is_gone(status: str, end_date: date | None, today: date, grace_days: int) -> bool:
    """Terminated, and the last day plus grace lies before today; the last day is still theirs."""
    if status != "terminated":
        return False
    return end_date is None or end_date < today - timedelta(days=grace_days)
