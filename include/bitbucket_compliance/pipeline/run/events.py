"""Events of webhooks: which run answers them, what it may spend on them, and what happens to those it left.

An event says what to read again, never what to believe. It is taken up before anything is read, so what a run reads
is newer than every event it answers; it counts as answered when that run is published, in the same transaction. Until
then it waits, whatever becomes of the run. Only one run of a workspace is at work, so whoever had taken it up before
is gone.
"""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bitbucket_compliance.core.database import Connection, one_row, run_sql

if TYPE_CHECKING:
    from bitbucket_compliance.pipeline.run.run import Run

log = logging.getLogger(__name__)

#: What shows in the listing of a workspace: repositories came, went, or are called otherwise.
STRUCTURAL = ("repo:created", "repo:deleted", "repo:fork", "repo:imported", "repo:transfer", "project:updated")

# Seconds for which events wait that no request is left for.
POSTPONED = 900.0
PAGE = 100


@dataclass(frozen=True)
class Touched:
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


def take_up(connection: Connection, run: "Run", repository_cost: float, hourly: int | None) -> list[Touched]:
    """Let the run answer what waits: a polling run all of it, a run for events what it may spend requests on.

    What it took up in an earlier try of the step stays as it is: newer events would be older than what was read since.
    Commits.

    Args:
        repository_cost: requests that reading one repository takes.
        hourly: requests that the connection may send in an hour; None: no limit.

    Returns:
        What the run has to read, by repository, in the order of the events.
    """
    keys = {**run.keys, "structural": list(STRUCTURAL)}
    row = one_row(connection.execute("SELECT events FROM integration.runs WHERE run_id = %(run_id)s", run.keys))
    if row["events"] is None:
        if run.only_events:
            _take_affordable(connection, run, keys, repository_cost, hourly)
        else:
            run_sql(connection, "pipeline/run/claim_all.sql", run.keys)
    touched = _touched(run_sql(connection, "pipeline/run/claimed.sql", keys))
    count = sum(one.events for one in touched)
    connection.execute("UPDATE integration.runs SET events = %s WHERE run_id = %s", (count, run.run_id))
    connection.commit()
    if touched or run.only_events:
        log.info("progress: %d events of webhooks on %d repositories", count, len(touched))
    return touched


def release(connection: Connection, workspace: str, run_id: str) -> None:
    """At a run's end: what it did not answer waits again, what came meanwhile asks for a run. Joins the transaction."""
    run_sql(connection, "pipeline/run/release.sql", {"workspace": workspace, "run_id": run_id})


def postpone(connection: Connection, workspace: str, run_id: str) -> None:
    """Let what nobody took up wait for a while, or for a polling run. Joins the transaction."""
    run_sql(connection, "pipeline/run/postpone.sql", {"workspace": workspace, "run_id": run_id, "seconds": POSTPONED})


def announced_workspaces(connection: Connection) -> list[str]:
    """Workspaces for whose events a run was asked for and has not begun."""
    return [row["workspace"] for row in run_sql(connection, "pipeline/run/workspaces.sql")]


def affordable(touched: Sequence[Touched], repository_cost: float, listing_cost: int, allowance: float) -> set[str]:
    """Ids of the repositories that so many requests suffice for, first come, first served; "" for events about none.

    The listing is paid for once, by the first that needs it.
    """
    chosen: set[str] = set()
    left, is_listed = allowance, False
    for one in touched:
        cost = repository_cost if one.repository_id else 0.0
        if one.needs_listing and not is_listed:
            cost += listing_cost
        if cost <= left:
            chosen.add(one.repository_id)
            left -= cost
            is_listed |= one.needs_listing
    return chosen


def _take_affordable(
    connection: Connection, run: "Run", keys: Mapping[str, Any], repository_cost: float, hourly: int | None
) -> None:
    waiting = _touched(run_sql(connection, "pipeline/run/waiting.sql", keys))
    if hourly is None:
        chosen = {one.repository_id for one in waiting}
    else:
        spent = one_row(run_sql(connection, "pipeline/run/spent.sql"))["requests"]
        allowance = hourly * run.policy.thresholds.events_budget_share - spent
        listed = one_row(
            connection.execute(
                "SELECT count(*) AS repositories FROM staging.repositories WHERE workspace = %(workspace)s", run.keys
            )
        )["repositories"]
        chosen = affordable(waiting, repository_cost, math.ceil((listed + 1) / PAGE), allowance)
        if len(chosen) < len(waiting):
            log.warning(
                "events may spend %.0f of %d requests an hour (thresholds.events_budget_share), %d are spent: events "
                "on %d of %d repositories wait for a quarter of an hour, or for the next polling run",
                hourly * run.policy.thresholds.events_budget_share,
                hourly,
                spent,
                len(waiting) - len(chosen),
                len(waiting),
            )
    run_sql(connection, "pipeline/run/claim.sql", {**run.keys, "repository_ids": sorted(chosen)})
    if len(chosen) < len(waiting):
        postpone(connection, run.workspace, run.run_id)


def _touched(rows: Iterable[Mapping[str, Any]]) -> list[Touched]:
    return [
        Touched(row["repository_id"] or "", row["events"], bool(row["is_known"]), bool(row["is_structural"]))
        for row in rows
    ]
