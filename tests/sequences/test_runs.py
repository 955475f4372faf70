"""Whole runs over a workspace in which permissions, rules, merges, declarations and policies come and go."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from local.postgres import EmbeddedPostgres
from local.postgres_cluster import ADMIN_ROLE
from sandbox.build import midnight
from sandbox.model import PullRequest, Repository
from sandbox.process import SandboxServer
from tests.ageing import age_database, age_objects
from tests.databases import copied
from tests.harness import Pipeline, bitbucket_connection
from tests.pipeline.board import SHOWN, assert_whole, comparable
from tests.pipeline.small import history, protect, results, small_state, touch, whole_run, write_csv

pytestmark = pytest.mark.slow

RUNS = 6
COLUMNS = "target_type,target,classification,sensitivity,owner"
# Drawn with Python's random numbers, seeded by hypothesis: its own choices come out too simple.
seeds = st.integers(0, 2**32 - 1).map(Random)


class Sequence:
    """A workspace, what happens to it between runs, and what has to hold after each."""

    def __init__(self, pipeline: Pipeline, server: SandboxServer, folder: Path, random: Random):
        self.pipeline, self.server, self.folder, self.random = pipeline, server, folder, random
        self.grant, self.refresh = "admin", False
        self.fixed: dict[Any, tuple[Any, ...]] = {}
        self.ended: dict[Any, tuple[Any, ...]] = {}
        self.published: list[tuple[datetime, list[tuple[str, ...]]]] = []
        self.days = 0
        self.all = list(self.repositories)
        self.hidden: list[Repository] = []

    # what happens

    def happen(self) -> None:
        self.server.state.faults.clear()
        self.refresh = self.random.random() < 0.2
        events: list[Callable[[Repository], None]] = [
            self.grant_changes, self.right_changes, self.rules_change, self.merged, self.opened_or_closed,
            self.declared, self.policy_changes, self.call_fails, self.evidence_handed_in,
            self.renamed, self.left_or_came_back,
        ]  # fmt: skip
        for _ in range(self.random.randint(1, 4)):
            self.random.choice(events)(self.random.choice(self.repositories))
        touch(self.server)

    @property
    def repositories(self) -> list[Repository]:
        found: list[Repository] = self.server.state.workspaces[0].repositories
        return found

    def grant_changes(self, _: Repository) -> None:
        self.grant = self.random.choice(["admin", "five"])

    def right_changes(self, repository: Repository) -> None:
        repository.identity_permission = self.random.choice(["write", "admin"])

    def rules_change(self, repository: Repository) -> None:
        if repository.restrictions and self.random.random() < 0.6:
            repository.restrictions = []
        else:
            protect(repository, 1000 * (self.all.index(repository) + 1))

    def merged(self, repository: Repository) -> None:
        """As the last one was merged, with its approvals or without any."""
        last = repository.pull_requests[-1]
        now = midnight() - timedelta(minutes=len(repository.pull_requests))
        approved = last.participants if self.random.random() < 0.5 else []
        repository.pull_requests.append(self._another(repository, "MERGED", now, approved))

    def opened_or_closed(self, repository: Repository) -> None:
        open_ones = [one for one in repository.pull_requests if one.state == "OPEN"]
        if open_ones:
            open_ones[0].state = "DECLINED"
        else:
            repository.pull_requests.append(self._another(repository, "OPEN", midnight(), []))

    def _another(self, repository: Repository, state: str, at: datetime, participants: list[Any]) -> PullRequest:
        from copy import deepcopy

        made = deepcopy(repository.pull_requests[0])
        made.id = 1 + max(one.id for one in repository.pull_requests)
        made.state, made.participants = state, deepcopy(participants)
        made.created_on, made.updated_on = at - timedelta(hours=1), at
        return made

    def declared(self, repository: Repository) -> None:
        word = self.random.choice(["production", "non_production"])
        self.pipeline.take(
            "classification",
            write_csv(self.folder / "c.csv", COLUMNS, [("repository", repository.slug, word, "", "")]),
        )

    def evidence_handed_in(self, _: Repository) -> None:
        """An export of two-step verification that says on or off of each member, or leaves one out."""
        states = [
            (f"person-{n}@example.com", self.random.choice(["Yes", "No"])) for n in self.random.sample(range(4), 3)
        ]
        self.pipeline.take("mfa", write_csv(self.folder / "mfa.csv", "Email,Two-step verification", states))

    def policy_changes(self, _: Repository) -> None:
        days, approvals = self.random.choice([1, 30]), self.random.choice([1, 1, 2])
        on = self.random.choice(["true", "true", "false"])
        (self.folder / "policy.yaml").write_text(
            f"thresholds: {{due_days_high: {days}, min_approvals: {approvals}}}\n"
            f"tests: {{peer_review_required: {{enabled: {on}}}}}\n"
        )

    def renamed(self, repository: Repository) -> None:
        repository.slug = f"{repository.slug.split('.')[0]}.{self.random.randint(2, 9)}"

    def left_or_came_back(self, repository: Repository) -> None:
        """A repository that the identity sees no more, or sees again; at least two are always there."""
        if self.hidden:
            self.repositories.append(self.hidden.pop())
        elif len(self.repositories) > 2:
            self.repositories.remove(repository)
            self.hidden.append(repository)

    def call_fails(self, repository: Repository) -> None:
        endpoint = self.random.choice(["branch_restrictions", "pull_requests", "pipelines_config"])
        self.server.state.add_fault(endpoint, slug=repository.slug)

    def time_passes(self, admin_dsn: str) -> None:
        """Evidence expires, deadlines pass, merges leave the window; what is told of then and now says so."""
        by = timedelta(days=self.random.choice([0, 0, 1, 3, 16, 40]))
        age_database(admin_dsn, by)
        age_objects(self.server.state.workspaces, by)
        self.days += by.days
        self.published = [(instant - by, state) for instant, state in self.published]
        [row] = self.pipeline.query("SELECT clock_timestamp() AS now")
        self._check_dates_as_of(row["now"], results(self.pipeline))
        self._check_the_past()

    # what has to hold

    def run(self) -> None:
        whole_run(self.pipeline, self.server, grant=self.grant, full_refresh=self.refresh, touched=False)
        self.check()

    def check(self) -> None:
        assert_whole(history(self.pipeline))
        shown = results(self.pipeline)
        self._check_intervals(shown)
        self._check_findings(shown)
        self._check_counts(shown)
        self._check_repositories()
        [row] = self.pipeline.query("SELECT clock_timestamp() AS now")
        self.published.append((row["now"], comparable(shown)))
        self._check_dates_as_of(row["now"], shown)
        self._check_the_past()

    def _check_the_past(self) -> None:
        for instant, state in self.published:
            rows = self.pipeline.query("SELECT * FROM compliance.results_as_of(%s)", [instant])
            assert comparable(rows) == state

    def _check_dates_as_of(self, now: datetime, shown: list[dict[str, Any]]) -> None:
        names = ("test_id", "subject_id", "failing_since", "due_at", "is_stale", "evidence_id")
        rows = self.pipeline.query("SELECT * FROM compliance.results_as_of(%s)", [now])
        told, wanted = ([tuple(str(row[name]) for name in names) for row in found] for found in (rows, shown))
        assert sorted(told) == sorted(wanted)

    def _check_intervals(self, shown: list[dict[str, Any]]) -> None:
        open_rows = self.pipeline.query(
            "SELECT * FROM compliance.result_history WHERE valid_to IS NULL"
            " AND reason_code NOT IN ('removed_or_invisible', 'test_disabled')"
        )
        assert comparable(open_rows) == comparable(shown), SHOWN

    def _check_findings(self, shown: list[dict[str, Any]]) -> None:
        rows = self.pipeline.query("SELECT * FROM compliance.findings")
        open_ones = {(row["test_id"], row["subject_id"]): row for row in rows if row["ended_at"] is None}
        assert len(open_ones) == sum(row["ended_at"] is None for row in rows)
        for result in shown:
            finding = open_ones.get((result["test_id"], result["subject_id"]))
            if result["status"] in ("passing", "failing", "not_applicable"):
                assert (finding is not None) == (result["status"] == "failing"), result
            dates = (finding["found_at"], finding["due_at"]) if finding else (None, None)
            assert (result["failing_since"], result["due_at"]) == dates
        for row in rows:
            passed = timedelta(days=self.days)
            fixed = (
                row["found_at"] + passed,
                row["due_at"] + passed,
                row["severity"],
                row["found_basis"],
                row["reopened_as"],
            )
            assert self.fixed.setdefault(row["finding_id"], fixed) == fixed, "no deadline ever moves"
            if row["ended_at"] is not None:
                end = (row["ended_at"] + passed, row["ended_because"], row["ended_basis"], row["ended_by"])
                assert self.ended.setdefault(row["finding_id"], end) == end

    def _check_counts(self, shown: list[dict[str, Any]]) -> None:
        for row in self.pipeline.query("SELECT * FROM compliance.test_summary"):
            own = [result["status"] for result in shown if result["test_id"] == row["test_id"]]
            statuses = ("passing", "failing", "pending", "error", "not_applicable")
            assert [row[status] for status in statuses] == [own.count(status) for status in statuses]
        trend = self.pipeline.query(
            "SELECT test_id, sum(passing) AS passing, sum(failing) AS failing, sum(stale) AS stale,"
            " sum(bypassed) AS bypassed, bool_and(observed) AS observed FROM compliance.daily_trend"
            " WHERE day = (now() AT TIME ZONE 'UTC')::date GROUP BY test_id"
        )
        for row in trend:
            own = [result["status"] for result in shown if result["test_id"] == row["test_id"]]
            assert (row["passing"], row["failing"]) == (own.count("passing"), own.count("failing"))
            around = [result for result in shown if result["test_id"] == row["test_id"] and result["bypassed"]]
            assert (row["stale"], row["bypassed"], row["observed"]) == (0, len(around), True)

    def _check_repositories(self) -> None:
        """A repository has one interval for each state; what holds is what the inventory says."""
        names = ("repository_id", "slug", "project_key", "default_branch", "owner", "classification", "sensitivity")

        def told(row: dict[str, Any]) -> tuple[Any, ...]:
            return tuple(row[name] for name in names)

        rows = self.pipeline.query("SELECT * FROM compliance.repository_history ORDER BY repository_id, valid_from")
        inventory = self.pipeline.query("SELECT * FROM compliance.repositories")
        assert {told(row) for row in rows if row["valid_to"] is None} == set(map(told, inventory))
        for before, after in pairwise(rows):
            if before["repository_id"] == after["repository_id"]:
                assert before["valid_from"] < before["valid_to"] <= after["valid_from"], (before, after)
                assert told(before) != told(after) or before["valid_to"] < after["valid_from"], (before, after)

    def check_the_end(self) -> None:
        """An unchanged run adds nothing, and reading everything anew tells the same."""
        self.server.state.faults.clear()
        whole_run(self.pipeline, self.server, grant=self.grant)
        before, kept = history(self.pipeline), comparable(results(self.pipeline))
        whole_run(self.pipeline, self.server, grant=self.grant, touched=False)
        assert history(self.pipeline) == before
        whole_run(self.pipeline, self.server, grant=self.grant, full_refresh=True)
        assert comparable(results(self.pipeline)) == kept


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(random=seeds)
def test_what_is_published_holds_over_any_sequence_of_runs(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory, random: Random
) -> None:
    folder = tmp_path_factory.mktemp("sequence")
    (folder / "policy.yaml").write_text("thresholds: {}\n")
    with (
        SandboxServer(small_state(4)) as server,
        copied(postgres, f"sequence_{folder.name}") as address,
        pytest.MonkeyPatch.context() as patch,
    ):

        def connect_to(one: SandboxServer, grant: str = "admin", **extra: object) -> None:
            import json

            patch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps(bitbucket_connection(one.url, grant, **extra)))

        patch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", address)
        patch.setenv("COMPLIANCE_POLICY_FILE", str(folder / "policy.yaml"))
        sequence = Sequence(Pipeline(address, connect_to), server, folder, random)
        for _ in range(RUNS):
            sequence.run()
            sequence.happen()
            sequence.time_passes(postgres.uri(f"sequence_{folder.name}", ADMIN_ROLE))
        sequence.check_the_end()
