"""The DAG files: they load, read like the flow, and cost nothing to parse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bitbucket_compliance.security_tests import CATALOGUE
from local import environment

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
VOCABULARY = {"bitbucket", "compliance", "registry"}

# Parsed in a process of its own: what Airflow's dag processor does, and nothing the tests imported before.
_DESCRIBE = """
import json, sys
from pathlib import Path
from airflow.dag_processing.dagbag import BundleDagBag
bag = BundleDagBag(sys.argv[1], bundle_path=Path(sys.argv[1]))
def describe(task):
    operator = getattr(task, "partial_kwargs", None)
    value = lambda name: operator.get(name) if operator is not None else getattr(task, name)
    return {
        "doc": value("doc_md"), "retries": value("retries"), "timeout": str(value("execution_timeout")),
        "upstream": sorted(task.upstream_task_ids), "is_teardown": bool(task.is_teardown),
        "exponential": bool(value("retry_exponential_backoff")),
    }
heavy = sorted({"pandas", "great_expectations", "psycopg", "requests"} & set(sys.modules))
# The other components load the plugins as well.
from airflow import plugins_manager
plugins_manager.ensure_plugins_loaded()
import bitbucket_compliance, bitbucket_webhooks
print(json.dumps({
    "errors": bag.import_errors,
    "packages": {package.__name__: package.__file__ for package in (bitbucket_compliance, bitbucket_webhooks)},
    "heavy": heavy,
    "dags": {
        dag.dag_id: {
            "tags": sorted(dag.tags), "owner": dag.owner, "doc": dag.doc_md, "catchup": dag.catchup,
            "is_paused": dag.is_paused_upon_creation, "most_runs": dag.max_active_runs,
            "groups": sorted(group for group in dag.task_group.get_task_group_dict() if group),
            "tasks": {task.task_id: describe(task) for task in dag.tasks},
        }
        for dag in bag.dags.values()
    },
}))
"""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    process = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "PYTHONPATH": os.pathsep.join((str(ROOT / "include"), str(ROOT / "plugins"))),
    }
    process.pop("AIRFLOW_CONN_COMPLIANCE_POSTGRES", None)
    process.pop("AIRFLOW_CONN_BITBUCKET_DEFAULT", None)
    done = subprocess.run(
        [sys.executable, "-c", _DESCRIBE, str(ROOT / "dags")],
        env=process,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    described: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return described


def test_every_dag_file_loads_without_connections_or_database(parsed: dict[str, Any]) -> None:
    assert parsed["errors"] == {}
    assert set(parsed["dags"]) == {
        "bitbucket_compliance",
        "bitbucket_events",
        "bitbucket_schedule",
        "bitbucket_webhooks",
        "audit_package",
        "export_results",
        "housekeeping",
        "notification_digest",
        "operations_alerts",
        "registry_import",
        "roster_refresh",
    }


def test_parsing_imports_neither_pandas_nor_great_expectations(parsed: dict[str, Any]) -> None:
    assert not {"pandas", "great_expectations"} & set(parsed["heavy"])


def test_a_dag_file_never_hides_the_package_of_its_name(parsed: dict[str, Any]) -> None:
    assert parsed["packages"] == {
        "bitbucket_compliance": str(ROOT / "include/bitbucket_compliance/__init__.py"),
        "bitbucket_webhooks": str(ROOT / "plugins/bitbucket_webhooks/__init__.py"),
    }


def test_every_component_finds_the_packages_before_the_dag_files() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
    paths = {service.get("environment", {}).get("PYTHONPATH") for service in services.values()} - {None}
    assert paths == {"/opt/pipeline/include:/opt/pipeline/plugins"}
    assert environment.airflow_environment(Path("home"))["PYTHONPATH"].split(os.pathsep)[0] == str(ROOT / "include")


def test_tags_owners_and_documentation_are_complete(parsed: dict[str, Any]) -> None:
    for dag_id, dag in parsed["dags"].items():
        assert dag["tags"] and set(dag["tags"]) <= VOCABULARY, dag_id
        assert dag["owner"] == "compliance", dag_id
        assert dag["doc"], dag_id
        assert dag["catchup"] is False, dag_id
        for task_id, task in dag["tasks"].items():
            assert task["doc"], f"{dag_id}.{task_id}"


def test_every_task_retries_and_has_a_timeout(parsed: dict[str, Any]) -> None:
    for dag_id, dag in parsed["dags"].items():
        for task_id, task in dag["tasks"].items():
            assert task["retries"] >= 1, f"{dag_id}.{task_id}"
            assert task["timeout"] != "None", f"{dag_id}.{task_id}"
    for task in parsed["dags"]["bitbucket_compliance"]["tasks"].values():
        assert task["exponential"]


def test_task_groups_carry_the_names_of_the_flow(parsed: dict[str, Any]) -> None:
    groups = parsed["dags"]["bitbucket_compliance"]["groups"]
    assert groups == sorted(["extract", "stage", "gate", "security_tests", "publish"])


def test_each_security_test_is_one_static_task_between_gate_and_publication(parsed: dict[str, Any]) -> None:
    tasks = parsed["dags"]["bitbucket_compliance"]["tasks"]
    ids = {f"security_tests.{test.test_id}" for test in CATALOGUE}
    assert ids == {task_id for task_id in tasks if task_id.startswith("security_tests.")}
    for task_id in ids:
        assert "gate.gate_staging" in tasks[task_id]["upstream"]
    assert ids <= set(tasks["publish.gate_results"]["upstream"])
    assert tasks["publish.publish_results"]["upstream"] == ["publish.gate_results"]


def test_the_workspace_is_given_back_whatever_happens(parsed: dict[str, Any]) -> None:
    assert parsed["dags"]["bitbucket_compliance"]["tasks"]["finish_run"]["is_teardown"]


def test_no_dag_waits_paused_for_somebody_to_find_it(parsed: dict[str, Any]) -> None:
    assert {dag_id for dag_id, dag in parsed["dags"].items() if dag["is_paused"] is not False} == set()


def test_runs_that_wait_for_requests_keep_no_other_workspace_from_a_place(parsed: dict[str, Any]) -> None:
    assert parsed["dags"]["bitbucket_compliance"]["most_runs"] >= 500, "a place is counted while a run only waits"
