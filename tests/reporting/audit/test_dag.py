"""What the DAG ``audit_package`` does for whoever triggers it."""

from __future__ import annotations

import json
import zipfile
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException

from bitbucket_compliance.core.database import connect
from bitbucket_compliance.reporting.audit.model import AuditRequest
from bitbucket_compliance.reporting.audit.requests import ask
from bitbucket_compliance.tasks.audit_package import audit_package
from tests.harness import Pipeline
from tests.reporting.audit.test_package import TODAY, judged, verify  # noqa: F401 - a fixture

FIRST, LAST = str(TODAY - timedelta(days=120)), str(TODAY)


def run_of(run_id: str) -> SimpleNamespace:
    """A run of the DAG as Airflow tells its task of it."""
    return SimpleNamespace(run_id=run_id, triggering_user_name="ann")


def test_the_package_lies_below_the_configured_target(
    judged: Pipeline,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COMPLIANCE_EXPORT_TARGET", str(tmp_path))
    address = audit_package("acme", FIRST, LAST, "", "", "False", "year", run_of("first"))
    assert address == str(tmp_path / "year" / f"audit_acme_{FIRST}_{LAST}.zip") and Path(address).is_file()
    assert verify(Path(address.removesuffix(".zip")))[0] == 0
    with pytest.raises(AirflowFailException, match="is there already"):
        audit_package("acme", FIRST, LAST, "", "", "False", "year", run_of("second"))
    with pytest.raises(AirflowFailException, match="lies outside"):
        audit_package("acme", FIRST, LAST, "", "", "False", "../elsewhere", run_of("third"))
    with pytest.raises(AirflowFailException, match="write both days as 2026-03-31"):
        audit_package("acme", "31.3.", LAST, "", "", "False", "", run_of("fourth"))
    noted = judged.query(
        "SELECT dag_run_id, requested_by, bytes, error FROM integration.audit_packages ORDER BY requested_at"
    )
    assert [(one["dag_run_id"], one["requested_by"], bool(one["bytes"])) for one in noted] == [
        ("first", "airflow:ann", True),
        ("second", "airflow:ann", False),
        ("third", "airflow:ann", False),
    ]
    assert noted[0]["bytes"] == Path(address).stat().st_size and "is there already" in noted[1]["error"]


def test_persons_are_named_where_the_console_asked_or_the_deployment_lets_whoever_triggers(
    judged: Pipeline,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COMPLIANCE_EXPORT_TARGET", str(tmp_path))
    with pytest.raises(AirflowFailException, match="on the console's page Controls"):
        audit_package("acme", FIRST, LAST, "", "", "True", "", run_of("of a stranger"))
    assert list(tmp_path.iterdir()) == []
    request = AuditRequest("acme", TODAY - timedelta(days=120), TODAY, people=True)
    with connect(role="compliance_console") as connection:
        asked = ask(connection, request, "of the console", requested_by="airflow:ann")
    # What the parameters say is of no account.
    address = audit_package("other", FIRST, FIRST, "", "", "False", "elsewhere", run_of("of the console"))
    assert Path(address).parent == tmp_path / "audit_packages" / str(asked.package_id)
    assert [path.name for path in Path(address).parent.iterdir()] == [Path(address).name]
    with zipfile.ZipFile(address) as archive:
        [manifest] = [archive.read(name) for name in archive.namelist() if name.endswith("/manifest.json")]
    assert json.loads(manifest)["people"] is True
    assert audit_package("acme", FIRST, LAST, "", "", "True", "", run_of("of the console")) == Path(address).name
    monkeypatch.setenv("COMPLIANCE_AUDIT_PEOPLE", "1")
    assert Path(audit_package("acme", FIRST, LAST, "", "", "True", "named", run_of("let in"))).is_file()
