"""Plan: which repositories are due, in which order, and how that compares with the requests there are."""

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from psycopg.types.json import Jsonb

from bitbucket_compliance.core.database import Connection, one_row, run_sql
from bitbucket_compliance.pipeline.extract.addresses import batches, declared_addresses
from bitbucket_compliance.pipeline.extract.plan.costs import read_signature, reading_costs, readings_a_day
from bitbucket_compliance.pipeline.extract.selection import fallback_tests
from bitbucket_compliance.pipeline.fill import forget_left
from bitbucket_compliance.pipeline.run.identity import kept_as
from bitbucket_compliance.pipeline.run.run import Run, listed_repositories
from bitbucket_compliance.pipeline.stage.stage import stage_listing

log = logging.getLogger(__name__)

_SQL = "pipeline/extract/plan"

# Requests keep all connections busy within a chunk, and run dry at its end: few and large ones lose less. A retry asks
# only for what has not landed, so a large one costs no more.
CHUNK_SIZE = 250

# Estimates aren't exact to a twentieth, and "1.0 times too large" would tell nobody anything.
TOO_LARGE = 1.05


class Budget(Protocol):
    """What is asked of ``bitbucket_cloud``'s rate limiter."""

    @property
    def limit(self) -> int | None: ...

    def left(self) -> int | None: ...


@dataclass(frozen=True)
class Shared:
    """What other workspaces of the same consumer take of its budget.

    Attributes:
        workspaces: how many others there are.
        daily_requests: of all of them in a day, as far as they were planned yet.
        requests_left: that those of their runs which are at work now still have to send.
    """

    workspaces: int = 0
    daily_requests: int = 0
    requests_left: int = 0


@dataclass(frozen=True)
class Plan:
    """What a run sets out to read, and what that takes. Requests are estimates, from earlier runs where there are any.

    Attributes:
        repositories: listed in the workspace.
        causes: repositories to read, by cause.
        requests: estimate for this run.
        per_hour: requests that the budget allows in an hour; None: no limit.
        left: of these, still free now.
        hours: until the last planned request is sent, at this budget, those of other workspaces' runs included.
        later_requests: requests of one repository that is read again.
        daily_requests: estimate for a day in which every repository is read again when it changed or when its reading
            is as old as the policy allows, and every declared address is looked up.
        address_requests: of these, for the declared addresses.
        times_too_large: how many times the budget of a day that is, with what the other workspaces take; None where it
            fits.
        shared: what other workspaces take of the same budget.
    """

    repositories: int
    causes: dict[str, int]
    requests: int
    per_hour: int | None
    left: int | None
    hours: float
    later_requests: float
    daily_requests: int
    times_too_large: float | None
    address_requests: int = 0
    shared: Shared = Shared()

    @property
    def to_read(self) -> int:
        """Repositories to read."""
        return sum(self.causes.values())


def plan_reading(connection: Connection, run: Run, budget: Budget, workspaces: Sequence[str] = ()) -> list[int]:
    """Stage the listing, choose the repositories that are due and split them into chunks; log what it will take.

    Args:
        workspaces: that share the budget, as the Bitbucket connection names them.

    Returns:
        The numbers of the chunks, at least one, so that a mapped task has something to do where nothing is due.
    """
    stage_listing(connection, run)
    keys = {
        **run.keys,
        "chunk_size": CHUNK_SIZE,
        "full_refresh": run.full_refresh,
        "incremental": run.incremental,
        "reread_hours": run.policy.thresholds.reread_hours,
        "read_signature": read_signature(run),
        "fallback_tests": fallback_tests(run.policy),
        "today": run.today,
        "evidence_validity_days": run.policy.thresholds.evidence_validity_days,
    }
    # A repository that comes back is read anew.
    forget_left(connection, "landing.repository_reads", run.workspace)
    run_sql(connection, f"{_SQL}/plan_work.sql", keys)
    planned = run_sql(connection, f"{_SQL}/planned.sql", keys).fetchall()
    # Whether the budget suffices is a question of polling.
    changes = None if run.incremental else one_row(run_sql(connection, f"{_SQL}/changes_seen.sql", keys))
    plan = make_plan(
        listed_repositories(connection, run),
        {row["cause"]: row["repositories"] for row in planned},
        reading_costs(connection, run),
        budget,
        readings_a_day(changes, run.policy.thresholds.reread_hours) if changes else 0.0,
        address_requests=len(list(batches(declared_addresses(connection, run.policy.thresholds)))),
        shared=_shared(connection, run, workspaces),
    )
    connection.execute(
        "UPDATE integration.runs SET repositories = %s, plan = %s WHERE run_id = %s",
        (plan.repositories, Jsonb(asdict(plan)), run.run_id),
    )
    connection.commit()
    log_plan(run.workspace, plan, run.policy.thresholds.reread_hours)
    return list(range(max((row["last_chunk"] for row in planned), default=0) + 1))


