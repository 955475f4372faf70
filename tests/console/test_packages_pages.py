"""Audit packages in the console: asked for, made by the DAG's task, downloaded by whoever may."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bitbucket_compliance.security_tests.policies import decide, set_override
from bitbucket_compliance.tasks import housekeeping
from bitbucket_compliance.tasks.audit_package import audit_package
from compliance_console_app.services import dag_runs
from sandbox.process import SandboxServer
from tests.conftest import Database
from tests.console.conftest import Console, OpenConsole
from tests.console.world import message, problem
from tests.harness import DEMO, Pipeline

TODAY = datetime.now(UTC).date()
FIRST = TODAY - timedelta(days=30)
PERIOD = {"since": str(FIRST), "until": str(TODAY)}
PAGE = "/controls/packages"


class Runs:
    """Airflow's runs of ``audit_package``, as far as the console asks."""

    def __init__(self) -> None:
        self.started: list[tuple[str, str, dict[str, Any]]] = []
        self.state: dict[str, str] = {}
        self.refusal = ""

    def start_audit_package(self, run_id: str, workspace: str, person: Any, conf: dict[str, Any]) -> None:
        if self.refusal:
            raise dag_runs.RunNotStarted(self.refusal)
        self.started.append((run_id, person.name, conf))
        self.state[run_id] = "queued"

    def states(self, dag_id: str, run_ids: list[str]) -> dict[str, str]:
        assert dag_id == "audit_package"
        return {run_id: self.state[run_id] for run_id in run_ids if run_id in self.state}

    def run(self) -> None:
        """What a worker does with the run that was started last."""
        run_id, name, conf = self.started[-1]
        run = SimpleNamespace(run_id=run_id, triggering_user_name=name)
        audit_package(DEMO, conf["from"], conf["to"], conf["seed"], conf["framework"], str(conf["people"]), "", run)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Runs:
    fake = Runs()
    for name in ("start_audit_package", "states"):
        monkeypatch.setattr(dag_runs, name, getattr(fake, name))
    monkeypatch.setenv("COMPLIANCE_EXPORT_TARGET", str(tmp_path))
    return fake


@pytest.fixture
def published(pipeline: Pipeline, sandbox: SandboxServer) -> Pipeline:
    pipeline.take_demo()
    pipeline.run(sandbox)
    return pipeline


def links(console: Console) -> list[str]:
    """Addresses of the packages that the page offers, the newest first."""
    text = console.get(PAGE).text
    return [piece.split('"')[0] for piece in text.split(f'href="..{PAGE}/')[1:]]


