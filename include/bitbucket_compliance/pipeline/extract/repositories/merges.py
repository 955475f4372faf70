"""What was merged into the main branch of one repository, as far as it decides what else has to be asked.

The rules are those by which ``judging.merges`` and ``judging.built_merges`` judge.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bitbucket_compliance.resources.model import Body

BuildState = Literal["passing", "broken", "under_way"]

#: For so long after the merge a build may be under way.
BUILDS_MAY_TAKE = timedelta(days=2)


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
