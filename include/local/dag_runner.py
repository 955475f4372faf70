"""Run DAGs one after the other in this process, and tell the terminal, line by line, how they get on.

Started by `local.airflow_run` as a child: `python -m local.dag_runner FD`, jobs as a JSON list on standard input
(`[{"dag_id": …, "conf": {…}}, …]`), lines for the terminal on the file descriptor FD; the last one is the outcome, as
JSON: `{"seconds": {dag id: wall time of its last run}, "problems": [reasons, the root cause first]}`.

It uses `DAG.test()`: the real DAG, real task instances in Airflow's database, retries with their delays,
callbacks and assets; only the scheduler and the API server are replaced by a loop in this process, which
saves half a minute of start-up. Tasks run one at a time.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bitbucket_compliance.core.errors import one_line
from bitbucket_compliance.core.printable import printable

MESSAGE_PREFIXES: Final = ("imported:", "unmatched:", "refused:", "skipped:")


class Terminal(logging.Handler):
    """The pipe to the parent; log messages that are meant for the terminal, by their prefix, go there too."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(logging.INFO)
        self._descriptor = descriptor
        self.problems: list[str] = []
        self.is_skipped = False

    def say(self, line: str) -> None:
        """Write a line, at once."""
        os.write(self._descriptor, f"{printable(line)}\n".encode())

    def emit(self, record: logging.LogRecord) -> None:
        """Called for each record of the process."""
        text = record.getMessage()
        if text.startswith("progress:"):
            self.say(f"           {text.removeprefix('progress:').strip()}")
        elif text.startswith(MESSAGE_PREFIXES):
            self.say(f"  {text}")
        if text.startswith("skipped:"):
            self.is_skipped = True
            self.problems.append(text.removeprefix("skipped:").strip())

    def show_task(self, state: str, task_instance: Any, error: BaseException | str | None = None) -> None:
        """A line for a task instance that ended."""
        started, index = getattr(task_instance, "start_date", None), getattr(task_instance, "map_index", None)
        took = f"{(datetime.now(UTC) - started).total_seconds():6.1f} s" if started else ""
        name = task_instance.task_id if index in (None, -1) else f"{task_instance.task_id}[{index}]"
        reason = one_line(error) if error else ""
        self.say(f"  {state:<8} {took:>8}  {name}" + (f"  {reason}" if reason else ""))
        if state == "failed":
            self.problems.append(f"{name}: {reason or 'no reason given'}")

    def listener(self) -> Any:
        """An Airflow listener that shows each task instance as it ends."""
        from airflow.listeners import hookimpl

        show = self.show_task

        class Listener:
            @hookimpl
            def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
                show("success", task_instance)

            @hookimpl
            def on_task_instance_skipped(self, previous_state: Any, task_instance: Any) -> None:
                show("skipped", task_instance)

            @hookimpl
            def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
                will_retry = getattr(task_instance, "state", None) == "up_for_retry"
                show("retry" if will_retry else "failed", task_instance, error)

        return Listener()


def run_jobs(jobs: list[dict[str, Any]], terminal: Terminal, seconds: dict[str, float]) -> bool:
    """Run the jobs until one fails, noting how long each DAG took; True when none did."""
    began = time.monotonic()
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk.listener import get_listener_manager

    get_listener_manager().add_listener(terminal.listener())  # type: ignore[no-untyped-call]
    logging.getLogger().addHandler(terminal)
    bag = DagBag(dag_folder=os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    loaded = f"  (Airflow loaded in {time.monotonic() - began:.1f} s)"
    for job in jobs:
        dag_id, conf = job["dag_id"], job["conf"]
        dag = bag.dags.get(dag_id)
        if dag is None:
            terminal.problems.append(_why_missing(dag_id, bag.import_errors))
            return False
        terminal.say(f"{dag_id} {conf.get('kind') or conf.get('workspace') or ''}".strip() + loaded)
        loaded, started = "", time.monotonic()
        dag_run = dag.test(run_conf=conf)
        seconds[dag_id] = time.monotonic() - started
        states = [str(instance.state) for instance in dag_run.get_task_instances()]
        if count := states.count("upstream_failed"):
            terminal.say(f"  {count} tasks behind it did not start")
        if str(dag_run.state) != "success" or terminal.is_skipped:
            return False
    return True


def _why_missing(dag_id: str, import_errors: dict[str, str]) -> str:
    for path, trace in import_errors.items():
        if dag_id in path:
            return f"DAG {dag_id} can't be loaded: {trace.strip().splitlines()[-1]}"
    return f"there is no DAG {dag_id} in {os.environ['AIRFLOW__CORE__DAGS_FOLDER']}"


def reported_failures(report_file: Path) -> list[str]:
    """What the DAG's failure callback wrote (a JSON line with `task_id` and `error` for each failed task)."""
    failures = []
    for line in report_file.read_text(encoding="utf-8").splitlines() if report_file.exists() else ():
        with suppress(ValueError, TypeError, KeyError):
            failure = json.loads(line)
            failures.append(f"{failure['task_id']}: {one_line(failure['error'])}")
    return failures


def main() -> int:
    """0 when every job's DAG run succeeded."""
    terminal, seconds, succeeded = Terminal(int(sys.argv[1])), dict[str, float](), False
    try:
        succeeded = run_jobs(json.load(sys.stdin), terminal, seconds)
    except Exception as error:
        logging.getLogger(__name__).exception("the run broke off")
        terminal.problems.append(f"{type(error).__name__}: {one_line(error)}")
    problems = [*reported_failures(Path(os.environ["COMPLIANCE_RUN_REPORT"])), *terminal.problems]
    terminal.say(json.dumps({"seconds": seconds, "problems": problems}))
    return 0 if succeeded else 1


if __name__ == "__main__":
    sys.exit(main())
