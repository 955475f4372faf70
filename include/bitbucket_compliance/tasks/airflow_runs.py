"""Airflow as a run asks it about other runs: through its own task, as every executor allows."""

import os
from typing import Any

from bitbucket_compliance.tasks.callbacks import REPORT_VARIABLE

#: States of a run that may still do something.
_UNFINISHED = ["queued", "running"]


class AirflowRuns:
    """Which runs have ended.

    Args:
        task_instance: of the running task, from its context.
    """

    def __init__(self, task_instance: Any) -> None:
        self._task_instance = task_instance
        # What `make run` starts is one process, which may be killed without Airflow's tables ever showing it.
        self.dag_id = None if os.environ.get(REPORT_VARIABLE) else str(task_instance.dag_id)

    def has_ended(self, dag_id: str, run_id: str) -> bool | None:
        """Whether a run has ended; None: Airflow knows no such run."""
        if self._count(dag_id, run_id, _UNFINISHED):
            return False
        return True if self._count(dag_id, run_id, None) else None

    def _count(self, dag_id: str, run_id: str, states: list[str] | None) -> int:
        return int(self._task_instance.get_dr_count(dag_id=dag_id, run_ids=[run_id], states=states))
