"""The package's OSCAL documents are what the published models say, and name the failures that are open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from trestle.oscal import OSCAL_VERSION, assessment_plan, assessment_results, poam

from bitbucket_compliance.reporting.audit.oscal import VERSION
from tests.harness import Pipeline
from tests.reporting.audit.test_package import judged, made, rows  # noqa: F401 - a fixture


def test_the_version_is_the_models() -> None:
    assert VERSION == OSCAL_VERSION


@pytest.mark.parametrize("people", [True, False])
def test_the_documents_are_valid_and_hang_together(
    judged: Pipeline,  # noqa: F811
    tmp_path: Path,
    people: bool,
) -> None:
    folder = made(tmp_path, people=people).folder
    read: dict[str, Any] = {path.name: json.loads(path.read_text()) for path in (folder / "oscal").iterdir()}
    assessment_plan.Model.model_validate(read["assessment-plan.json"])
    assessment_results.Model.model_validate(read["assessment-results.json"])
    poam.Model.model_validate(read["plan-of-action-and-milestones.json"])
    results = read["assessment-results.json"]["assessment-results"]
    assert (folder / "oscal" / results["import-ap"]["href"]).is_file()
    [result] = results["results"]
    controls = rows(folder, "data/controls.csv")
    states = [one["target"]["status"]["state"] for one in result["findings"]]
    assert states == ["satisfied" if one["state"] == "operated" else "not-satisfied" for one in controls]
    open_failures = [one for one in rows(folder, "data/findings.csv") if not one["ended_at"]]
    assert open_failures and len(result["risks"]) == len(open_failures)
    actions = read["plan-of-action-and-milestones.json"]["plan-of-action-and-milestones"]
    asked = {one["related-risks"][0]["risk-uuid"] for one in actions["poam-items"]}
    assert asked == {one["uuid"] for one in actions["risks"]} == {one["uuid"] for one in result["risks"]}