def planned_requests(connection: Connection, run: Run) -> int:
    """The requests that the run's plan estimates."""
    query = "SELECT (plan ->> 'requests')::integer AS requests FROM integration.runs WHERE run_id = %s"
    return int(one_row(connection.execute(query, (run.run_id,)))["requests"])


def _shared(connection: Connection, run: Run, workspaces: Sequence[str]) -> Shared:
    others = sorted({kept_as(connection, named) for named in workspaces} - {run.workspace})
    taken = one_row(run_sql(connection, f"{_SQL}/shared.sql", {**run.keys, "workspaces": others}))
    return Shared(len(others), taken["daily_requests"], taken["requests_left"])


def make_plan(
    listed: int,
    causes: dict[str, int],
    costs: tuple[float, float],
    budget: Budget,
    a_day: float,
    address_requests: int = 0,
    shared: Shared = Shared(),
) -> Plan:
    """The plan's figures.

    Args:
        listed: repositories in the workspace.
        causes: repositories to read, by cause.
        costs: requests of a repository's first reading, and of a later one.
        budget: what may be spent.
        a_day: how often a repository is read again in a day.
        address_requests: that looking up all declared addresses takes, once a day.
        shared: what other workspaces take of the same budget.
    """
    first, later = costs
    new = causes.get("never_read", 0)
    requests = math.ceil(new * first + (sum(causes.values()) - new) * later)
    limit, left = budget.limit, budget.left()
    daily = math.ceil(listed * later * a_day) + (address_requests if a_day else 0)
    ahead = requests + shared.requests_left if requests else 0
    hours = 0.0 if limit is None or left is None or ahead <= left else (ahead - left) / limit
    # Whether the budget suffices is a question of polling, as the readings of a day are.
    too_large = (daily + shared.daily_requests) / (24 * limit) if limit and a_day else 0.0
    return Plan(
        repositories=listed,
        causes=causes,
        requests=requests,
        per_hour=limit,
        left=left,
        hours=round(hours, 1),
        later_requests=round(later, 2),
        daily_requests=daily,
        times_too_large=round(too_large, 1) if too_large >= TOO_LARGE else None,
        address_requests=address_requests,
        shared=shared,
    )


def log_plan(workspace: str, plan: Plan, reread_hours: float) -> None:
    """The plan in the run's log; what a person should act on as a warning."""
    why = ", ".join(f"{count} {cause.replace('_', ' ')}" for cause, count in plan.causes.items()) or "nothing is due"
    spared = 0 if plan.causes.keys() == {"event"} else plan.repositories - plan.to_read
    log.info(
        "progress: %d of %d repositories to read (%s), about %d requests%s",
        plan.to_read,
        plan.repositories,
        why,
        plan.requests,
        f"; {spared} unchanged since they were read, full_refresh reads them too" if spared else "",
    )
    if plan.address_requests:
        log.info("progress: looking up the declared addresses takes about %d requests a day", plan.address_requests)
    if plan.per_hour is None:
        return
    if plan.shared.workspaces:
        log.info(
            "progress: %d an hour are shared with %d other workspaces of the connection, which take about %d requests "
            "a day; their runs that are at work now have %d left to send",
            plan.per_hour,
            plan.shared.workspaces,
            plan.shared.daily_requests,
            plan.shared.requests_left,
        )
    if plan.hours:
        log.info(
            "progress: %d requests left in this hour, %d an hour allowed: the reading waits for about %.1f hours",
            plan.left,
            plan.per_hour,
            plan.hours,
        )
    if plan.times_too_large:
        others = f" with the {plan.shared.workspaces} others of its connection" if plan.shared.daily_requests else ""
        log.warning(
            "workspace %s%s is %.1f times too large for its budget: reading each of %d repositories again every %g "
            "hours takes about %d requests a day%s, %d an hour allow %d; verdicts will be up to %.0f hours old. "
            "Connect with a workspace access token (its limit grows with the workspace), raise requests_per_hour where "
            "Bitbucket allows more, or raise thresholds.reread_hours in the policy",
            workspace,
            others,
            plan.times_too_large,
            plan.repositories,
            reread_hours,
            plan.daily_requests,
            f", the others {plan.shared.daily_requests}" if others else "",
            plan.per_hour,
            24 * plan.per_hour,
            # In turn with the others, each as often as its share of the requests lets it.
            max(
                reread_hours,
                plan.repositories * plan.later_requests / plan.per_hour,
                24 * plan.times_too_large if others else 0,
            ),
        )
