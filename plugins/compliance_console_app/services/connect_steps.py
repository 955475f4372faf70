"""The way from nothing to the first results as steps: which are done, and which one a person is on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from compliance_console_app.database import Connection, rows
from compliance_console_app.services.connections import View
from compliance_console_app.services.progress import Progress

#: by key, what each step is called
TITLES = {
    "consumer": "Make the OAuth consumer",
    "grant": "Grant access",
    "learned": "See what the grant allows",
    "run": "Watch the first run",
    "declare": "Take the first steps",
}


@dataclass(frozen=True)
class Learned:
    """What runs learned of one workspace.

    Attributes:
        workspace: its slug.
        at: when the newest run that got past preflight began; None: none has.
        role: of the connection's identity; None: Bitbucket did not tell.
        repositories: that were listed; None: not yet.
        requests, per_hour, hours: that the newest reading takes, that an hour allows (None: no limit), and for how long
            it waits for requests; None: it was not planned yet.
        daily_requests: of a day in which everything is kept up to date.
        times_too_large: how many times what a day allows that is; None: it fits.
        run_id: of the newest run; None: there is none. status: its own.
        is_published: whether a run ever published all of the workspace.
    """

    workspace: str
    at: datetime | None
    role: str | None
    repositories: int | None
    requests: int | None
    per_hour: int | None
    hours: float | None
    daily_requests: int | None
    times_too_large: float | None
    run_id: str | None
    status: str | None
    is_published: bool

    @property
    def takes(self) -> str:
        """How long reading takes within the hour's budget, as a sentence; empty: not planned yet."""
        if self.requests is None:
            return ""
        if self.per_hour is None:
            return "no hourly limit is set"
        if not self.hours:
            return f"fits into what is left of the hour's {self.per_hour:,}"
        waits = f"{self.hours:g} hours" if self.hours >= 1 else f"{max(1, math.ceil(self.hours * 60))} minutes"
        return f"of {self.per_hour:,} an hour: it waits for about {waits}, and goes on by itself"

    @property
    def day_after(self) -> str:
        """What a day takes from then on, as a sentence; empty: not planned yet."""
        if not self.daily_requests or self.per_hour is None:
            return ""
        told = f"about {self.daily_requests:,} a day, of {24 * self.per_hour:,}"
        return f"{told}: {self.times_too_large:g} times too many" if self.times_too_large else told


@dataclass(frozen=True)
class Step:
    """A step: ``state`` is ``done``, ``now`` or ``later``; ``told`` is its outcome, or what is missing, in short."""

    key: str
    number: int
    state: str
    told: str

    @property
    def title(self) -> str:
        """What it is called."""
        return TITLES[self.key]


def learned(connection: Connection, workspaces: Sequence[str]) -> list[Learned]:
    """What is known of each workspace, in the connection's order."""
    return [_learned(known) for known in rows(connection, "connections/learned", {"workspaces": list(workspaces)})]


def _learned(known: dict[str, Any]) -> Learned:
    plan = known["plan"] or {}
    return Learned(
        workspace=known["workspace"],
        at=known["started_at"],
        role=known["identity_role"],
        repositories=known["repositories"],
        requests=plan.get("requests"),
        per_hour=plan.get("per_hour"),
        hours=plan.get("hours"),
        daily_requests=plan.get("daily_requests"),
        times_too_large=plan.get("times_too_large"),
        run_id=known["run_id"],
        status=known["status"],
        is_published=known["is_published"],
    )


def steps(view: View, known: Sequence[Learned], runs: Sequence[Progress], left: int) -> list[Step]:
    """The steps in their order: those whose outcome is there are done, the first other one is now.

    Args:
        view: the connection. known: its workspaces. runs: those that are under way, or ended without results.
        left: how many of the first steps nobody has done yet.
    """
    is_usable = view.problem is None and bool(view.workspaces)
    is_granted = view.problem is None and view.status == "connected"
    outcomes = (
        ("consumer", is_usable, view.conn_id if is_usable else "its key and secret are kept in Airflow"),
        ("grant", is_granted, _granted(view)),
        ("learned", is_granted and _is_learned(view, known), _found(known)),
        ("run", bool(known) and all(one.is_published for one in known), _ran(known, runs)),
        ("declare", bool(known) and not left, f"{left} of them left" if left else "all of them are done"),
    )
    found: list[Step] = []
    for number, (key, is_done, told) in enumerate(outcomes, 1):
        is_next = all(step.state == "done" for step in found)
        found.append(Step(key, number, "done" if is_done else "now" if is_next else "later", told))
    return found


def _granted(view: View) -> str:
    if view.status == "needs_reconnect":
        return "it has to be given again"
    if view.status != "connected":
        return "on Bitbucket's own page"
    return f"by {view.connected_by}" if view.needs_consent else "the connection signs in by itself"


def _is_learned(view: View, known: Sequence[Learned]) -> bool:
    """Whether each workspace was looked at since the grant that stands."""
    since = view.connected_at
    return bool(known) and all(one.at is not None and (since is None or one.at >= since) for one in known)


def _found(known: Sequence[Learned]) -> str:
    listed = [one.repositories for one in known if one.repositories is not None]
    if not listed:
        return "scopes, role, repositories, and how long reading takes"
    return f"{sum(listed):,} {'repository' if sum(listed) == 1 else 'repositories'}"


def _ran(known: Sequence[Learned], runs: Sequence[Progress]) -> str:
    if any(not run.is_over for run in runs):
        return "under way"
    if known and all(one.is_published for one in known):
        return "results are published"
    return "it ended without results" if runs else "it starts by itself once access is granted"
