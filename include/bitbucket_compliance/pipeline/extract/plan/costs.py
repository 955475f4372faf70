"""What reading takes: requests of a repository, and how often a repository is read in a day."""

import hashlib
import json
import math
from collections.abc import Mapping

from bitbucket_compliance.core.database import Connection, one_row, run_sql
from bitbucket_compliance.pipeline.extract.selection import (
    configuration_of,
    merge_rules,
    read_of_repositories,
    tests_that_also_read,
    tests_that_fall_back_on,
    wanted,
)
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.resources.model import Resource


def read_signature(run: Run) -> str:
    """Twelve hexadecimal digits that change when another grant or policy asks for other calls on a repository."""
    thresholds = run.policy.thresholds
    asked = {
        "scopes": None if run.scopes_granted is None else sorted(run.scopes_granted),
        "role": run.identity_role,
        "window": thresholds.behaviour_window_days,
        "sample": thresholds.behaviour_sample,
        "resources": [resource.name for resource in wanted(run.policy)],
        "protections": sorted(thresholds["required_protections"]),
        "merge_rules": [at_least for _, at_least in merge_rules(run.policy)],
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]


def reading_cost(connection: Connection, run: Run) -> float:
    """Requests that it takes to read one repository again, everything below it included."""
    return reading_costs(connection, run)[1]


def reading_costs(connection: Connection, run: Run) -> tuple[float, float]:
    """Requests of a first and of a later reading: as they were under the same grant and policy, else an estimate."""
    keys = {**run.keys, "read_signature": read_signature(run)}
    known = one_row(run_sql(connection, "pipeline/extract/plan/reading_costs.sql", keys))
    first, later = estimated_costs(run)
    return float(known["first_reading"] or first), float(known["later_reading"] or later)


def estimated_costs(run: Run) -> tuple[float, float]:
    """Requests of a first and of a later reading of one repository, by the scopes granted alone."""
    read = [
        resource
        for resource in read_of_repositories(run.policy)
        if not resource.missing_scopes(run.scopes_granted) and _is_needed(resource, run)
    ]
    first = sum(_first_requests(resource, run) for resource in read)
    return max(first, 1.0), max(sum(resource.later_requests for resource in read), 1.0)


def _is_needed(resource: Resource, run: Run) -> bool:
    """What is on demand counts where the grant lets nobody read the configuration that it stands in for."""
    if not resource.on_demand:
        return True
    asking = [*tests_that_fall_back_on(resource, run.policy), *tests_that_also_read(resource, run.policy)]
    stands_in_for = configuration_of(asking)
    return any(one.missing_scopes(run.scopes_granted) for one in stands_in_for)


def _first_requests(resource: Resource, run: Run) -> float:
    first = resource.first_requests
    return float(getattr(run.policy.thresholds, first)) if isinstance(first, str) else first


def readings_a_day(seen: Mapping[str, float], reread_hours: float) -> float:
    """How often a repository is read again in a day, from how often repositories changed in the last days.

    A reading ends when the repository changes or when it is old, at 85 % of ``reread_hours`` on average. With
    changes at a constant rate ``r`` the mean time between two readings is ``(1 - exp(-r * old)) / r`` hours.

    Args:
        seen: ``changed`` (how often a repository was found changed) and ``hours`` (for which that was looked at, all
            repositories together).
        reread_hours: of the policy.
    """
    old = max(0.85 * reread_hours, 1.0)
    if not seen["changed"] or not seen["hours"]:
        return 24 / old
    rate = seen["changed"] / seen["hours"]
    return 24 * rate / -math.expm1(-rate * old)
