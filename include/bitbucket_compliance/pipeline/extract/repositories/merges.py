"""What was merged into the main branch of one repository, as far as it decides what else has to be asked.

The rules are those by which ``judging.merges`` and ``judging.built_merges`` judge.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.resources.catalogue import PULL_REQUEST_ACTIVITY, PULL_REQUEST_STATUSES
from bitbucket_compliance.resources.model import Body

BuildState = Literal["passing", "broken", "under_way"]

#: For so long after the merge a build may be under way.
BUILDS_MAY_TAKE = timedelta(days=2)
#: So many old merges of a repository are looked up in a run.
MOST_LOOKED_UP = 5
#: Of one merge each; no run asks for what an earlier one decided by.
DETAILS = (PULL_REQUEST_STATUSES.name, PULL_REQUEST_ACTIVITY.name)


@dataclass(frozen=True)
class Known:
    """What earlier runs learnt of a pull request.

    Attributes:
        merged_on: when it counts as merged; None: it was not merged when it was read.
        merged_after: it was not merged before: then it was created, or read as open.
    """

    merged_on: datetime | None
    merged_after: datetime | None


@dataclass(frozen=True)
class Merge:
    """A pull request that was merged into the main branch, or into one that was the main branch then.

    Attributes:
        merged_after: it was not merged before; None: nobody knows.
        merged_on: when it counts as merged.
        approvals: of how many peers; None: the answer did not say who took part.
    """

    number: int
    merged_after: datetime | None
    merged_on: datetime
    approvals: int | None

    @property
    def place(self) -> tuple[datetime, int]:
        """What newer ones have more of."""
        return self.merged_on, self.number

    def is_certain(self, window_start: datetime) -> bool:
        """Whether it was merged in the window; else it may have been merged before, and commented on since."""
        return self.merged_after is not None and self.merged_after >= window_start


class FormerMainBranch(NamedTuple):
    """A branch that was the main branch; ``since`` None: ever."""

    name: str | None
    since: datetime | None
    until: datetime


@dataclass
class Merges:
    """The merges into the main branch of one repository, and what is known of each.

    Attributes:
        not_peers: accounts whose approvals count for nothing, in lower case.
        former_main_branches: merges into one of them count like those into the main branch.
        known: what earlier runs learnt of pull requests, by number.
        found: what the listing brought, by number.
        builds: build statuses, as far as they are known.
        dates: when they were merged, by their activity, as far as it was looked up; None: it does not say.
        asked_now: by detail, the merges of which this run asked for it.
        failed: those that could not be looked up.
    """

    main_branch: str | None
    not_peers: frozenset[str] = frozenset()
    former_main_branches: list[FormerMainBranch] = field(default_factory=list)
    known: dict[int, Known] = field(default_factory=dict)
    found: dict[int, Merge] = field(default_factory=dict)
    builds: dict[int, list[Body]] = field(default_factory=dict)
    dates: dict[int, datetime | None] = field(default_factory=dict)
    asked_now: dict[str, set[int]] = field(default_factory=lambda: {name: set() for name in DETAILS})
    failed: set[int] = field(default_factory=set)

    @property
    def are_whole(self) -> bool:
        """Whether every answer was whole, and every lookup went well."""
        return not self.failed and all(merge.approvals is not None for merge in self.found.values())

    def remember(self, bodies: Iterable[Body]) -> None:
        """Take in the pull requests of a listing.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: a body isn't what Bitbucket promises.
        """
        for body in bodies:
            merge = merge_of(body, self.known.get(int(body["id"])), self.not_peers)
            branch = ((body.get("destination") or {}).get("branch") or {}).get("name")
            if merge is not None and self._was_main_branch(branch, merge.merged_on):
                self.found[merge.number] = merge

    def _was_main_branch(self, branch: str | None, at: datetime) -> bool:
        return branch == self.main_branch or any(
            branch == former.name and (former.since is None or former.since <= at) and at < former.until
            for former in self.former_main_branches
        )

    def remember_details(self, resource: str, bodies: Iterable[Body], *, is_of_this_run: bool = True) -> None:
        """Take in what this or an earlier run asked of single merges; raises as ``remember``."""
        for body in bodies:
            number, values = int(body["pull_request_id"]), list(body["values"])
            if resource == PULL_REQUEST_ACTIVITY.name:
                self.dates[number] = merge_date(values)
            else:
                self.builds[number] = values
            if is_of_this_run:
                self.asked_now[resource].add(number)

    def note_failure(self, resource: str, item: str) -> None:
        """Note that a detail of one merge could not be read; when others were merged may be looked up all the same."""
        if resource == PULL_REQUEST_ACTIVITY.name:
            self.asked_now[resource].add(int(item))
            self.failed.add(int(item))

    def since(self, window_start: datetime) -> list[Merge]:
        """The merges of the window, the newest first; those too that may have been merged before it."""
        dated = [
            replace(merge, merged_on=date, merged_after=date) if (date := self.dates.get(number)) else merge
            for number, merge in self.found.items()
        ]
        in_window = [merge for merge in dated if merge.merged_on >= window_start]
        return sorted(in_window, key=lambda merge: merge.place, reverse=True)


class NextMerge:
    """Which merge of a repository a detail is to be asked of next, by the policy and clock of a run."""

    def __init__(self, run: Run, merges: Merges):
        self._thresholds = run.policy.thresholds
        self._now = run.started_at
        self._merges = merges
        listed = merges.since(run.window_start)
        self._uncertain = [merge for merge in listed if not merge.is_certain(run.window_start)]
        under_way = merges.asked_now[PULL_REQUEST_STATUSES.name]
        self._certain = [
            merge
            for merge in listed
            if merge.is_certain(run.window_start)
            and not (self._builds(merge) == "under_way" and merge.number in under_way)
        ]

    def to_ask_for_builds(self) -> int | None:
        """The newest of the sample whose builds are not known, unless a newer one broke the rule already.

        Then those, as many at most as a sample has, that would be in the sample if they were merged in the window.
        """
        size = self._thresholds.behaviour_sample
        sample = self._certain[:size]
        for merge in sample:
            if self._is_to_be_asked(merge):
                return merge.number
            if self._builds(merge) == "broken":
                return None
        oldest = sample[-1].place if len(sample) == size else None
        uncertain = [one for one in self._uncertain if oldest is None or one.place > oldest]
        asked = sum(one.number in self._merges.asked_now[PULL_REQUEST_STATUSES.name] for one in uncertain)
        wanted = [one.number for one in uncertain if self._is_to_be_asked(one)]
        return wanted[0] if wanted and asked < size else None

    def to_look_up(self, *, behaviour_decides: bool) -> int | None:
        """The newest that may have been merged before the window, where that makes a difference.

        It does where the merge would break a rule, or where a clean record would rest on it.
        """
        asked = self._merges.asked_now[PULL_REQUEST_ACTIVITY.name]
        if len(asked) >= MOST_LOOKED_UP:
            return None
        seen = asked | self._merges.dates.keys()
        unknown = [one for one in self._uncertain if one.number not in seen]
        least = self._thresholds["min_approvals"]
        may_break = [one for one in unknown if (one.approvals or 0) < least or self._builds(one) == "broken"]
        enough = self._thresholds.behaviour_min_sample
        rests_on = behaviour_decides and len(self._certain) < enough <= len(self._certain) + len(unknown)
        wanted = may_break or (unknown if rests_on else [])
        return wanted[0].number if wanted else None

    def _is_to_be_asked(self, merge: Merge) -> bool:
        """Whether its builds are not known, or were under way when an earlier run asked."""
        state = self._builds(merge)
        asked_now = merge.number in self._merges.asked_now[PULL_REQUEST_STATUSES.name]
        return state is None or (state == "under_way" and not asked_now)

    def _builds(self, merge: Merge) -> BuildState | None:
        """None: they are not known."""
        statuses = self._merges.builds.get(merge.number)
        if statuses is None:
            return None
        return build_state(statuses, merge.merged_on, self._thresholds["min_passing_builds"], self._now)


def merge_of(body: Body, known: Known | None, not_peers: frozenset[str]) -> Merge | None:
    """The merge that a pull request of a listing is; None: it is none."""
    if body.get("state") != "MERGED":
        return None
    merged_on, merged_after = (known.merged_on, known.merged_after) if known else (None, None)
    if merged_on is None:
        created_on = body.get("created_on")
        bounds = [datetime.fromisoformat(created_on)] if created_on else []
        merged_on = datetime.fromisoformat(body["updated_on"])
        merged_after = max([*bounds, *([merged_after] if merged_after else [])], default=None)
    return Merge(int(body["id"]), merged_after, merged_on, peers(body, not_peers))


def peers(body: Body, not_peers: frozenset[str]) -> int | None:
    """How many persons approved who are neither the author nor among ``not_peers``; None: it doesn't say who took part.

    An approval of an account that was deleted since is none of them.
    """
    participants = body.get("participants")
    if not isinstance(participants, list):
        return None
    author = (body.get("author") or {}).get("uuid")
    approving = [one.get("user") or {} for one in participants if one.get("approved") is True]
    found = {user["uuid"] for user in approving if user.get("type") == "user" and _is_peer(user, author, not_peers)}
    return len(found)


def _is_peer(user: Mapping[str, str | None], author: str | None, not_peers: frozenset[str]) -> bool:
    uuid = user.get("uuid")
    names = {str(name).lower() for name in (uuid, user.get("account_id")) if name}
    return uuid is not None and uuid != author and names.isdisjoint(not_peers)


def merge_date(entries: Iterable[Body]) -> datetime | None:
    """When a pull request was merged, by its activity: its first update in that state; None: it doesn't say."""
    updates = [entry.get("update") or {} for entry in entries]
    dates = [datetime.fromisoformat(one["date"]) for one in updates if one.get("state") == "MERGED" and one.get("date")]
    return min(dates, default=None)


def build_state(statuses: Sequence[Body], merged_on: datetime, least: int, now: datetime) -> BuildState:
    """What the builds of a merge say: at least so many and all successful, or else.

    Those count that were created before the merge, the newest of each key. One that is under way may be so for two days
    from the merge.
    """
    states = _newest_states(statuses, merged_on)
    others = [state for state in states if state not in ("SUCCESSFUL", "INPROGRESS")]
    if len(states) < least or others:
        return "broken"
    if "INPROGRESS" not in states:
        return "passing"
    return "under_way" if now < merged_on + BUILDS_MAY_TAKE else "broken"


def _newest_states(statuses: Sequence[Body], merged_on: datetime) -> list[str | None]:
    newest: dict[object, tuple[datetime, bool, str | None]] = {}
    for place, status in enumerate(statuses):
        created_on = datetime.fromisoformat(status["created_on"]) if status.get("created_on") else merged_on
        if created_on > merged_on:
            continue
        key = status.get("key") or place
        state = status.get("state")
        found = (created_on, state != "SUCCESSFUL", state)
        if key not in newest or found[:2] > newest[key][:2]:
            newest[key] = found
    return [state for _, _, state in newest.values()]