def of_zip(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


@pytest.mark.usefixtures("published")
def test_a_package_is_asked_for_made_and_downloaded(open_console: OpenConsole, runs: Runs, published: Pipeline) -> None:
    ann = open_console("user", "ann")
    assert "Make an audit package" not in ann.get("/controls").text
    offered = ann.get("/controls", params=PERIOD).text
    assert "Make an audit package" in offered and f"since={FIRST}&amp;until={TODAY}" in offered
    answer = ann.submit(PAGE, {**PERIOD, "framework": "SOC 2", "seed": "of the auditor"})
    assert answer.status_code == 303, answer.text
    shown = ann.get(PAGE)
    assert "The package is being made" in message(shown)
    assert "queued" in shown.text and 'data-over="no"' in shown.text and links(ann) == []
    again = ann.submit(PAGE, {**PERIOD, "framework": "SOC 2", "seed": "of the auditor"})
    assert again.status_code == 303 and len(runs.started) == 1
    runs.run()
    [package_id] = links(ann)
    page = ann.get(PAGE).text
    assert 'data-over="yes"' in page and ">ann</td>" in page and "pseudonyms" in page
    answer = open_console("viewer", "vic").get(f"{PAGE}/{package_id}")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/zip"
    assert "attachment" in answer.headers["content-disposition"]
    assert int(answer.headers["content-length"]) == len(answer.content)
    files = of_zip(answer.content)
    manifest = json.loads(files["manifest.json"])
    assert (manifest["framework"], manifest["samples"]["changes"]["seed"]) == ("SOC 2", "of the auditor")
    assert manifest["people"] is False
    assert hashlib.sha256(files["manifest.json"]).hexdigest() in page
    trail = published.query("SELECT actor, action FROM integration.console_audit ORDER BY audit_id DESC LIMIT 2")
    assert [tuple(one.values()) for one in reversed(trail)] == [
        ("airflow:ann", "audit_package.asked_for"),
        ("airflow:vic", "audit_package.downloaded"),
    ]


def test_the_zip_of_a_package_goes_when_the_policy_says_and_what_it_was_stays_noted(
    open_console: OpenConsole, runs: Runs, published: Pipeline, database: Database, tmp_path: Path
) -> None:
    ann = open_console("user", "ann")
    for seed in ("old", "new"):
        assert ann.submit(PAGE, {**PERIOD, "seed": seed}).status_code == 303
        runs.run()
    new, old = links(ann)
    assert ann.get(f"{PAGE}/{old}").status_code == 200
    [noted] = published.query("SELECT * FROM integration.audit_packages WHERE seed = 'old'")
    housekeeping.delete_packages()
    assert links(ann) == [new, old], "four hundred days, as delivered"

    set_override(database, DEMO, {"thresholds": {"packages_kept_days": 40}}, set_by="airflow:a", reason="r")
    decide(database, 1, "accept", decided_by="airflow:b")
    database.execute(
        "UPDATE integration.audit_packages SET ended_at = ended_at - interval '41 days' WHERE seed = 'old'"
    )
    housekeeping.delete_packages()
    assert links(ann) == [new]
    assert [path.name for path in (tmp_path / "audit_packages").iterdir()] == [new]
    answer = ann.get(f"{PAGE}/{old}")
    assert answer.status_code == 410 and "was deleted on" in answer.text and "make the package again" in answer.text
    page = ann.get(PAGE).text
    assert f"its zip was deleted on {TODAY}" in page and noted["manifest_sha256"] in page
    downloads = published.query(
        "SELECT actor, after ->> 'manifest_sha256' AS digest FROM integration.console_audit"
        " WHERE action = 'audit_package.downloaded' AND subject = %s",
        (f"audit package {old}",),
    )
    assert downloads == [{"actor": "airflow:ann", "digest": noted["manifest_sha256"]}]
    # One whose zip somebody took away is noted all the same.
    database.execute("UPDATE integration.audit_packages SET ended_at = ended_at - interval '41 days'")
    shutil.rmtree(tmp_path / "audit_packages" / new)
    housekeeping.delete_packages()
    assert links(ann) == []


@pytest.mark.usefixtures("published")
def test_a_package_with_people_is_for_whoever_decides(
    open_console: OpenConsole, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, vic = open_console("user", "ann"), open_console("viewer", "vic")
    assert ann.submit(PAGE, {**PERIOD, "people": "yes"}).status_code == 303
    runs.run()
    [package_id] = links(ann)
    assert json.loads(of_zip(ann.get(f"{PAGE}/{package_id}").content)["manifest.json"])["people"] is True
    assert links(vic) == [] and "for whoever decides" in vic.get(PAGE).text
    assert vic.get(f"{PAGE}/{package_id}").status_code == 403
    assert 'method="post"' not in vic.get(PAGE).text
    assert "Make an audit package" not in vic.get("/controls", params=PERIOD).text
    forged = {"csrf_token": ann.token(PAGE), **PERIOD}
    assert vic.post(PAGE, data=forged).status_code == 403
    # Somebody who may trigger the DAG, and not decide.
    from compliance_console_app.permissions import may_decide

    ann.app.dependency_overrides[may_decide] = lambda: False  # type: ignore[attr-defined]
    assert 'name="people"' not in ann.get(PAGE).text
    assert ann.submit(PAGE, {**PERIOD, "people": "yes"}).status_code == 403
    assert ann.get(f"{PAGE}/{package_id}").status_code == 403
    assert len(runs.started) == 1


@pytest.mark.usefixtures("published")
def test_what_goes_wrong_is_told(
    open_console: OpenConsole, runs: Runs, published: Pipeline, tmp_path: Path, change_row: Callable[..., None]
) -> None:
    ann = open_console("user", "ann")
    for wrong, told in (
        ({"since": "", "until": ""}, "give the first and the last day"),
        ({"since": str(TODAY), "until": str(FIRST)}, "a period ends after it begins"),
        ({"since": str(TODAY), "until": str(TODAY + timedelta(days=1))}, "lies ahead"),
        ({**PERIOD, "framework": "nonsense"}, "no framework is called nonsense"),
        ({**PERIOD, "seed": "x" * 201}, "a seed has 200 characters"),
    ):
        assert told in problem(ann.submit(PAGE, wrong)), wrong
    runs.refusal = "the DAG audit_package is paused"
    assert "is paused" in problem(ann.submit(PAGE, PERIOD))
    runs.refusal = ""
    assert ann.submit(PAGE, PERIOD).status_code == 303
    runs.state[runs.started[-1][0]] = "failed"
    page = ann.get(PAGE).text
    assert "log of the run says why" in page and "is paused" in page and 'data-over="yes"' in page

    assert ann.submit(PAGE, {**PERIOD, "seed": "other"}).status_code == 303
    runs.run()
    [package_id] = links(ann)
    assert ann.get(f"{PAGE}/00000000-0000-0000-0000-000000000000").status_code == 404
    [zip_file] = tmp_path.rglob("*.zip")
    secret = tmp_path.parent / "elsewhere.zip"
    secret.write_bytes(zip_file.read_bytes())
    for folder, file in (("../", secret.name), ("", f"../{secret.name}"), (str(secret.parent), secret.name)):
        change_row(published, folder, file)
        assert ann.get(f"{PAGE}/{package_id}").status_code == 409, (folder, file)
    change_row(published, str(zip_file.parent.relative_to(tmp_path)), zip_file.name)
    assert ann.get(f"{PAGE}/{package_id}").status_code == 200
    zip_file.write_bytes(b"another")
    assert ann.get(f"{PAGE}/{package_id}").status_code == 409


@pytest.fixture
def change_row(database: Any) -> Callable[..., None]:
    """Say that the package that was made lies elsewhere, as nobody but a superuser can."""

    def change(_: Pipeline, folder: str, file: str) -> None:
        database.execute(
            "UPDATE integration.audit_packages SET folder = %s, file = %s WHERE file IS NOT null", (folder, file)
        )

    return change
