"""What the DAG ``audit_package`` does for whoever triggers it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException

from bitbucket_compliance.tasks.audit_package import audit_package
from tests.harness import Pipeline
from tests.reporting.audit.test_package import TODAY, judged, verify  # noqa: F401 - a fixture

FIRST, LAST = str(TODAY - timedelta(days=120)), str(TODAY)


def test_the_package_lies_below_the_configured_target(
    judged: Pipeline,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COMPLIANCE_EXPORT_TARGET", str(tmp_path))
    address = audit_package("acme", FIRST, LAST, "", "", "False", "year")
    assert address == str(tmp_path / "year" / f"audit_acme_{FIRST}_{LAST}.zip") and Path(address).is_file()
    assert verify(Path(address.removesuffix(".zip")))[0] == 0
    with pytest.raises(AirflowFailException, match="is there already"):
        audit_package("acme", FIRST, LAST, "", "", "False", "year")
    with pytest.raises(AirflowFailException, match="lies outside"):
        audit_package("acme", FIRST, LAST, "", "", "False", "../elsewhere")
    with pytest.raises(AirflowFailException, match="write both days as 2026-03-31"):
        audit_package("acme", "31.3.", LAST, "", "", "False", "")
