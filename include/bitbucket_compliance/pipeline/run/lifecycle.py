"""How a run begins and ends: lease, policy, the run's row, and the events that it leaves."""

import logging
from datetime import UTC, datetime

from bitbucket_compliance.core.database import connect, run_sql
from bitbucket_compliance.core.errors import postgres_errors
from bitbucket_compliance.pipeline.run.events.waiting import release_events, require_events
from bitbucket_compliance.pipeline.run.identity import kept_as, plain_workspace, workspace_of
from bitbucket_compliance.pipeline.run.lease import (
    Airflow,
    give_lease_back,
    require_newest,
    take_lease,
    take_lease_at_once,
)
from bitbucket_compliance.policy.model import contradictions
from bitbucket_compliance.policy.overrides import keep_version
from bitbucket_compliance.security_tests.policies import policy_of
from bitbucket_compliance.security_tests.published import require_catalogue

log = logging.getLogger(__name__)


def start_run(
    workspace: str,
    run_id: str,
    *,
    full_refresh: bool = False,
    incremental: bool = False,
    asked_at: datetime | None = None,
    airflow: Airflow | None = None,
) -> bool:
    """Take the workspace's lease, validate the policy and open the run's row.

    Args:
        incremental: the run reads what webhooks announced, and judges the repositories it read. All others are judged
            too where the policy is another than that of the last published run.
        asked_at: when the run was first asked for; None: now.
        airflow: knows which runs have ended; None: what their tasks show has to do.

    Returns:
        Whether the run answers events about few repositories, so that one task may do all of it.

    Raises:
        WorkspaceUnknown: the parameter is no workspace slug and no uuid.
        PolicyInvalid: the overriding file, or what was set for the workspace, holds something unknown.
        RunNotNeeded: another run of the workspace is at work, or a later one went on already; or no event waits, or
            none can be answered now.
        SchemaMissing: the database has the catalogue of another version.
        WaitForOtherRun: another run may have been interrupted a moment ago; come back to see.
    """
    plain_workspace(workspace)
    is_small = False
    connection = connect()
    with postgres_errors(), connection:
        workspace = kept_as(connection, workspace)
        require_newest(connection, run_id)
        require_catalogue(connection)
        policy = policy_of(connection, workspace)
        for told in contradictions(policy):
            log.warning("policy of workspace %s: %s", workspace, told)
        if incremental:
            is_small = require_events(connection, workspace, run_id)
            take_lease_at_once(connection, workspace, run_id, airflow)
        else:
            take_lease(connection, workspace, run_id, asked_at or datetime.now(UTC), airflow=airflow)
        keys = {
            "run_id": run_id,
            "workspace": workspace,
            "started_at": datetime.now(UTC),
            "full_refresh": full_refresh,
            "policy_version": keep_version(connection, policy),
            "incremental": incremental,
        }
        run_sql(connection, "pipeline/run/end_interrupted.sql", keys)
        run_sql(connection, "pipeline/run/open_run.sql", keys)
    log.info("run %s of workspace %s under policy %s", run_id, workspace, policy.version)
    return is_small


def finish_run(workspace: str, run_id: str) -> str | None:
    """Give the lease back; a run that did not publish by now has failed. Events it did not answer wait again.

    Returns:
        Why the run failed, as a sentence; None where it was published, or another run took its place.
    """
    connection = connect()
    with postgres_errors(), connection:
        workspace = workspace_of(connection, run_id, workspace)
        keys = {"workspace": workspace, "run_id": run_id}
        give_lease_back(connection, workspace, run_id)
        run_sql(connection, "pipeline/run/want_no_more.sql", keys)
        closed = run_sql(connection, "pipeline/run/close_run.sql", keys).fetchone()
        release_events(connection, workspace, run_id)
    if closed is None or closed["status"] in ("published", "superseded"):
        return None
    return f"run {run_id} of workspace {workspace} did not publish: {closed['error']}"
