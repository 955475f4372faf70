"""What the wheels say of themselves, and what Airflow reads beside the code in a checkout, is the same."""

from __future__ import annotations

import tomllib
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from bitbucket_cloud.get_provider_info import get_provider_info
from bitbucket_compliance.commands.command_line import INSTALLED
from tests.install import ROOT, VERSIONS
from tests.install.build import DISTRIBUTIONS

BESIDE_THE_CODE = {
    "provider": ROOT / "plugins" / "airflow_provider_bitbucket_cloud-0.1.0.dist-info",
    "compliance": ROOT / "include" / "bitbucket_compliance-0.1.0.dist-info",
}


def project(name: str) -> dict[str, Any]:
    path = ROOT / "include" / "distributions" / name / "pyproject.toml"
    found: dict[str, Any] = tomllib.loads(path.read_text())["project"]
    return found


def requirements(lines: list[str]) -> dict[str, str]:
    return {requirement.name: str(requirement.specifier) for requirement in map(Requirement, lines)}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_checkout_and_its_wheel_have_one_name_and_version(name: str) -> None:
    beside, wheel = PathDistribution(BESIDE_THE_CODE[name]), project(name)
    assert (beside.name, beside.version) == (wheel["name"], wheel["version"])
    for group, points in wheel["entry-points"].items():
        if group != "airflow.plugins":  # a checkout's console is found in the folder of plugins
            assert {point.name: point.value for point in beside.entry_points.select(group=group)} == points


def test_the_provider_needs_the_same_in_both() -> None:
    beside = PathDistribution(BESIDE_THE_CODE["provider"])
    assert requirements(list(beside.requires or ())) == requirements(project("provider")["dependencies"])


def test_airflow_is_told_the_name_of_the_wheel() -> None:
    assert get_provider_info()["package-name"] == project("provider")["name"]


def test_the_pipeline_needs_the_provider_of_its_own_version() -> None:
    needed = requirements(project("compliance")["dependencies"])
    assert needed[project("provider")["name"]] == f"=={project('provider')['version']}"
    assert list(project("compliance")["scripts"]) == [INSTALLED]


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_nothing_is_pinned_but_the_provider(name: str) -> None:
    pinned = [line for line in project(name)["dependencies"] if Requirement(line).name != project("provider")["name"]]
    assert not [line for line in pinned if "==" in line]


def test_the_documentation_names_the_versions_that_are_tried() -> None:
    text = (ROOT / "docs" / "install.md").read_text()
    assert {version for version in VERSIONS if version in text} == set(VERSIONS) != set()


def test_one_line_in_a_folder_of_dags_is_one_that_airflow_looks_into() -> None:
    [line] = [line for line in Path(ROOT / "docs" / "install.md").read_text().splitlines() if line.startswith("from ")]
    assert "airflow" in line and "dag" in line, "Airflow leaves out files that don't hold both words"
