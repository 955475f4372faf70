"""Making model objects for the two workspaces: fixed identifiers, dates relative to a given day.

The same names give the same uuids on every machine and day; only the dates move with ``today``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from sandbox.model import (
    Account,
    CommitStatus,
    Participant,
    Pipeline,
    PullRequest,
    PullRequestState,
    Restriction,
)

_NAMESPACE = uuid5(NAMESPACE_DNS, "sandbox.example.com")


def midnight() -> datetime:
    """Today, 00:00 UTC."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def uuid_of(*parts: str) -> str:
    """A uuid in Bitbucket's form (with braces), always the same for the same parts."""
    return "{" + str(uuid5(_NAMESPACE, "/".join(parts))) + "}"


def person(nickname: str, display_name: str, email: str | None) -> Account:
    """A human account."""
    account_id = "712020:" + uuid_of("account", nickname)[1:-1]
    return Account(uuid_of("user", nickname), account_id, display_name, nickname, "user", email)


def app_user(nickname: str, display_name: str) -> Account:
    """An integration's account: no e-mail, and nobody to review anything."""
    return replace(person(nickname, display_name, None), type="app_user")


class Rules:
    """Collects the branch restrictions of one repository, numbering them as it goes."""

    def __init__(self, first_id: int) -> None:
        self._next = first_id
        self.made: list[Restriction] = []

    def glob(self, pattern: str, *kinds: str, **more: Any) -> Rules:
        """Rules of these kinds for branches that match a pattern; returns itself for chaining.

        ``more`` here and below are other fields of :class:`~sandbox.model.Restriction`.
        """
        return self._add(kinds, pattern=pattern, **more)

    def model(self, branch_type: str, *kinds: str, **more: Any) -> Rules:
        """Rules of these kinds for a type of the branching model; returns itself for chaining."""
        return self._add(kinds, branch_match_kind="branching_model", branch_type=branch_type, **more)

    def _add(self, kinds: Iterable[str], **more: Any) -> Rules:
        for kind in kinds:
            self._next += 1
            self.made.append(Restriction(self._next, kind, **more))
        return self


class Pulls:
    """Collects the pull requests of one repository, oldest first, numbering them as it goes."""

    def __init__(self, slug: str, today: datetime) -> None:
        self._slug = slug
        self._today = today
        self.made: list[PullRequest] = []

    def add(
        self,
        *,
        age: float,
        author: Account | None,
        approved_by: Iterable[Account | None] = (),
        commented_by: Iterable[Account] = (),
        builds: Sequence[str] = ("SUCCESSFUL",),
        into: str = "main",
        state: PullRequestState = "MERGED",
        title: str | None = None,
    ) -> PullRequest:
        """A pull request last touched ``age`` days before today, with its approvals and build states."""
        number = len(self.made) + 1
        touched = self._today - timedelta(days=age)
        approvals = [Participant(u, True, "REVIEWER", "approved", touched) for u in approved_by]
        comments = [Participant(u, False, "PARTICIPANT", None, touched) for u in commented_by]
        pull = PullRequest(
            id=number,
            title=title or f"Change {number} of {self._slug}",
            state=state,
            author=author,
            source_branch=f"feature/change-{number}",
            destination_branch=into,
            created_on=touched - timedelta(days=1),
            updated_on=touched,
            participants=approvals + comments,
            reviewers=[p.user for p in approvals if p.user is not None],
            statuses=[_status(self._slug, number, n, s, touched) for n, s in enumerate(builds, 1)],
            closed_by=None if state == "OPEN" else author,
        )
        self.made.append(pull)
        return pull


def _status(slug: str, pull: int, number: int, state: str, touched: datetime) -> CommitStatus:
    begun = touched - timedelta(hours=2, minutes=-number)
    return CommitStatus(f"{slug}-{pull}-{number}", state, begun, begun + timedelta(minutes=5))


def runs(
    slug: str, today: datetime, ages: Iterable[float], *, creator: Account, branch: str = "main"
) -> list[Pipeline]:
    """Successful pipeline runs that were made so many days before today, oldest first."""
    made: list[Pipeline] = []
    for number, age in enumerate(sorted(ages, reverse=True), 1):
        uuid, begun = uuid_of("pipeline", slug, str(number)), today - timedelta(days=age)
        ended = begun + timedelta(minutes=4)
        made.append(Pipeline(uuid, number, "COMPLETED", "SUCCESSFUL", begun, ended, creator, branch))
    return made
