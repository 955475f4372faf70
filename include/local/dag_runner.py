"""Run DAGs one after the other in this process, and report what happens on a pipe.

Started by `local.airflow_run` as a child: `python -m local.dag_runner FD`, jobs as a JSON
list on standard input (`[{"dag_id": …, "conf": {…}}, …]`), events as JSON lines on the file descriptor FD.

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
from datetime import UTC, datetime
from typing import Any, Final

MESSAGE_PREFIXES: Final = ("progress:", "imported:", "unmatched:", "refused:", "skipped:")


class Events:
    """The pipe to the parent."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, kind: str, **fields: Any) -> None:
        """One JSON line, written at once."""
        line = json.dumps({"kind": kind, **fields}, default=str) + "\n"
        os.write(self._descriptor, line.encode())


class Messages(logging.Handler):
    """Pass on log messages that are meant for the terminal: those with one of the known prefixes."""

    def __init__(self, events: Events) -> None:
        super().__init__(logging.INFO)
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        """Called for each record of the process."""
        text = record.getMessage()
        prefix = next((prefix for prefix in MESSAGE_PREFIXES if text.startswith(prefix)), None)
        if prefix:
            self._events.send("message", topic=prefix[:-1], text=text[len(prefix) :].strip())


def _listener(events: Events) -> Any:
    """An Airflow listener that reports each task instance as it ends."""
    from airflow.listeners import hookimpl

    def report(state: str, task_instance: Any, error: object = None) -> None:
        started = getattr(task_instance, "start_date", None)
        seconds = (datetime.now(UTC) - started).total_seconds() if started else None
        index = getattr(task_instance, "map_index", -1)
        name = task_instance.task_id if index in (None, -1) else f"{task_instance.task_id}[{index}]"
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__) if error else None
        events.send("task", task=name, state=state, seconds=seconds, error=reason)

    class Listener:
        @hookimpl
        def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
            report("success", task_instance)

        @hookimpl
        def on_task_instance_skipped(self, previous_state: Any, task_instance: Any) -> None:
            report("skipped", task_instance)

        @hookimpl
        def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
            will_retry = getattr(task_instance, "state", None) == "up_for_retry"
            report("retry" if will_retry else "failed", task_instance, error)

    return Listener()


def run_jobs(jobs: list[dict[str, Any]], events: Events) -> bool:
    """Run the jobs until one fails; True when none did."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk.listener import get_listener_manager

    get_listener_manager().add_listener(_listener(events))  # type: ignore[no-untyped-call]
    logging.getLogger().addHandler(Messages(events))
    bag = DagBag(dag_folder=os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    for job in jobs:
        dag = bag.dags.get(job["dag_id"])
        if dag is None:
            events.send("error", text=_why_missing(job["dag_id"], bag.import_errors))
            return False
        if not _run(dag, job["conf"], events):
            return False
    return True


def _why_missing(dag_id: str, import_errors: dict[str, str]) -> str:
    for path, trace in import_errors.items():
        if dag_id in path:
            return f"DAG {dag_id} can't be loaded: {trace.strip().splitlines()[-1]}"
    return f"there is no DAG {dag_id} in {os.environ['AIRFLOW__CORE__DAGS_FOLDER']}"


def _run(dag: Any, conf: dict[str, Any], events: Events) -> bool:
    events.send("start", dag_id=dag.dag_id, conf=conf)
    started = time.monotonic()
    dag_run = dag.test(run_conf=conf)
    states = [str(instance.state) for instance in dag_run.get_task_instances()]
    succeeded = str(dag_run.state) == "success"
    events.send(
        "end",
        dag_id=dag.dag_id,
        state=str(dag_run.state),
        seconds=time.monotonic() - started,
        not_started=states.count("upstream_failed"),
    )
    return succeeded


def main() -> int:
    """0 when every job's DAG run succeeded."""
    events = Events(int(sys.argv[1]))
    try:
        return 0 if run_jobs(json.load(sys.stdin), events) else 1
    except Exception as error:
        logging.getLogger(__name__).exception("the run broke off")
        events.send("error", text=f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
