"""Sixty days of a workspace in which what happens is known: every number that an auditor reads is worked out by hand.

| day | what happens |
|---|---|
| 1 | the first run; everybody is on the roster and has two-step verification, by an export of this day |
| 10-18 | repo-0 may be rewritten: the rule against it is gone for nine runs |
| 20 | a merge that was reviewed |
| 25-27 | a merge a day into repo-1 that nobody approved |
| 30 | the last working day of Person 3, whose access is removed before the run of day 34 |
| 40, 41 | no run |
| 46 | the export is past its 45 days |
| 50 | the policy gives failures of medium severity 60 days instead of 90 |
| 55 | the risk of the merges is accepted |
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bitbucket_compliance.core.database import connect
from bitbucket_compliance.registry import exceptions, persons
from local.postgres import EmbeddedPostgres
from local.postgres_cluster import ADMIN_ROLE
from sandbox import actions
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.days import Days
from tests.pipeline.small import small_state, write_csv
from tests.policies import put_in_force

pytestmark = pytest.mark.slow

DAYS, NO_RUN = 60, {40, 41}
CLASSIFIED = "target_type,target,classification,sensitivity,owner"
MFA = "Email,Two-step verification"


class Story:
    """What happens on each day."""

    def __init__(self, days: Days, folder: Path):
        self.days, self._folder = days, folder
        self._rule: Any = None

    @property
    def repositories(self) -> list[Any]:
        found: list[Any] = self.days.server.state.workspaces[0].repositories
        return found

    def tell(self) -> None:
        for day in range(1, DAYS + 1):
            happens = getattr(self, f"day_{day}", None)
            if happens:
                happens()
            left = ("terminated", 30 - day) if day >= 30 else ("active", "")
            active = [(f"person-{number}@example.com", "active", "") for number in range(3)]
            self.days.roster(*active, ("person-3@example.com", *left))
            if 25 <= day <= 27:
                self.act("create_pull_request", "repo-1", author="person-0")
                self.act("merge", "repo-1")
            if day not in NO_RUN:
                self.days.run()
            if day < DAYS:
                self.days.pass_by(1)

    def act(self, name: str, slug: str, **what: Any) -> None:
        actions.ACTIONS[name](self.days.server.state, slug, **what)

    def day_1(self) -> None:
        pipeline = self.days.pipeline
        declared = [("repository", f"repo-{number}", "production", "", "") for number in range(2)]
        pipeline.take("classification", write_csv(self._folder / "c.csv", CLASSIFIED, declared))
        with connect() as connection:
            put_in_force(connection, "acme", {"thresholds": {"evidence_validity_days": 45}})
        states = [(f"person-{number}@example.com", "Yes") for number in range(4)]
        export = write_csv(self._folder / "mfa.csv", MFA, states)
        pipeline.take("mfa", export, captured_on=datetime.now(UTC).date())

    def day_10(self) -> None:
        [self._rule] = [one for one in self.repositories[0].restrictions if one.kind == "force"]
        self.repositories[0].restrictions.remove(self._rule)

    def day_19(self) -> None:
        self.repositories[0].restrictions.append(self._rule)

    def day_20(self) -> None:
        self.act("create_pull_request", "repo-1", author="person-0")
        self.act("approve", "repo-1")
        self.act("merge", "repo-1")

    def day_34(self) -> None:
        self.days.remove(3)

    def day_50(self) -> None:
        with connect() as connection:
            changes = {"thresholds": {"evidence_validity_days": 45, "due_days_medium": 60}}
            put_in_force(connection, "acme", changes, reason="sooner")

    def day_55(self) -> None:
        with connect() as connection:
            for person in ("airflow:ada", "airflow:bob"):
                persons.note(connection, person)
            asked = exceptions.ExceptionRequest(
                test_id="peer_review_required", workspace="acme", subject="repo-1", owner="airflow:ada",
                reason="reviewed afterwards", expires_at=datetime.now(UTC) + timedelta(days=30),
            )  # fmt: skip
            noted = exceptions.request(connection, asked, requested_by="airflow:ada")
            exceptions.decide(connection, noted.exception_id, "accept", decided_by="airflow:bob", reason="agreed")


@pytest.fixture
def story(
    pipeline: Pipeline,
    serve: Callable[[SandboxState], SandboxServer],
    postgres: EmbeddedPostgres,
    tmp_path: Path,
) -> Story:
    name = pipeline.dsn.rsplit("/", 1)[1].split("?")[0]
    days = Days(pipeline, serve(small_state(2)), postgres.uri(name, ADMIN_ROLE), tmp_path)
    return Story(days, tmp_path)


def test_every_number_is_the_one_that_was_worked_out_by_hand(story: Story) -> None:
    story.tell()
    pipeline = story.days.pipeline
    last = datetime.now(UTC).date()
    first = last - timedelta(days=DAYS - 1)

    def of_day(day: Any) -> int:
        """The number of a day of the story."""
        number: int = (day - first).days + 1
        return number

    controls = {
        row["tests"][0]: row
        for row in pipeline.query("SELECT * FROM compliance.control_period('acme', %s, %s)", (first, last))
        if len(row["tests"]) == 1
    }
    columns = (
        "state", "days", "days_observed", "days_with_failures", "days_with_undecided", "most_subjects",
        "findings_opened", "fixed_in_time", "fixed_late", "ended_otherwise", "open_at_end", "accepted_at_end",
        "changes", "changes_against",
    )  # fmt: skip
    told = {test: tuple(row[column] for column in columns) for test, row in controls.items()}
    exceptional = "operated with exceptions"
    # Day 41 is undecided everywhere: its results were read on day 39, more than two days before it ends.
    assert told["branch_protection_enforced"] == (exceptional, 60, 58, 9, 1, 2, 1, 1, 0, 0, 0, 0, None, None)
    # The merges stay in the window of 90 days: from day 25 on repo-1 fails, by one finding.
    assert told["peer_review_required"] == (exceptional, 60, 58, 36, 1, 2, 1, 0, 0, 0, 1, 1, 4, 3)
    # Days 31 to 33; the finding ends with the second listing without the member.
    assert told["offboarded_access_removed"] == (exceptional, 60, 58, 3, 1, 4, 1, 0, 0, 1, 0, 0, None, None)

    [leaver] = story.days.leavers()
    assert (leaver["state"], leaver["days_late"]) == ("removed late", 4)
    found = [of_day(leaver[column]) for column in ("last_working_day", "last_seen_on", "found_removed_on")]
    assert found == [30, 33, 34]

    changes = pipeline.query(
        "SELECT merged_on, repository, peer_reviewed FROM compliance.changes WHERE merged_on >= %s ORDER BY 1", (first,)
    )
    assert [(of_day(row["merged_on"].date()), row["repository"], row["peer_reviewed"]) for row in changes] == [
        (20, "repo-1", True), (25, "repo-1", False), (26, "repo-1", False), (27, "repo-1", False),
    ]  # fmt: skip

    whole: dict[str, set[int]] = {}
    for row in pipeline.query("SELECT * FROM compliance.completeness('acme', %s, %s)", (first, last)):
        days = whole.setdefault(row["population"], set())
        if row["is_whole"]:
            days.add(of_day(row["day"]))
    with_runs = set(range(1, DAYS + 1)) - NO_RUN
    assert whole == {
        "repositories": with_runs, "members": with_runs, "pull_requests": with_runs, "leavers": with_runs,
        "direct_pushes": set(),
    }  # fmt: skip

    def decisions(view: str) -> list[tuple[int, str, str | None]]:
        rows = pipeline.query(f"SELECT happened_at, kind, who FROM compliance.{view}_history ORDER BY 1, 2")  # noqa: S608
        return [(of_day(row["happened_at"].date()), row["kind"], row["who"]) for row in rows]

    assert decisions("exception") == [(55, "requested", "airflow:ada"), (55, "accepted", "airflow:bob")]
    assert decisions("evidence") == [
        (1, "submitted", "os:tester"), (1, "accepted", "os:tester"), (46, "expired", None),
    ]  # fmt: skip
    assert [(day, kind) for day, kind, _ in decisions("policy")] == [
        (1, "set"), (1, "judged_by"), (50, "set"), (50, "judged_by"),
    ]  # fmt: skip
    two_step = pipeline.query(
        "SELECT day, passing, pending FROM compliance.daily_trend WHERE test_id = 'user_mfa_enabled' AND day >= %s"
        " ORDER BY day",
        (first,),
    )
    assert [of_day(row["day"]) for row in two_step if row["pending"]] == list(range(46, DAYS + 1))
    drawn = pipeline.query("SELECT key FROM compliance.sample('acme', 'changes', %s, %s)", (first, last))
    assert len(drawn) == 4, "under five all of them are drawn"
