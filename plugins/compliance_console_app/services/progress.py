"""How runs get on, step by step: what a person watches after Connect."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from bitbucket_compliance.security_tests import CATALOGUE
from compliance_console_app.database import Connection, row, rows
from compliance_console_app.services import dag_runs

#: step of integration.run_steps, or what several begin with; what people call it
STEPS = (
    ("preflight", "What the grant allows"),
    ("list_workspace", "List repositories and members"),
    ("plan_reading", "Choose what is due"),
    ("read_repositories", "Read repositories"),
    ("stage", "Put into tables"),
    ("gate staging", "Check the data"),
    ("tests", "Judge by the security tests"),
    ("gate results", "Check the verdicts"),
    ("publish", "Publish"),
)
_TESTS = {test.test_id for test in CATALOGUE}
REMEDIES = {
    "gate_failed": "What was read looks wrong, so nothing was published, and results stay as they were. Look at the "
    "reason, then start it again.",
    "superseded": "Another run of this workspace took its place; that one brings the results.",
    "failed": "Nothing was published, and results stay as they were. What was read is kept: remove the cause, then "
    "start it again; the new run reads only what is missing.",
}
_OVER = ("success", "failed")
_OF_PARTS = ("read_repositories", "tests")


@dataclass(frozen=True)
class Step:
    """A step of a run: ``state`` is ``done``, ``under way``, ``stopped`` or ``waiting``; ``note``: how far it is."""

    label: str
    state: str = "waiting"
    finished_at: datetime | None = None
    note: str = ""


@dataclass(frozen=True)
class Progress:
    """A run as its page shows it.

    Attributes:
        run_id: Airflow's.
        workspace: empty while the run has not begun.
        status: of compliance.runs; ``queued`` before it is there.
        is_over: whether nothing more will happen.
        error: why it did not publish.
        waits_until: until when it waits for requests.
        steps: in order.
        started_at, finished_at: None: not yet.
        counts: what it has counted so far, as pairs of a name and a figure.
    """

    run_id: str
    workspace: str
    status: str
    is_over: bool
    error: str | None
    waits_until: datetime | None
    steps: tuple[Step, ...]
    started_at: datetime | None = None
    finished_at: datetime | None = None
    counts: tuple[tuple[str, str], ...] = ()

    @property
    def elapsed(self) -> str:
        """How long it has been at work, or was: ``3 min 5 s``; empty before it begins."""
        if self.started_at is None:
            return ""
        seconds = max(0, round(((self.finished_at or datetime.now(UTC)) - self.started_at).total_seconds()))
        return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"

    @property
    def remedy(self) -> str:
        """What to do about a run that ended without results; empty: nothing."""
        if not self.is_over or self.status == "published":
            return ""
        return REMEDIES.get(self.status, REMEDIES["failed"])


def of(connection: Connection, run_id: str) -> Progress | None:
    """Where a run stands; None: there is no such run."""
    run = row(connection, "progress/run", {"run_id": run_id})
    in_airflow = dag_runs.state(run_id)
    if run is None and in_airflow is None:
        return None
    done = rows(connection, "progress/steps", {"run_id": run_id})
    status = str(run["status"]) if run else "failed" if in_airflow == "failed" else "queued"
    is_over = in_airflow in _OVER or (run is not None and status != "running")
    if is_over and status == "running":
        status = "failed"
    return Progress(
        run_id=run_id,
        workspace=str(run["workspace"]) if run else "",
        status=status,
        is_over=is_over,
        error=run["error"] if run else None,
        waits_until=run["waits_until"] if run else None,
        steps=_steps(done, status, is_over=is_over),
        started_at=run["started_at"] if run else None,
        finished_at=run["finished_at"] if run else None,
        counts=_counts(run, done) if run else (),
    )


def _counts(run: dict[str, Any], done: list[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    plan = run["plan"] or {}
    to_read = sum(plan.get("causes", {}).values())
    tests = len({one["step"] for one in done} & _TESTS)
    found = (
        ("repositories listed", run["repositories"], None),
        ("members listed", run["members"], None),
        ("repositories read", run["repositories_read"] if plan else None, to_read),
        ("requests", run["requests"], None),
        ("tests judged", tests or None, len(_TESTS)),
    )
    return tuple((name, _figure(count, most)) for name, count, most in found if count is not None)


def _figure(count: int, most: int | None) -> str:
    """How many of how many; what the plan estimated too low, or the plan does not count, stands alone."""
    return f"{count:,} of {most:,}" if most and count <= most else f"{count:,}"


def _steps(done: list[dict[str, Any]], status: str, *, is_over: bool) -> tuple[Step, ...]:
    steps = [_step(name, label, done) for name, label in STEPS]
    reached = max((place for place, step in enumerate(steps) if step.finished_at is not None), default=-1)
    # A step of several parts goes on until the one behind it is done.
    now = reached if reached >= 0 and STEPS[reached][0] in _OF_PARTS else reached + 1
    for place, step in enumerate(steps):
        if place < now or status == "published":
            steps[place] = replace(step, state="done")
        elif place == now and status != "queued":
            steps[place] = replace(step, state="stopped" if is_over else "under way")
    return tuple(steps)


def _step(name: str, label: str, done: list[dict[str, Any]]) -> Step:
    if name == "tests":
        own = [one for one in done if one["step"] in _TESTS]
        note = f"{len(own)} of {len(_TESTS)}" if own else ""
    elif name == "read_repositories":
        own = [one for one in done if one["step"].startswith(f"{name} ")]
        note = f"{len(own)} {'part' if len(own) == 1 else 'parts'} read" if own else ""
    else:
        own = [one for one in done if one["step"] == name]
        note = ""
    return Step(label, finished_at=max((one["finished_at"] for one in own), default=None), note=note)
