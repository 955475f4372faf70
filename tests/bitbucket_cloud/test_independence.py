"""The package makes sense in a project without compliance, and says what it needs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PathDistribution, packages_distributions
from pathlib import Path

import pytest

from bitbucket_cloud.configuration import DEFAULTS, installed
from bitbucket_cloud.database import statement
from bitbucket_compliance.core.bitbucket import CONFIGURATION

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "plugins" / "bitbucket_cloud"
METADATA = PathDistribution(ROOT / "plugins" / "airflow_provider_bitbucket_cloud-0.1.0.dist-info")

FILES = [path for path in sorted(PACKAGE.rglob("*")) if path.suffix in (".py", ".sql")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_names_what_the_project_judges_or_how_it_is_run(path: Path) -> None:
    text = path.read_text()
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert not re.search("compliance", text, re.IGNORECASE)
    assert not re.search(rf"\bmake ({'|'.join(targets)})\b", text)


def imports() -> Iterator[str]:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module


def distribution_of(module: str) -> str | None:
    """The distribution that a module comes from; None for this package and the standard library."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top == "bitbucket_cloud":
        return None
    if module.startswith("airflow."):
        provider = re.match(r"airflow\.providers\.(\w+)", module)
        return f"apache-airflow-providers-{provider[1]}" if provider else "apache-airflow"
    return packages_distributions()[top][0].lower()


def test_the_metadata_lists_what_is_imported_and_nothing_else() -> None:
    listed = {re.split(r"[^\w.-]", line)[0] for line in METADATA.requires or ()}
    assert listed == {name for name in map(distribution_of, imports()) if name}


def test_it_imports_nothing_of_the_project() -> None:
    own = {"bitbucket_compliance", "bitbucket_webhooks", "compliance_console_app", "local", "sandbox"}
    assert not own & {module.partition(".")[0] for module in imports()}


def test_a_hook_that_airflow_makes_finds_the_projects_configuration_by_its_entry_point() -> None:
    assert installed() == CONFIGURATION


def test_without_the_project_the_defaults_hold(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from bitbucket_cloud.configuration import *; print(installed() == DEFAULTS)"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "plugins")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "True"


def test_another_schema_takes_the_place_of_the_default_one(tmp_path: Path) -> None:
    file = tmp_path / "read.sql"
    file.write_text("SELECT * FROM integration.webhooks;")
    assert statement(file) == b"SELECT * FROM integration.webhooks;"
    assert statement(file, 'a"b') == b'SELECT * FROM "a""b".webhooks;'
    assert DEFAULTS.schema == "integration"
