"""Events that no published run has answered: whether a run is needed for them, and when they may ask for one again."""

from bitbucket_compliance.core.database import Connection, one_row, run_sql
from bitbucket_compliance.core.errors import RunNotNeeded

# Seconds for which events wait that no request is left for, or that no run can answer yet.
DEFERRED = 900.0

# Repositories whose events one task answers alone: reading and judging them takes less time than Airflow takes from one
# task to the next.
FEW = 10

_SQL = "pipeline/run/events"


def require_events(connection: Connection, workspace: str, run_id: str) -> bool:
    """Go on only where events wait and their workspace was judged before.

    Returns:
        Whether they are about few repositories.

    Raises:
        RunNotNeeded: no event waits, or no whole run was published before.
    """
    row = one_row(run_sql(connection, f"{_SQL}/whether_needed.sql", {"workspace": workspace}))
    if not row["waits"]:
        raise RunNotNeeded(f"no event of workspace {workspace} waits: another run has answered them")
    if not row["was_judged"]:
        defer_events(connection, workspace, run_id)
        connection.commit()
        raise RunNotNeeded(f"workspace {workspace} was never judged yet: its first whole run answers the events too")
    return int(row["repositories"]) <= FEW


def defer_events(connection: Connection, workspace: str, run_id: str) -> None:
    """Let what the run did not claim wait for a while, or for a polling run. Joins the transaction."""
    run_sql(connection, f"{_SQL}/defer.sql", {"workspace": workspace, "run_id": run_id, "seconds": DEFERRED})


def release_events(connection: Connection, workspace: str, run_id: str) -> None:
    """At a run's end: what it did not answer waits again, what came meanwhile asks for a run. Joins the transaction."""
    run_sql(connection, f"{_SQL}/release.sql", {"workspace": workspace, "run_id": run_id})


def announced_workspaces(connection: Connection) -> list[str]:
    """Workspaces for whose events a run was asked for and has not begun."""
    return [row["workspace"] for row in run_sql(connection, f"{_SQL}/workspaces.sql")]
