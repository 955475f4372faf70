"""Run DAGs in a child process, whose lines go to the terminal as they come."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from local import environment as env
from local.processes import end
from local.services import Connections


@dataclass(frozen=True)
class Job:
    """One DAG run to be made."""

    dag_id: str
    conf: dict[str, Any]


@dataclass
class Outcome:
    """What came of the jobs.

    Attributes:
        seconds: wall time of each DAG run by its DAG's id (of the last one, where a DAG ran more than once).
        problems: reasons, the root cause first.
    """

    succeeded: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

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
        child.stdin.write(json.dumps([asdict(job) for job in jobs]).encode())
        child.stdin.close()
        with os.fdopen(read_end, encoding="utf-8") as lines:
            for line in lines:
                if line.startswith('{"seconds"'):
                    outcome = Outcome(**json.loads(line))
                else:
                    print(line, end="", flush=True)
        outcome.succeeded = child.wait() == 0
    finally:
        end(child.pid, seconds=10)
        child.wait()
    if not (outcome.succeeded or outcome.problems):
        outcome.problems = [f"the process that ran the tasks ended with exit code {child.returncode}"]
    report_file.unlink(missing_ok=True)
    return outcome
