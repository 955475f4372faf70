"""Plan: which repositories are due, in which order, and how that compares with the requests there are."""

import hashlib
import json
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from psycopg.types.json import Jsonb

from bitbucket_compliance.core.database import Connection, one_row, run_sql
from bitbucket_compliance.pipeline.extract import fetch
from bitbucket_compliance.pipeline.extract.resources import (
    BRANCH_RESTRICTIONS,
    LATEST_PIPELINE,
    PIPELINES_CONFIG,
    PULL_REQUEST_STATUSES,
    PULL_REQUESTS,
)
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.pipeline.stage.stage import stage_listing

log = logging.getLogger(__name__)

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
class Plan:
    """What a run sets out to read, and what that takes. Requests are estimates, from earlier runs where there are any.

    Attributes:
        repositories: listed in the workspace.
        causes: repositories to read, by cause.
        requests: estimate for this run.
        per_hour: requests that the budget allows in an hour; None: no limit.
        left: of these, still free now.
        hours: until the last planned request is sent, at this budget.
        later_requests: requests of one repository that is read again.
        daily_requests: estimate for a day in which every repository is read again when it changed or when its reading
            is as old as the policy allows.
        times_too_large: how many times the budget of a day that is; None where it fits.
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

    @property
    def to_read(self) -> int:
        """Repositories to read."""
        return sum(self.causes.values())


def plan_reading(connection: Connection, run: Run, budget: Budget) -> list[int]:
    """Stage the listing, choose the repositories that are due and split them into chunks; log what it will take.

    Returns:
        The numbers of the chunks, at least one, so that a mapped task has something to do where nothing is due.
    """
    stage_listing(connection, run)
    keys = {
        **run.keys,
        "chunk_size": CHUNK_SIZE,
        "full_refresh": run.full_refresh,
        "only_events": run.only_events,
        "reread_hours": run.policy.thresholds.reread_hours,
        "reading_basis": reading_basis(run),
        "today": run.today,
        "evidence_validity_days": run.policy.thresholds.evidence_validity_days,
    }
    run_sql(connection, "pipeline/extract/forget_reads.sql", keys)
    run_sql(connection, "pipeline/extract/plan_work.sql", keys)
    planned = run_sql(connection, "pipeline/extract/planned.sql", keys).fetchall()
    listed = one_row(
        connection.execute(
            "SELECT count(*) AS repositories FROM staging.repositories WHERE workspace = %(workspace)s", run.keys
        )
    )["repositories"]
    # Whether the budget suffices is a question of polling.
    a_day = 0.0 if run.only_events else _readings_a_day(connection, run, keys)
    causes = {row["cause"]: row["repositories"] for row in planned}
    plan = make_plan(listed, causes, _costs(connection, run, keys), budget, a_day)
    connection.execute(
        "UPDATE integration.runs SET repositories = %s, plan = %s WHERE run_id = %s",
        (listed, Jsonb(asdict(plan)), run.run_id),
    )
    connection.commit()
    say(run.workspace, plan, run.policy.thresholds.reread_hours)
    return list(range(max((row["last_chunk"] for row in planned), default=0) + 1))


def reading_basis(run: Run) -> str:
    """Twelve hexadecimal digits that change when another grant or policy asks for other calls on a repository."""
    thresholds = run.policy.thresholds
    basis = {
        "scopes": None if run.scopes_granted is None else sorted(run.scopes_granted),
        "role": run.identity_role,
        "window": thresholds.behaviour_window_days,
        "sample": thresholds.behaviour_sample,
        "builds": run.policy.enabled("status_checks_required"),
    }
    return hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()[:12]


def make_plan(
    listed: int,
    causes: dict[str, int],
    costs: tuple[float, float],
    budget: Budget,
    a_day: float,
) -> Plan:
    """The plan's figures.

    Args:
        listed: repositories in the workspace.
        causes: repositories to read, by cause.
        costs: requests of a repository's first reading, and of a later one.
        budget: what may be spent.
        a_day: how often a repository is read again in a day.
    """
    first, later = costs
    new = causes.get("never_read", 0)
    requests = math.ceil(new * first + (sum(causes.values()) - new) * later)
    limit, left = budget.limit, budget.left()
    daily = math.ceil(listed * later * a_day)
    hours = 0.0 if limit is None or left is None or requests <= left else (requests - left) / limit
    too_large = daily / (24 * limit) if limit else 0.0
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
    )


def readings_a_day(seen: Mapping[str, float], reread_hours: float) -> float:
    """How often a repository is read again in a day, from how often repositories changed in the last days.

    A reading ends when the repository changes or when it is old, at nine tenths of ``reread_hours`` on average. With
    changes at a constant rate ``r`` the mean time between two readings is ``(1 - exp(-r * old)) / r`` hours.

    Args:
        seen: ``changed`` (how often a repository was found changed) and ``hours`` (for which that was looked at, all
            repositories together).
        reread_hours: of the policy.
    """
    old = max(0.9 * reread_hours, 1.0)
    if not seen["changed"] or not seen["hours"]:
        return 24 / old
    rate = seen["changed"] / seen["hours"]
    return 24 * rate / -math.expm1(-rate * old)


def say(workspace: str, plan: Plan, reread_hours: float) -> None:
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
    if plan.per_hour is None:
        return
    if plan.hours:
        log.info(
            "progress: %d requests left in this hour, %d an hour allowed: the reading waits for about %.1f hours",
            plan.left,
            plan.per_hour,
            plan.hours,
        )
    if plan.times_too_large:
        log.warning(
            "workspace %s is %.1f times too large for its budget: reading each of %d repositories again every %g hours "
            "takes about %d requests a day, %d an hour allow %d; verdicts will be up to %.0f hours old. "
            "Connect with a workspace access token (its limit grows with the workspace), raise requests_per_hour where "
            "Bitbucket allows more, or raise thresholds.reread_hours in the policy",
            workspace,
            plan.times_too_large,
            plan.repositories,
            reread_hours,
            plan.daily_requests,
            plan.per_hour,
            24 * plan.per_hour,
            max(reread_hours, plan.repositories * plan.later_requests / plan.per_hour),
        )


def _readings_a_day(connection: Connection, run: Run, keys: dict[str, Any]) -> float:
    seen = one_row(run_sql(connection, "pipeline/extract/changes_seen.sql", keys))
    return readings_a_day(seen, run.policy.thresholds.reread_hours)


def reading_cost(connection: Connection, run: Run) -> float:
    """Requests that it takes to read one repository again, everything below it included."""
    return _costs(connection, run, {**run.keys, "reading_basis": reading_basis(run)})[1]


def _costs(connection: Connection, run: Run, keys: dict[str, Any]) -> tuple[float, float]:
    """Requests of a first and of a later reading: as they were under the same grant and policy, or by reckoning."""
    known = one_row(run_sql(connection, "pipeline/extract/reading_costs.sql", keys))
    first, later = reckoned_costs(run)
    return float(known["first_reading"] or first), float(known["later_reading"] or later)


def reckoned_costs(run: Run) -> tuple[float, float]:
    """Requests of a first and of a later reading of one repository by the scopes granted, where no run has shown it."""
    resources = (BRANCH_RESTRICTIONS, PULL_REQUESTS, PIPELINES_CONFIG, LATEST_PIPELINE)
    allowed = [resource for resource in resources if not fetch.missing_scopes(resource, run.scopes_granted)]
    builds = BRANCH_RESTRICTIONS not in allowed and not fetch.missing_scopes(PULL_REQUEST_STATUSES, run.scopes_granted)
    later = max(len(allowed), 1)
    return later + (run.policy.thresholds.behaviour_sample if builds else 0), later + (0.5 if builds else 0)
