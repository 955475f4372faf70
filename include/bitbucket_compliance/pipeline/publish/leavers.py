"""Who left, as the rosters say, and which member, of today or of before, each of them was."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from bitbucket_compliance.core.database import Connection, run_sql
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.security_tests.matching import (
    as_one_mailbox,
    match_people,
    members_of_one_row,
    records,
    with_row_keys,
)
from bitbucket_compliance.security_tests.tables import Tables

if TYPE_CHECKING:
    import pandas as pd

#: the name of a roster, and a line of it
_Row = tuple[str, int]


class Leaver(NamedTuple):
    """One person who left.

    Attributes:
        row: roster and line that say so.
        member_id: the one member whom the row names; None: nobody was ever seen, or it is not known who.
        matched_by: ``account_id`` or ``email``; None without a member.
        problem: why it is not known which member it is, as ``compliance.leaver_records.problem``; None: it is known.
    """

    row: _Row
    member_id: str | None = None
    matched_by: str | None = None
    problem: str | None = None


def note_leavers(connection: Connection, run: Run, keys: Mapping[str, Any]) -> int:
    """Bring ``compliance.leaver_records`` in line with the rosters in force; joins the transaction.

    Returns how many persons the rosters say have left.
    """
    import pandas as pd

    thresholds = run.policy.thresholds
    mailboxes = thresholds.domains_without_dots, thresholds.domains_without_tags
    run_sql(connection, "pipeline/publish/note_addresses.sql", keys)

    def frame(path: Any, *columns: str) -> "pd.DataFrame":
        return pd.DataFrame(run_sql(connection, path, keys).fetchall(), columns=columns, dtype=object)

    found = leavers(
        people=with_row_keys(
            as_one_mailbox(Tables(connection, run.workspace, run.started_at, thresholds).read("roster"), *mailboxes)
        ),
        members=frame("pipeline/publish/known_members.sql", "member_id", "account_id"),
        emails=as_one_mailbox(frame("pipeline/publish/known_addresses.sql", "email", "member_id"), *mailboxes),
        answered={row["email"] for row in run_sql(connection, "pipeline/extract/known_addresses.sql", keys)},
        today=run.today,
        precedence=thresholds.roster_precedence,
    )
    given = {
        "rosters": [one.row[0] for one in found],
        "lines": [one.row[1] for one in found],
        "leaver_members": [one.member_id for one in found],
        "leaver_matches": [one.matched_by for one in found],
        "problems": [one.problem for one in found],
        "grace_days": thresholds["offboarding_grace_days"],
    }
    run_sql(connection, "pipeline/publish/leavers.sql", {**keys, **given})
    return len(found)


def leavers(
    *,
    people: "pd.DataFrame",
    members: "pd.DataFrame",
    emails: "pd.DataFrame",
    answered: set[str],
    today: date,
    precedence: Sequence[str],
) -> list[Leaver]:
    """Everybody of whom the rosters say that their last working day has come, once each.

    By the rules of ``offboarded_access_removed``: of rows that are about one person the roster that decides before
    others decides; a row there that says somebody belongs here goes before one that says they left.

    Args:
        people: rows of the rosters in force, ``line`` as ``with_row_keys`` makes it.
        members: ``member_id, account_id`` of everybody who was ever seen. emails: ``email, member_id``, ever confirmed.
        answered: addresses of which Bitbucket told whose they are, or that they are nobody's.
        today: the day of the run, in the policy's time zone.
        precedence: names of rosters, the one that decides before the others first.
    """
    rows: dict[_Row, dict[str, Any]] = {row["line"]: row for row in records(people)}
    pairs = match_people(people, members, emails)
    of_several = members_of_one_row(pairs)
    by_member: dict[str, dict[_Row, str]] = {}
    for pair in records(pairs):
        if pair["line"] not in of_several:
            by_member.setdefault(pair["member_id"], {})[pair["line"]] = pair["matched_by"]
    matched = {row for found in by_member.values() for row in found}
    judgement = _Judgement(rows, today, precedence)
    found = []
    for member_id, how in by_member.items():
        if row := judgement.row_that_decides(how):
            problem = judgement.contradiction(how)
            found.append(Leaver(row, problem=problem) if problem else Leaver(row, member_id, how[row]))
    for same in _by_identity(rows[row] for row in rows if row not in matched):
        if row := judgement.row_that_decides(same):
            problem = "several_members" if row in of_several else _unmatched(rows[row], answered)
            found.append(Leaver(row, problem=judgement.contradiction(same) or problem))
    return found


class _Judgement:
    """What rows that are about one person say together."""

    def __init__(self, rows: Mapping[_Row, Mapping[str, Any]], today: date, precedence: Sequence[str]):
        self._rows, self._today, self._precedence = rows, today, list(precedence)

    def row_that_decides(self, same: Iterable[_Row]) -> _Row | None:
        """The row with the latest last day, where one of the rosters that come first says that the person left."""
        left = [row for row, whole in self._deciding(same) if whole]
        return max(left, key=lambda row: (self._rows[row]["end_date"] or date.min, row), default=None)

    def contradiction(self, same: Iterable[_Row]) -> str | None:
        """``rosters_contradict`` where two of the rosters that come first do."""
        return "rosters_contradict" if len({whole for _, whole in self._deciding(same)}) > 1 else None

    def _deciding(self, same: Iterable[_Row]) -> list[tuple[_Row, bool]]:
        """The rows of the rosters that come first, each with whether all rows of its roster say the person left."""
        same = list(same)
        first = min(self._rank(name) for name, _ in same)
        deciding = [row for row in same if self._rank(row[0]) == first]
        left: dict[str, bool] = {}
        for row in deciding:
            left[row[0]] = left.get(row[0], True) and self._is_gone(row)
        return [(row, left[row[0]]) for row in deciding]

    def _rank(self, name: str) -> int:
        return self._precedence.index(name) if name in self._precedence else len(self._precedence)

    def _is_gone(self, row: _Row) -> bool:
        said = self._rows[row]
        return said["status"] == "terminated" and (said["end_date"] is None or said["end_date"] <= self._today)


def _by_identity(rows: Iterable[Mapping[str, Any]]) -> list[list[_Row]]:
    """Rows that no member tells apart: those of one address, account id or, where there is neither, one name."""
    same: dict[str, list[_Row]] = {}
    for row in rows:
        same.setdefault(str(row["email"] or row["account_id"] or row["name"]).casefold(), []).append(row["line"])
    return list(same.values())


def _unmatched(row: Mapping[str, Any], answered: set[str]) -> str | None:
    """Why it is not known that the person of an unmatched row was no member; None: it is known."""
    addresses = [email for email in (row["email"], *(row["other_emails"] or ())) if email]
    if not addresses and not row["account_id"]:
        return "name_alone"
    return None if set(addresses) <= answered else "addresses_not_answered"
