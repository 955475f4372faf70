"""The attacks on what `make up` starts: scheduler, API server, DAG processor, Postgres and sandbox, over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from compliance_console_app.web.login_attempts import REFUSALS
from local.environment import DEMO_WORKSPACE
from tests.console_browser.world import Airflow, airflow_in
from tests.registry.files import EXPORT

pytestmark = pytest.mark.slow

PEOPLE = ("viewer", "reviewer", "owner")
SECONDS = 150
DAG, IMPORT, EXPORT_DAG = "bitbucket_compliance", "registry_import", "export_results"
#: what a run runs even so: the rest is marked as done
KEPT = ("start_run", "publish.publish_results", "finish_run")
TEMPLATE = "{{ conn.compliance_postgres.password }}"


@dataclass(frozen=True)
class Attacked:
    """The runs that ``owner`` (Airflow's role op) triggered, when all have ended."""

    airflow: Airflow
    folder: Path
    runs: dict[str, tuple[str, str]]

    def state(self, attack: str) -> str:
        dag_id, run = self.runs[attack]
        return str(self.airflow.ask("owner", "GET", f"/api/v2/dags/{dag_id}/dagRuns/{run}").json()["state"])

    def said(self, attack: str) -> str:
        """What ``owner`` can read of it: logs of all tries, values that went in, values that came out."""
        dag_id, run = self.runs[attack]
        tasks = f"/api/v2/dags/{dag_id}/dagRuns/{run}/taskInstances"
        told = [self.airflow.ask("owner", "GET", tasks).text]
        for task in self.airflow.ask("owner", "GET", tasks).json()["task_instances"]:
            for number in range(1, int(task["try_number"]) + 1):
                told.append(self.airflow.ask("owner", "GET", f"{tasks}/{task['task_id']}/logs/{number}").text)
        return "\n".join(told)


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    folder = tmp_path_factory.mktemp("running")
    imports = folder / "imports"
    imports.mkdir()
    (imports / "mfa.csv").write_text(f"{EXPORT}ada@example.test,,Enabled\n")
    (imports / "link.csv").symlink_to(folder / "airflow-web" / "passwords.json")
    settings = {"COMPLIANCE_IMPORT_FOLDERS": str(imports), "COMPLIANCE_EXPORT_TARGET": str(folder / "exports")}
    with airflow_in(folder, settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
def attacked(airflow: Airflow) -> Attacked:
    """Every attack that takes a run, side by side."""
    passwords = airflow.folder / "airflow-web" / "passwords.json"
    wanted: dict[str, tuple[str, dict[str, Any]]] = {
        "passwords": (IMPORT, {"file": str(passwords)}),
        "link": (IMPORT, {"file": "link.csv"}),
        "template": (IMPORT, {"file": TEMPLATE}),
        "another's name": (IMPORT, {"kind": "mfa", "file": "mfa.csv", "imported_by": "reviewer", "user": "reviewer"}),
        "export": (EXPORT_DAG, {"format": "csv", "target": str(airflow.folder / "dags")}),
        "gates": (DAG, {"workspace": DEMO_WORKSPACE}),
    }
    runs = {name: (dag_id, _triggered(airflow, dag_id, conf)) for name, (dag_id, conf) in wanted.items()}
    _mark_as_done(airflow, runs["gates"][1])
    for dag_id in {dag_id for dag_id, _ in runs.values()}:
        airflow.insist("owner", "PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})
    attacked = Attacked(airflow, airflow.folder, runs)
    deadline = time.monotonic() + SECONDS
    while any(attacked.state(name) not in ("success", "failed") for name in runs):
        assert time.monotonic() < deadline, {name: attacked.state(name) for name in runs}
        time.sleep(1)
    return attacked


def _triggered(airflow: Airflow, dag_id: str, conf: dict[str, Any]) -> str:
    path = f"/api/v2/dags/{dag_id}"
    airflow.insist("owner", "PATCH", path, {"is_paused": True})
    run = airflow.insist("owner", "POST", f"{path}/dagRuns", {"logical_date": None, "conf": conf}).json()
    return str(run["dag_run_id"])


def _mark_as_done(airflow: Airflow, run: str) -> None:
    """Reading, staging, gates and tests, none of which ran."""
    tasks = f"/api/v2/dags/{DAG}/dagRuns/{run}/taskInstances"
    for task in airflow.ask("owner", "GET", tasks).json()["task_instances"]:
        if task["task_id"] not in KEPT:
            airflow.insist("owner", "PATCH", f"{tasks}/{task['task_id']}", {"new_state": "success"})


@pytest.mark.parametrize("attack", ["passwords", "link", "template"])
def test_an_import_reads_no_other_file_and_tells_nothing_of_it(attacked: Attacked, attack: str) -> None:
    secrets = json.loads((attacked.folder / "airflow-web" / "passwords.json").read_text()).values()
    database = json.loads((attacked.folder / "postgres" / "credentials.json").read_text()).values()
    said = attacked.said(attack)
    assert attacked.state(attack) == "failed" and "COMPLIANCE_IMPORT_FOLDERS" in said
    assert not [secret for secret in (*secrets, *database) if len(str(secret)) > 8 and str(secret) in said]


def test_evidence_is_submitted_by_whoever_triggered_the_run_and_accepted_by_nobody(attacked: Attacked) -> None:
    assert attacked.state("another's name") == "success"
    rows = attacked.airflow.query("SELECT submitted_by, status FROM registry.evidence_states")
    assert rows == [{"submitted_by": "airflow:owner", "status": "submitted"}]


def test_an_export_goes_nowhere_but_below_its_target(attacked: Attacked) -> None:
    assert attacked.state("export") == "failed" and "COMPLIANCE_EXPORT_TARGET" in attacked.said("export")
    assert not (attacked.folder / "dags").exists()


def test_gates_and_tests_that_were_marked_as_done_publish_nothing(attacked: Attacked) -> None:
    said = attacked.said("gates")
    assert attacked.state("gates") == "failed"
    assert "whatever Airflow shows of its task; nothing was published" in said
    assert attacked.airflow.query("SELECT count(*) AS n FROM compliance.results") == [{"n": 0}]


@pytest.mark.parametrize("user", [*PEOPLE, "admin"])
def test_no_connection_is_tested(airflow: Airflow, user: str) -> None:
    fields = {"connection_id": "bitbucket_default", "conn_type": "bitbucket", "extra": '{"oauth_url": "http://x.test"}'}
    assert airflow.ask(user, "POST", "/api/v2/connections/test", fields).status_code == 403


@pytest.mark.parametrize("user", ["viewer", "reviewer"])
def test_who_decides_needs_no_right_to_connections_and_has_none(airflow: Airflow, user: str) -> None:
    fields = {"connection_id": "bitbucket_default", "conn_type": "bitbucket", "host": "http://x.test"}
    answers = [
        airflow.ask(user, "GET", "/api/v2/connections"),
        airflow.ask(user, "POST", "/api/v2/connections", fields),
        airflow.ask(user, "PATCH", "/api/v2/connections/bitbucket_default", fields),
    ]
    assert {answer.status_code for answer in answers} == {403}


@pytest.mark.parametrize("user", PEOPLE)
def test_a_nul_in_an_address_of_the_console_is_no_failure(airflow: Airflow, user: str) -> None:
    for path in (
        "tests/a%00b",
        "repositories/a%00b",
        "members/a%00b",
        "runs/a%00b",
        "tests?status=%00",
        "evidence/%00",
    ):
        assert airflow.ask(user, "GET", f"/compliance/{path}").status_code < 500, path


@pytest.mark.parametrize("path", ["/compliance/", "/compliance/members", "/compliance/static/style.css"])
@pytest.mark.parametrize("token", ["", "nonsense", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."])
def test_nobody_gets_in_without_a_token_of_airflows(airflow: Airflow, path: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = requests.get(f"{airflow.url}{path}", headers=headers, timeout=30, allow_redirects=False)
    assert answer.status_code in (302, 303, 307, 401, 403), answer.status_code


def test_secrets_lie_in_no_file_that_others_on_this_machine_can_read(airflow: Airflow) -> None:
    files = [airflow.folder / "airflow-web" / "passwords.json", *(airflow.folder / "secrets").iterdir()]
    assert len(files) > 3 and [file for file in files if file.stat().st_mode & 0o077] == []


def test_sixty_guesses_are_ten(airflow: Airflow) -> None:
    """Last: from then on this address waits."""
    body = {"username": "admin", "password": "guess"}
    codes = [requests.post(f"{airflow.url}/auth/token", json=body, timeout=30).status_code for _ in range(60)]
    assert codes == [401] * REFUSALS + [429] * (60 - REFUSALS)
