"""A run of one workspace: how it begins and ends, and what its tasks need to know."""

import logging
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from psycopg.types.json import Jsonb

from bitbucket_compliance.core.database import Connection, connect, one_row, run_sql
from bitbucket_compliance.core.errors import WorkspaceUnknown, postgres_errors
from bitbucket_compliance.pipeline.run.events.waiting import release_events, require_events
from bitbucket_compliance.pipeline.run.lease import give_lease_back, take_lease, take_lease_at_once
from bitbucket_compliance.policy.model import Policy, contradictions
from bitbucket_compliance.policy.overrides import policy_of

log = logging.getLogger(__name__)

# Slugs: what Bitbucket lets a workspace be called.
_SLUG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True)
class Run:
    """What every task of a run needs to know.

    Attributes:
        incremental: it reads what webhooks announced, and nothing else.
        judges_all: it judges every subject, not only the repositories it read.
    """

    workspace: str
    run_id: str
    started_at: datetime
    full_refresh: bool
    policy: Policy
    policy_version: str
    scopes_granted: frozenset[str] | None
    identity_role: str | None = None
    incremental: bool = False
    judges_all: bool = True

    def reason_not_to_wait(self, now: datetime) -> str | None:
        """Why the run should publish what it has rather than wait for requests once more; None: it may wait."""
        if self.incremental:
            return "what webhooks announced can wait for the next run"
        hours = self.policy.numbers.reading_hours
        if now - self.started_at >= timedelta(hours=hours):
            return f"the run has been reading for more than {hours:g} hours"
        return None

    @property
    def window_start(self) -> datetime:
        """The instant from which merged pull requests and pipeline runs count as behaviour."""
        return self.started_at - timedelta(days=self.policy.numbers.behaviour_window_days)

    @property
    def today(self) -> date:
        """The day the run started on, in the policy's time zone."""
        return self.started_at.astimezone(ZoneInfo(self.policy.numbers.time_zone)).date()

    @property
    def keys(self) -> dict[str, object]:
        """Parameters every SQL file of the run may use."""
        return {"workspace": self.workspace, "run_id": self.run_id, "as_of": self.started_at}


def start_run(
    workspace: str,
    run_id: str,
    *,
    full_refresh: bool = False,
    incremental: bool = False,
    asked_at: datetime | None = None,
) -> None:
    """Take the workspace's lease, validate the policy and open the run's row.

    Args:
        incremental: the run reads what webhooks announced, and judges the repositories it read. All others are judged
            too where the policy is another than that of the last published run.
        asked_at: when the run was first asked for; None: now.

    Raises:
        WorkspaceUnknown: the parameter is no workspace slug.
        PolicyInvalid: the overriding file, or what was set for the workspace, holds something unknown.
        RunNotNeeded: another run of the workspace is at work; or no event waits, or none can be answered now.
        WaitForOtherRun: another run may have been interrupted a moment ago; come back to see.
    """
    if not _SLUG.fullmatch(workspace):
        raise WorkspaceUnknown(
            f"workspace {workspace!r} is no workspace slug; give the part behind bitbucket.org/ in its address"
        )
    connection = connect()
    with postgres_errors(), connection:
        policy = policy_of(connection, workspace)
        for told in contradictions(policy):
            log.warning("policy of workspace %s: %s", workspace, told)
        if incremental:
            require_events(connection, workspace, run_id)
            take_lease_at_once(connection, workspace, run_id)
        else:
            take_lease(connection, workspace, run_id, asked_at or datetime.now(UTC))
        connection.execute(
            "INSERT INTO registry.policy_versions (policy_version, body) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (policy.version, Jsonb(policy.model_dump(mode="json"))),
        )
        keys = {
            "run_id": run_id,
            "workspace": workspace,
            "started_at": datetime.now(UTC),
            "full_refresh": full_refresh,
            "policy_version": policy.version,
            "incremental": incremental,
        }
        run_sql(connection, "pipeline/run/end_interrupted.sql", keys)
        run_sql(connection, "pipeline/run/open_run.sql", keys)
    log.info("run %s of workspace %s under policy %s", run_id, workspace, policy.version)


def finish_run(workspace: str, run_id: str) -> None:
    """Give the lease back; a run that did not publish by now has failed. Events it did not answer wait again."""
    connection = connect()
    with postgres_errors(), connection:
        keys = {"workspace": workspace, "run_id": run_id}
        give_lease_back(connection, workspace, run_id)
        run_sql(connection, "pipeline/run/close_run.sql", keys)
        release_events(connection, workspace, run_id)


def listed_repositories(connection: Connection, run: Run) -> int:
    """How many repositories the workspace's newest listing names."""
    counted = connection.execute(
        "SELECT count(*) AS repositories FROM staging.repositories WHERE workspace = %(workspace)s", run.keys
    )
    return int(one_row(counted)["repositories"])
