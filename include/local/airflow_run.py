"""Run DAGs in a child process and tell the terminal, line by line, how they get on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local import environment as env
from local.services import Connections


@dataclass(frozen=True)
class Job:
    """One DAG run to be made."""

    dag_id: str
    conf: dict[str, Any]

    @property
    def label(self) -> str:
        """How the terminal calls it."""
        subject = self.conf.get("kind") or self.conf.get("workspace") or ""
        return f"{self.dag_id} {subject}".strip()


@dataclass
class Outcome:
    """What came of the jobs."""

    succeeded: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time of each DAG run by its DAG's id (of the last one, where a DAG ran more than once)."""
    problems: list[str] = field(default_factory=list)
    """Reasons in the order they were reported."""
    refused: list[str] = field(default_factory=list)
    """What an import refused, one line each."""
    skipped: bool = False
    """Whether a run was skipped because it was not needed; `problems` begins with why."""

    @property
    def reason(self) -> str:
        """The root cause in one line."""
        return self.problems[0] if self.problems else "the run ended without saying why"


def run_dags(jobs: list[Job], connections: Connections, home: Path, log_file: Path) -> Outcome:
    """Run the jobs, printing a line per task; everything else goes to the log file.

    A job that fails ends the row: the ones after it don't start.
    """
    report_file = log_file.with_suffix(".failures.jsonl")
    outcome = Outcome()
    events = _Terminal(outcome)
    read_end, write_end = os.pipe()
    with log_file.open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "local.dag_runner", str(write_end)],
            cwd=env.ROOT,
            env=env.airflow_environment(home) | connections.as_environment() | {env.RUN_REPORT: str(report_file)},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[write_end],
            start_new_session=True,
        )
    os.close(write_end)
    try:
        assert child.stdin is not None  # noqa: S101 - Popen was given PIPE
        child.stdin.write(json.dumps([{"dag_id": job.dag_id, "conf": job.conf} for job in jobs]).encode())
        child.stdin.close()
        for event in _read_events(read_end):
            events.show(event)
        outcome.succeeded = child.wait() == 0 and not outcome.skipped
    finally:
        _end_group(child)
    if not outcome.succeeded:
        outcome.problems = [*_reported_failures(report_file), *outcome.problems] or [
            f"the process that ran the tasks ended with exit code {child.returncode}"
        ]
    report_file.unlink(missing_ok=True)
    return outcome


def _read_events(descriptor: int) -> Iterator[dict[str, Any]]:
    with os.fdopen(descriptor, encoding="utf-8") as lines:
        for line in lines:
            with suppress(ValueError):
                yield json.loads(line)


def _reported_failures(report_file: Path) -> list[str]:
    """What the DAG's failure callback wrote (a JSON line with `task_id` and `error` for each failed task)."""
    if not report_file.exists():
        return []
    failures = []
    for line in report_file.read_text(encoding="utf-8").splitlines():
        with suppress(ValueError, TypeError, KeyError):
            failure = json.loads(line)
            failures.append(f"{failure['task_id']}: {one_line(failure['error'])}")
    return failures


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """End the child and everything it started: on Ctrl-C it may be in the middle of a task."""
    for number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
        if child.poll() is not None:
            break
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(patience)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def one_line(text: object) -> str:
    """The first line of a text."""
    return next(iter(str(text).strip().splitlines()), "no reason given")


class _Terminal:
    """Prints events and remembers what the end of the run needs to know."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._began = time.monotonic()
        self._loaded = False

    def show(self, event: dict[str, Any]) -> None:
        """One event of `local.dag_runner`."""
        match event:
            case {"kind": "start", "dag_id": dag_id, "conf": conf}:
                waited = time.monotonic() - self._began
                loaded = "" if self._loaded else f"  (Airflow loaded in {waited:.1f} s)"
                self._loaded = True
                _say(Job(dag_id, conf).label + loaded)
            case {"kind": "task", "task": task, "state": state, "seconds": seconds}:
                self._show_task(task, state, seconds, event.get("error"))
            case {"kind": "message", "topic": topic, "text": text}:
                self._show_message(topic, text)
            case {"kind": "end", "dag_id": dag_id, "seconds": seconds, "not_started": not_started}:
                self._outcome.seconds[dag_id] = seconds
                if not_started:
                    _say(f"  {not_started} tasks behind it did not start")
            case {"kind": "error", "text": text}:
                self._outcome.problems.append(one_line(text))

    def _show_task(self, task: str, state: str, seconds: float | None, error: str | None) -> None:
        took = "" if seconds is None else f"{seconds:6.1f} s"
        _say(f"  {state:<8} {took:>8}  {task}" + (f"  {one_line(error)}" if error else ""))
        if state == "failed":
            self._outcome.problems.append(f"{task}: {one_line(error)}")

    def _show_message(self, topic: str, text: str) -> None:
        if topic == "refused":
            self._outcome.refused.append(text)
        if topic == "skipped":
            self._outcome.skipped = True
            self._outcome.problems.append(one_line(text))
        _say(f"  {topic}: {text}" if topic != "progress" else f"           {text}")


def _say(line: str) -> None:
    print(line, flush=True)
