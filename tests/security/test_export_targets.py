"""Whoever may trigger export_results writes nowhere but below the configured target."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException

from bitbucket_compliance.tasks.export_results import export_results


@pytest.fixture
def target(tmp_path: Path, dsn: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configured folder, beside the folder of DAGs."""
    made = tmp_path / "exports"
    made.mkdir()
    (tmp_path / "dags").mkdir()
    (made / "link").symlink_to("../dags")
    monkeypatch.setenv("COMPLIANCE_EXPORT_TARGET", str(made))
    return made


@pytest.mark.parametrize(
    "wanted",
    [
        "{outside}/dags",
        "../dags",
        "below/../../dags",
        "link",
        "link/below",
        "file://{outside}/dags",
        "s3://bucket/exports",
        "memory://bucket",
        "{target}-beside",
        "/",
        "nul\0",
    ],
)
def test_no_folder_elsewhere_is_written_to(target: Path, wanted: str) -> None:
    wanted = wanted.format(outside=target.parent, target=target)
    with pytest.raises(AirflowFailException, match="lies outside of COMPLIANCE_EXPORT_TARGET"):
        export_results("csv", "", "", "", wanted)
    assert not list((target.parent / "dags").iterdir())
    assert {path.name for path in target.parent.iterdir()} == {"dags", "exports"}


@pytest.mark.parametrize(
    "wanted",
    [
        "s3://bucket/other",
        "s3://bucket/exports/../other",
        "s3://bucket/exports/%2e%2e/other",
        "s3://bucket/exportsother",
        "s3://other@bucket/exports",
        "s3://elsewhere/exports",
        "gs://bucket/exports",
        "../other",
        "a//../../other",
        "a?versionId=x",
        "file:///tmp",
    ],
)
def test_no_other_place_of_an_object_store_is_written_to(
    target: Path, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPLIANCE_EXPORT_TARGET", "s3://bucket/exports")
    with pytest.raises(AirflowFailException, match="lies outside of COMPLIANCE_EXPORT_TARGET"):
        export_results("csv", "", "", "", wanted)


def test_without_a_configured_target_nothing_is_written(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMPLIANCE_EXPORT_TARGET")
    with pytest.raises(AirflowFailException, match="COMPLIANCE_EXPORT_TARGET is not set"):
        export_results("csv", "", "", "", str(target))
