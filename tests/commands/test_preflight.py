"""``preflight`` says, line by line, what a run would miss; and where files go that no variable of their own names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bitbucket_compliance.__main__ import main as operate
from bitbucket_compliance.core.configured_folders import FOLDER, place, working_folder
from sandbox.process import SandboxServer
from tests.harness import DEMO, bitbucket_connection

BITBUCKET = "AIRFLOW_CONN_BITBUCKET_DEFAULT"


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMPLIANCE_VAULT_KEY", raising=False)
    monkeypatch.delenv(BITBUCKET, raising=False)


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_everything_is_there(
    dsn: str, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(BITBUCKET, json.dumps(bitbucket_connection(sandbox.url, workspaces=[DEMO])))
    assert operate(["preflight"]) == 0
    lines = said(capsys)
    assert lines[0].startswith("ok: compliance_postgres: database ")
    assert lines[1].startswith(f"ok: bitbucket_default: Connected to {sandbox.url}") and DEMO in lines[1]


def test_each_thing_that_is_missing_is_named_and_the_others_are_looked_at(
    dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMPLIANCE_VAULT_KEY", "no key")
    monkeypatch.delenv("COMPLIANCE_EVIDENCE_URL", raising=False)
    assert operate(["preflight"]) == 1
    found, bitbucket, key, *notes = said(capsys)
    assert found.startswith("ok: compliance_postgres")
    assert bitbucket.startswith("error: there is no Airflow connection bitbucket_default yet")
    assert key.startswith("error: ") and "COMPLIANCE_VAULT_KEY" in key
    assert [note for note in notes if note.startswith("note: ") and "COMPLIANCE_EVIDENCE_URL" in note]


def test_a_connection_that_bitbucket_refuses_is_an_error(
    dsn: str, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(BITBUCKET, json.dumps(bitbucket_connection(sandbox.url, "nobody", workspaces=[DEMO])))
    assert operate(["preflight"]) == 1
    [told] = [line for line in said(capsys) if line.startswith("error: ")]
    assert told.startswith("error: bitbucket_default: ")


def test_a_folder_for_all_files_gives_way_to_a_variable_of_its_own() -> None:
    assert place("COMPLIANCE_EVIDENCE_URL", "evidence", {}) == ""
    assert place("COMPLIANCE_EVIDENCE_URL", "evidence", {FOLDER: "/srv"}) == "/srv/evidence"
    named = {FOLDER: "/srv", "COMPLIANCE_EVIDENCE_URL": "s3://bucket/evidence"}
    assert place("COMPLIANCE_EVIDENCE_URL", "evidence", named) == "s3://bucket/evidence"


def test_without_a_folder_files_go_to_airflows_home_and_never_beside_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert working_folder({}) == tmp_path
    assert working_folder({"AIRFLOW_HOME": "/opt/airflow"}) == Path("/opt/airflow")
    assert working_folder({"AIRFLOW_HOME": "/opt/airflow", FOLDER: "/srv"}) == Path("/srv")
