"""Where in the DAGs people are told, by what the environment says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
_DESCRIBE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
dags = DagBag(sys.argv[1]).dags
run = dags["bitbucket_compliance"]
notify = run.task_dict.get("notify")
print(json.dumps({
    "digest": str(dags["notification_digest"].schedule),
    "notify": notify and {
        "upstream": sorted(notify.upstream_task_ids), "is_teardown": notify.is_teardown,
        "fails_the_run": notify.on_failure_fail_dagrun, "retries": notify.retries,
    },
}))
"""


def parsed(tmp_path: Path, **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _DESCRIBE, str(ROOT / "dags")],
        env={
            **os.environ,
            "AIRFLOW_HOME": str(tmp_path),
            "PYTHONPATH": f"{ROOT}/include:{ROOT}/plugins",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    described: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return described


def test_a_run_tells_at_its_end_and_can_not_fail_by_it(tmp_path: Path) -> None:
    found = parsed(tmp_path, COMPLIANCE_NOTIFY_CONN_ID="chat", COMPLIANCE_NOTIFY_DIGEST="")
    notify = found["notify"]
    # A run that published has succeeded, whoever could be told of it; and its workspace is free before anyone is told.
    assert notify["is_teardown"] and not notify["fails_the_run"] and notify["upstream"] == ["finish_run"]
    assert notify["retries"] >= 1
    assert found["digest"] == "None"


def test_a_digest_takes_the_place_of_telling_after_each_run(tmp_path: Path) -> None:
    found = parsed(tmp_path, COMPLIANCE_NOTIFY_CONN_ID="chat", COMPLIANCE_NOTIFY_DIGEST="daily")
    assert found == {"notify": None, "digest": "@daily"}


def test_nothing_is_told_by_default(tmp_path: Path) -> None:
    found = parsed(tmp_path, COMPLIANCE_NOTIFY_CONN_ID="", COMPLIANCE_NOTIFY_DIGEST="daily")
    assert found == {"notify": None, "digest": "None"}
