"""Callbacks of the DAGs: they run where the DAG file is parsed, so this module imports nothing heavy."""

import json
import logging
import os
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

REPORT_VARIABLE = "COMPLIANCE_RUN_REPORT"


def report_failure(context: Any) -> None:
    """Callback of a failed task: one line in its log, and in the file named by ``COMPLIANCE_RUN_REPORT``."""
    from bitbucket_compliance.core.errors import one_line

    error = context.get("exception")
    task_id = context["task_instance"].task_id
    reason = one_line(error) if isinstance(error, BaseException) else str(error or "the task failed")
    log.error("task %s failed: %s", task_id, reason)
    target = os.environ.get(REPORT_VARIABLE)
    if target:
        with Path(target).open("a", encoding="utf-8") as report:
            report.write(json.dumps({"task_id": task_id, "error": reason}) + "\n")
