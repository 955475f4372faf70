"""The recipe "Add a security test" of docs/developing.md, followed to the letter in a copy of the project."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Database

RECIPE = "### Add a security test"
TEST_ID = "repository_private"

# What the copy is asked: one whole run of the demo, gates included; then what it shows of the new test.
ASK = """
import json, os
from bitbucket_compliance.security_tests.policies import policy_of
from bitbucket_compliance.core.database import connect
from bitbucket_compliance.security_tests.upgrade import upgrade
from tests.documents.verdicts import document
from sandbox.process import SandboxServer
from tests.harness import Pipeline, bitbucket_connection

def connect_to(server, grant="admin", **extra):
    os.environ["AIRFLOW_CONN_BITBUCKET_DEFAULT"] = json.dumps(bitbucket_connection(server.url, grant, **extra))

upgrade(os.environ["DSN"])
pipeline = Pipeline(os.environ["DSN"], connect_to)
with SandboxServer(workload="demo") as server:
    pipeline.take_demo()
    pipeline.run(server, gates=True)
from airflow.dag_processing.dagbag import DagBag
dags = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
with connect() as connection:
    policy = policy_of(connection, None).model_dump(mode="json")
print("ASKED " + json.dumps({
    "document": document(), "policy": policy["tests"], "errors": {k: str(v) for k, v in dags.import_errors.items()},
    "tasks": sorted(dags.dags["bitbucket_compliance"].task_ids),
}))
"""


def files_of_the_recipe() -> dict[str, str]:
    """What the recipe writes: content by path."""
    page = (ROOT / "docs" / "developing.md").read_text(encoding="utf-8")
    recipe = page.split(RECIPE, 1)[1].split("\n### ", 1)[0]
    return dict(re.findall(r"^`([^`\n]+)`\n\n```\w+\n(.*?)^```$", recipe, re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with what the recipe adds: one folder."""
    root = tmp_path_factory.mktemp("project")
    for name in ("dags", "include", "plugins", "tests", "docs"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    files = files_of_the_recipe()
    assert {str(Path(path).parent) for path in files} == {f"include/bitbucket_compliance/security_tests/{TEST_ID}"}
    for path, content in files.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(content, encoding="utf-8")
    return root


def ask(copy: Path, dsn: str, home: Path) -> dict[str, Any]:
    environment = os.environ | {
        "DSN": dsn,
        "PYTHONPATH": os.pathsep.join(map(str, (copy / "include", copy / "plugins", copy))),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(copy / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(copy / "plugins"),
    }
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("ASKED "))
    return dict(json.loads(line.removeprefix("ASKED ")))


def test_one_new_folder_is_a_ninth_security_test(copy: Path, dsn: str, database: Database, tmp_path: Path) -> None:
    asked = ask(copy, dsn, tmp_path)
    rows = database.execute(
        "SELECT results.status, results.reason_code, count(*) AS subjects,"
        " bool_and(results.reason_code = CASE repositories.visibility WHEN 'private' THEN 'private' ELSE 'public' END)"
        " AS as_listed"
        " FROM compliance.current_results AS results INNER JOIN compliance.repositories AS repositories"
        " ON results.workspace = repositories.workspace AND results.subject_id = repositories.repository_id"
        " WHERE results.test_id = %s GROUP BY 1, 2 ORDER BY 1",
        (TEST_ID,),
    ).fetchall()
    assert [(row["status"], row["reason_code"], row["as_listed"]) for row in rows] == [
        ("failing", "public", True),
        ("passing", "private", True),
    ]
    listed = database.execute("SELECT count(*) AS repositories FROM compliance.repositories").fetchone()
    assert listed is not None and sum(row["subjects"] for row in rows) == listed["repositories"]
    assert "Code repo should be private" in asked["document"] and "`visibility_unknown`" in asked["document"]
    assert asked["policy"][TEST_ID]["enabled"] is True and asked["policy"][TEST_ID]["severity"] == "medium"
    assert asked["errors"] == {}
    assert f"security_tests.{TEST_ID}" in asked["tasks"]
    codes = database.execute(
        "SELECT reason_code FROM compliance.reason_codes WHERE test_id = %s", (TEST_ID,)
    ).fetchall()
    assert {row["reason_code"] for row in codes} == {"private", "public", "visibility_unknown", "held_back"}
