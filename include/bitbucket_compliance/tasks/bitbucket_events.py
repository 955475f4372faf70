"""The body of the task of the DAG bitbucket_events."""

from typing import Any

from bitbucket_compliance.pipeline.run.events.waiting import announced_workspaces
from bitbucket_compliance.tasks.frame import compliance_postgres


def workspaces_with_events() -> list[dict[str, Any]]:
    """A run's ``conf`` for each workspace whose events wait for a run."""
    with compliance_postgres() as connection:
        found = announced_workspaces(connection)
    return [{"workspace": slug, "incremental": True} for slug in found]
