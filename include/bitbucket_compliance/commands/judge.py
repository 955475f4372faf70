"""``judge``: one run of one workspace in a process of its own, for first steps and where no scheduler is at work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bitbucket_compliance.commands.command_line import CommandError, Flag, command, switch, table, workspace
from bitbucket_compliance.commands.environment import database
from bitbucket_compliance.core.configured_folders import working_folder
from bitbucket_compliance.core.printable import printable

if TYPE_CHECKING:
    from bitbucket_compliance.core.database import Connection

DAG_ID: Final = "bitbucket_compliance"
#: a JSON line with ``task_id`` and ``error`` for each task that failed; see ``bitbucket_compliance.tasks.callbacks``
_REPORT: Final = "COMPLIANCE_RUN_REPORT"
_STATUSES: Final = ("passing", "failing", "pending", "error", "not_applicable")
_LAST_RUN_SQL: Final = """
SELECT
    run_id,
    status,
    error
FROM compliance.runs
WHERE workspace = %s AND started_at >= %s
ORDER BY started_at DESC
LIMIT 1
"""
_RESULTS_SQL: Final = """
SELECT
    test_title,
    jsonb_object_agg(status, results) AS by_status
FROM (
    SELECT
        test_title,
        status,
        count(*) AS results
    FROM compliance.current_results
    WHERE workspace = %s
    GROUP BY test_title, status
) AS counted
GROUP BY test_title
ORDER BY test_title
"""


@command(
    "judge",
    "judge one workspace now, without a scheduler",
    Flag("workspace", "slug", "slug of the workspace", workspace, required=True),
    Flag("full-refresh", "1", "read unchanged repositories too", switch, default=False, bare=True),
    is_for_make=False,
)
def judge(workspace: str, full_refresh: bool) -> None:
    """Run the DAG ``bitbucket_compliance`` as ``airflow dags test`` does, and print what was published.

    Its log goes to a file below the working folder.

    Raises:
        CommandError: nothing was published; the message says why and names the log.
    """
    folder = working_folder() / "logs" / "judge"
    folder.mkdir(parents=True, exist_ok=True)
    began = datetime.now(UTC)
    log_file = folder / f"{began:%Y%m%dT%H%M%S}-{os.getpid()}.log"
    print(f"log: {log_file}", flush=True)
    failures = log_file.with_suffix(".failures.jsonl")
    conf = {"workspace": workspace, "full_refresh": full_refresh}
    with log_file.open("wb") as log:
        done = subprocess.run(
            [sys.executable, "-m", "airflow", "dags", "test", DAG_ID, "--conf", json.dumps(conf)],
            env=os.environ | {_REPORT: str(failures)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    reasons = _reasons(failures)
    failures.unlink(missing_ok=True)
    with database() as connection:
        run = connection.execute(_LAST_RUN_SQL, (workspace, began)).fetchone()
        if run is None or run["status"] != "published":
            why = [*reasons, run["error"] if run else "", f"the run ended with exit code {done.returncode}"]
            raise CommandError(f"nothing was published: {next(filter(None, why))} (log: {log_file})")
        print(_results(connection, workspace))
    print(f"run {printable(run['run_id'])}: published in compliance.current_results")


def _reasons(failures: Path) -> list[str]:
    """Why tasks failed, the first one first."""
    lines = failures.read_text(encoding="utf-8").splitlines() if failures.exists() else []
    return [f"{failure['task_id']}: {failure['error']}" for failure in map(json.loads, lines)]


def _results(connection: Connection, workspace: str) -> str:
    rows = [("", *(status.replace("_", " ") for status in _STATUSES))]
    for row in connection.execute(_RESULTS_SQL, (workspace,)):
        rows.append((row["test_title"], *(str(row["by_status"].get(status, 0)) for status in _STATUSES)))
    return table(rows)
