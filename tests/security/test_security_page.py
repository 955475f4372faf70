"""docs/security.md promises nothing that no test attacks."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest

from local.environment import ROOT
from tests.security.live.server import ROLES, SERVICES

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
HEADER = "| threat | control | test | remains |"
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def _threats() -> list[list[str]]:
    tables = [part.split("\n\n")[0] for part in PAGE.split(HEADER)[1:]]
    lines = [line for table in tables for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@cache
def _tests_in(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("threat", _threats(), ids=lambda threat: str(threat[0])[:60])
def test_each_threat_has_a_control_and_each_control_a_test(threat: list[str]) -> None:
    assert len(threat) == 4 and threat[0] and threat[1]
    named = NAMED.findall(threat[2])
    assert named and NAMED.sub("", threat[2]).strip(" ,") == ""
    missing = [f"{file}::{name}" for file, name in named if name not in _tests_in(ROOT / "tests" / file)]
    assert missing == []


@pytest.mark.parametrize(
    "foe",
    [
        *("stolen token", "webhooks", "hostile", "names, evidence and rosters", "curious viewer", "bi reader"),
        *("trigger-happy operator", "dag author", "administrator who would rewrite history", "lost backup"),
    ],
)
def test_everybody_of_whom_it_should_speak_has_a_heading(foe: str) -> None:
    assert [line for line in PAGE.lower().splitlines() if line.startswith("## ") and foe in line]


def test_the_roles_of_the_page_are_those_of_compose() -> None:
    made = json.loads(SERVICES["airflow-api-server"]["environment"]["AIRFLOW__FAB__CUSTOM_ROLES"])
    assert tuple(made) == ROLES
    assert [role for role in (*made, "Admin") if f"| {role} |" not in PAGE] == []
