"""Judge offboarded_access_removed: is anybody still a member who has left? Rules: design.md §5, test 7.

Employment dates never reach the verdict: readers of results are not readers of HR data.
"""

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from bitbucket_compliance.security_tests.matching import (
    INCOMPLETE_LOOKUP,
    all_addresses,
    comparable_name,
    comparable_names,
    match_people,
    members_of_one_row,
    records,
)
from bitbucket_compliance.security_tests.tables import Tables
from bitbucket_compliance.security_tests.verdicts import Verdict, as_frame

if TYPE_CHECKING:
    import pandas as pd


def judge(tables: Tables) -> "pd.DataFrame":
    """Verdicts for all members of the workspace."""
    return decide(
        members=tables.read("members"),
        emails=tables.read("member_emails"),
        roster=tables.read("roster"),
        lookup=tables.value("email_lookup"),
        as_of=tables.as_of,
        today=tables.today,
        grace_days=tables.thresholds["offboarding_grace_days"],
        max_age_days=tables.thresholds.roster_max_age_days,
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
) -> "pd.DataFrame":
    """The rules, on plain tables.

    Args:
        members: ``member_id, account_id, display_name, member_type``.
        emails: ``email, member_id``, confirmed by Bitbucket.
        roster: ``line, email, name, status, end_date, account_id, imported_at``; ``other_emails`` where there are any.
        lookup: outcome of the look-up of addresses; None where there was nothing to look up.
        as_of: when the run started. today: the day then, in the policy's time zone.
        grace_days: days after the last one that access may remain. max_age_days: of the roster.
    """
    gone_by_line = {row["line"]: _is_gone(row["status"], row["end_date"], today, grace_days) for row in records(roster)}
    pairs = match_people(roster, members, emails)
    of_several = members_of_one_row(pairs)
    shown_names = {member["member_id"]: member["display_name"] or member["member_id"] for member in records(members)}
    rows_of_member: dict[str, list[tuple[int, str]]] = {}
    unclear_rows: dict[str, str] = {}
    for pair in records(pairs):
        if named := of_several.get(pair["line"]):
            both = " and at ".join(shown_names.get(one, one) for one in named)
            unclear_rows.setdefault(pair["member_id"], f"line {pair['line']} of the roster points at {both}")
        else:
            rows_of_member.setdefault(pair["member_id"], []).append((pair["line"], pair["matched_by"]))
    names = comparable_names(roster)
    whole_roster = _roster_problem(roster, as_of, max_age_days)
    unresolved = lookup in INCOMPLETE_LOOKUP and bool(set(all_addresses(roster)["email"]) - set(emails["email"]))

    def verdict(member: dict[str, Any]) -> Verdict:
        code, reason, detail = _decide_member(
            member,
            rows_of_member.get(member["member_id"], []),
            gone_by_line,
            names,
            whole_roster,
            lookup if unresolved else None,
            unclear_rows.get(member["member_id"]),
        )
        facts = {key: detail[key] for key in ("matched_by",) if key in detail}
        return Verdict(member["member_id"], code, reason, detail, facts)

    return as_frame(verdict(member) for member in records(members))


_Decision = tuple[str, str, dict[str, Any]]


def _decide_member(
    member: dict[str, Any],
    rows: list[tuple[int, str]],
    gone_by_line: dict[int, bool],
    names: set[str],
    whole_roster: _Decision | None,
    lookup: str | None,
    unclear_row: str | None,
) -> _Decision:
    if member["member_type"] == "app_user":
        return "app_user", "An app is no person and stands on no roster.", {}
    if whole_roster:
        return whole_roster
    detail = _matches(rows, gone_by_line)
    if rows and not all(gone_by_line[line] for line, _ in rows):
        return "on_roster", "The roster names this member as somebody who belongs here.", detail
    if rows and (lookup is None or "account_id" in detail["matched_by"]):
        return "offboarded", "Every roster row of this member says the person has left.", detail
    if unclear_row:
        return "ambiguous_match", f"Nobody knows whom it is about: {unclear_row}, so it decides for none.", detail
    if lookup is not None:
        return *INCOMPLETE_LOOKUP[lookup], detail
    if comparable_name(member["display_name"]) in names:
        return (
            "ambiguous_match",
            "Somebody on the roster has the same name, but no row carries this member's address or account id.",
            detail,
        )
    return "not_on_roster", "No row of the roster names this member.", detail


def _matches(rows: list[tuple[int, str]], gone_by_line: dict[int, bool]) -> dict[str, Any]:
    """How many rows match a member by what, and where they contradict each other, how many say that the person left."""
    detail: dict[str, Any] = {"matched_by": sorted({how for _, how in rows}), "roster_rows": len(rows)}
    gone = sum(gone_by_line[line] for line, _ in rows)
    return {**detail, "rows_that_say_gone": gone} if 0 < gone < len(rows) else detail


def _roster_problem(roster: "pd.DataFrame", as_of: datetime, max_age_days: float) -> _Decision | None:
    if roster.empty:
        return "no_roster", "No roster was imported yet.", {}
    if as_of - roster["imported_at"].iloc[0] > timedelta(days=max_age_days):
        return "stale_roster", f"The roster was imported more than {max_age_days:g} days ago.", {}
    return None


def _is_gone(status: str, end_date: date | None, today: date, grace_days: int) -> bool:
    """Terminated, and the last day plus grace lies before today; the last day is still theirs."""
    if status != "terminated":
        return False
    return end_date is None or end_date < today - timedelta(days=grace_days)
