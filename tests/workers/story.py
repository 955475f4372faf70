"""A workspace that changes before each run, what a quiet run publishes of it, and a run that something befalls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from sandbox.model import Member, Project, PullRequest, Repository, Restriction, Workspace
from sandbox.state import SandboxState
from tests.faults.two_workers import WORKSPACE, Reader, Runs, held_up, published
from tests.pipeline.small import repository, small_state
from tests.workers.stack import Program, Stack

#: the second workspace, which is judged at the same time
BESIDE: Final = "beside"
#: table that a step is about to write when something befalls it
READING: Final = "landing.calls"
PUBLISHING: Final = "compliance.repositories"
_RUNS: Final = "SELECT run_id, conf->>'workspace' AS workspace FROM dag_run WHERE dag_id = 'bitbucket_compliance'"


def two_workspaces() -> SandboxState:
    """Small ones that share people, and nothing else."""
    state, other = small_state(3, slug=WORKSPACE), small_state(1, slug=BESIDE)
    [beside] = other.workspaces
    crew = [member.account for member in beside.members]
    one = repository("beside-0", crew, number=9)
    one.project = Project("{00000000-0000-0000-0000-00000000be51}", "BES", "Beside")
    beside.repositories[:] = [one]
    state.workspaces.append(beside)
    return state


@dataclass
class Story:
    """Changes of the workspace, and the runs after them.

    Attributes:
        quiet: runs of the same sandbox against a database of their own, which nothing befalls.
        first_runs: by workspace, those that the schedule started when all came up; they have ended.
    """

    stack: Stack
    state: SandboxState
    quiet: Runs
    quiet_dsn: str
    first_runs: dict[str, str] = field(default_factory=dict)
    _before: dict[str, Any] = field(default_factory=dict)
    _after: dict[str, Any] = field(default_factory=dict)
    _away: tuple[Repository, Member] | None = None
    _rules: list[Restriction] = field(default_factory=list)
    _merged: list[PullRequest] = field(default_factory=list)
    _changes: int = 0

    def __post_init__(self) -> None:
        """The workspaces as they are at first are judged: nobody has to start anything."""
        self.quiet.run("quiet")
        self._after = published(self.quiet_dsn)
        self.stack.wait_until(lambda: len(self.stack.metadata(_RUNS)) == 2, "a run of each workspace began")
        self.first_runs = {row["workspace"]: row["run_id"] for row in self.stack.metadata(_RUNS)}
        for run_id in self.first_runs.values():
            self.stack.wait_for(run_id)

    def change(self) -> None:
        """Let much of the workspace change, so that a state that was published in part would be seen."""
        workspace: Workspace = self.state.workspaces[0]
        with self.state.lock:
            first, second = workspace.repositories[:2]
            if self._away is None:
                self._away = workspace.repositories.pop(), workspace.members.pop()
                self._rules, first.restrictions = first.restrictions, []
                self._merged, second.pull_requests = second.pull_requests, []
            else:
                workspace.repositories.append(self._away[0])
                workspace.members.append(self._away[1])
                first.restrictions, second.pull_requests = self._rules, self._merged
                self._away = None
        self._changes += 1
        self.quiet.run(f"quiet-{self._changes}")
        self._before, self._after = self._after, published(self.quiet_dsn)

    def run(self, befalls: Callable[[str], None] | None = None) -> str:
        """A run after a change, and what befalls it, told its id.

        What readers saw was whole all the time, and the run published what a quiet one does. Returns its id.
        """
        self.change()
        with self.watched() as trigger:
            run_id = trigger()
            if befalls:
                befalls(run_id)
            assert self.stack.wait_for(run_id) == "success"
        self.has_published(run_id)
        return run_id

    @contextmanager
    def watched(self) -> Iterator[Callable[[], str]]:
        """Readers look as long as this lasts; what it gives starts a run of the workspace and returns its id."""
        runs: set[str] = set()

        def trigger() -> str:
            runs.add(self.stack.trigger(WORKSPACE))
            return max(runs)

        with Reader(self.stack.dsn, pause=0.5) as reader:
            yield trigger
        assert reader.looks > 5
        for seen in reader.seen:
            state = dict(seen)
            published_by, newest = state.pop("runs"), state.pop("newest")
            assert published_by == [newest]
            assert state == (self._after if newest in runs else self._before)

    def has_published(self, run_id: str) -> None:
        """Whether a run published what a quiet one does, and gave the workspace back."""
        rows = self.stack.data("SELECT status, error FROM compliance.runs WHERE run_id = %s", run_id)
        assert rows == [{"status": "published", "error": None}]
        assert published(self.stack.dsn) == self._after
        assert self.stack.data("SELECT * FROM integration.workspace_leases WHERE run_id = %s", run_id) == []

    def has_spent_no_try(self, run_id: str) -> None:
        """Whether no task of a run was tried more than once."""
        tries = {task["task_id"]: task["try_number"] for task in self.stack.tasks_begun(run_id)}
        assert set(tries.values()) == {1}, tries

    @contextmanager
    def in_the_middle(self, run_id: str, table: str = READING) -> Iterator[Program]:
        """The worker with the task that is about to write a table; nobody can write it as long as this lasts."""
        with held_up(self.stack.dsn, table) as held:
            wanted = "SELECT 1 FROM pg_locks WHERE relation = %s::regclass AND NOT granted"
            self.stack.wait_until(lambda: self.stack.data(wanted, table), f"run {run_id} came to {table}")
            yield self.stack.at_work(run_id)
            held()
