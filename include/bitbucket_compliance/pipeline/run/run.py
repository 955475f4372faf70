"""The run of one workspace: what its tasks need to know of it."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bitbucket_compliance.core.database import Connection, one_row
from bitbucket_compliance.policy.model import Policy

# How many runs of a workspace keep their verdicts, work lists, calls and pages; published history is kept by policy.
RUNS_KEPT = 30


@dataclass(frozen=True)
class Run:
    """What every task of a run needs to know.

    Attributes:
        incremental: it reads what webhooks announced, and nothing else.
        judges_all: it judges every subject, not only the repositories it read.
        workspace_id: the workspace's uuid, where a run before saw it.
        asked_as: how the run was told to name the workspace: its slug of any time, or its uuid in braces.
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
    workspace_id: str | None = None
    asked_as: str = ""

    def reason_not_to_wait(self, now: datetime) -> str | None:
        """Why the run should publish what it has rather than wait for requests once more; None: it may wait."""
        if self.incremental:
            return "what webhooks announced can wait for the next run"
        hours = self.policy.thresholds.reading_hours
        if now - self.started_at >= timedelta(hours=hours):
            return f"the run has been reading for more than {hours:g} hours"
        return None

    @property
    def oldest_reading(self) -> datetime:
        """The instant before which whatever was read is too old to judge by."""
        return self.started_at - timedelta(hours=self.policy.thresholds.max_data_age_hours)

    @property
    def oldest_merge_checks(self) -> datetime:
        """The instant from which on merge checks of a pull request that was closed since still decide."""
        return self.started_at - timedelta(days=self.policy.thresholds.merge_checks_valid_days)

    @property
    def oldest_merge_checks_to_rely_on(self) -> datetime:
        """The same, as long as whatever is read now will be judged by: what stands in for them is read in time."""
        return self.oldest_merge_checks + timedelta(hours=self.policy.thresholds.max_data_age_hours)

    @property
    def window_start(self) -> datetime:
        """The instant from which merged pull requests and pipeline runs count as behaviour."""
        return self.started_at - timedelta(days=self.policy.thresholds.behaviour_window_days)

    @property
    def population_start(self) -> datetime:
        """The instant from which on merged pull requests belong to the population of changes."""
        thresholds = self.policy.thresholds
        days = max(thresholds.population_days, thresholds.behaviour_window_days)
        return self.started_at - timedelta(days=days)

    @property
    def today(self) -> date:
        """The day the run started on, in the policy's time zone."""
        return self.policy.thresholds.day_of(self.started_at)

    @property
    def keys(self) -> dict[str, object]:
        """Parameters every SQL file of the run may use."""
        return {"workspace": self.workspace, "run_id": self.run_id, "as_of": self.started_at}


def listed_repositories(connection: Connection, run: Run) -> int:
    """How many repositories the workspace's newest listing names."""
    counted = connection.execute(
        "SELECT count(*) AS repositories FROM staging.repositories WHERE workspace = %(workspace)s", run.keys
    )
    return int(one_row(counted)["repositories"])
