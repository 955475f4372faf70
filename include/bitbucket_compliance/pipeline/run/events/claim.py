"""Which events a run answers.

An event says what to read again, never what to believe. A run claims events before it reads anything, so what it reads
is newer than every event it answers. They count as answered when that run is published, in the same transaction; until
then they wait, whatever becomes of the run.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bitbucket_compliance.core.database import Connection, one_row, run_sql
from bitbucket_compliance.pipeline.run.events.waiting import defer_events
from bitbucket_compliance.pipeline.run.run import Run, listed_repositories

log = logging.getLogger(__name__)

#: What shows in the listing of a workspace: repositories came, went, or are called otherwise.
STRUCTURAL = ("repo:created", "repo:deleted", "repo:fork", "repo:imported", "repo:transfer", "project:updated")

PAGE = 100
_SQL = "pipeline/run/events"


@dataclass(frozen=True)
class Announced:
    """What events announced of one repository, or of none (``repository_id`` empty).

    Attributes:
        events: how many.
        is_known: whether the repository was listed before.
        is_structural: whether the listing of the workspace has to be read to see what happened.
    """

    repository_id: str
    events: int
    is_known: bool
    is_structural: bool

    @property
    def needs_listing(self) -> bool:
        """Whether reading the repository alone can't tell what became of it."""
        return self.is_structural or not self.is_known


def claim_events(connection: Connection, run: Run, repository_cost: float, hourly: int | None) -> list[Announced]:
    """Let the run answer what waits: a polling run all of it, a run for events what it may spend requests on.

    What it claimed in an earlier try of the task stays as it is: newer events would be older than what was read since.
    Commits.

    Args:
        repository_cost: requests that reading one repository takes.
        hourly: requests that the connection may send in an hour; None: no limit.

    Returns:
        What the run has to read, by repository, in the order of the events.
    """
    row = one_row(connection.execute("SELECT events FROM integration.runs WHERE run_id = %(run_id)s", run.keys))
    if row["events"] is None:
        if run.incremental:
            _claim_affordable(connection, run, repository_cost, hourly)
        else:
            _claim(connection, run, None)
    announced = _announced(connection, run.keys, claimed=True)
    count = sum(one.events for one in announced)
    connection.execute("UPDATE integration.runs SET events = %s WHERE run_id = %s", (count, run.run_id))
    connection.commit()
    if announced or run.incremental:
        log.info("progress: %d events of webhooks on %d repositories", count, len(announced))
    return announced


def affordable(announced: Sequence[Announced], repository_cost: float, listing_cost: int, allowance: float) -> set[str]:
    """Ids of the repositories that so many requests suffice for, first come, first served; "" for events about none.

    The listing is paid for once, by the first that needs it.
    """
    chosen: set[str] = set()
    left, is_listed = allowance, False
    for one in announced:
        cost = repository_cost if one.repository_id else 0.0
        if one.needs_listing and not is_listed:
            cost += listing_cost
        if cost <= left:
            chosen.add(one.repository_id)
            left -= cost
            is_listed |= one.needs_listing
    return chosen


def _claim(connection: Connection, run: Run, repository_ids: set[str] | None) -> None:
    chosen = None if repository_ids is None else sorted(repository_ids)
    run_sql(connection, f"{_SQL}/claim.sql", {**run.keys, "repository_ids": chosen})


def _claim_affordable(connection: Connection, run: Run, repository_cost: float, hourly: int | None) -> None:
    """Claim the events that requests suffice for, and defer the others."""
    waiting = _announced(connection, run.keys, claimed=False)
    if hourly is None:
        _claim(connection, run, {one.repository_id for one in waiting})
        return
    spent = one_row(run_sql(connection, f"{_SQL}/spent.sql"))["requests"]
    share = hourly * run.policy.thresholds.events_budget_share
    listing_cost = math.ceil((listed_repositories(connection, run) + 1) / PAGE)
    chosen = affordable(waiting, repository_cost, listing_cost, share - spent)
    _claim(connection, run, chosen)
    if len(chosen) < len(waiting):
        log.warning(
            "events may spend %.0f of %d requests an hour (thresholds.events_budget_share), %d are spent: events on "
            "%d of %d repositories wait for a quarter of an hour, or for the next polling run",
            share,
            hourly,
            spent,
            len(waiting) - len(chosen),
            len(waiting),
        )
        defer_events(connection, run.workspace, run.run_id)


def _announced(connection: Connection, keys: Mapping[str, Any], *, claimed: bool) -> list[Announced]:
    rows = run_sql(connection, f"{_SQL}/announced.sql", {**keys, "structural": list(STRUCTURAL), "claimed": claimed})
    return [
        Announced(row["repository_id"], row["events"], bool(row["is_known"]), bool(row["is_structural"]))
        for row in rows
    ]
