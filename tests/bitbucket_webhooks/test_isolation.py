"""The receiver is small: it needs neither Airflow nor the pipeline, and little of the Bitbucket package."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
SHARED = {
    "bitbucket_cloud.auth.encryption",
    "bitbucket_cloud.errors",
    "bitbucket_cloud.configuration",
    "bitbucket_cloud.webhooks.events",
    "bitbucket_cloud.webhooks.signature",
}
OURS = ("bitbucket_", "compliance_", "local", "sandbox", "airflow")


def test_it_imports_five_small_modules_and_nothing_else_of_ours() -> None:
    imported = {
        node.module
        for path in (PLUGINS / "bitbucket_webhooks").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module
    }
    ours = {module for module in imported if module.startswith(OURS) and not module.startswith("bitbucket_webhooks")}
    assert ours == SHARED


@pytest.mark.slow
def test_the_process_loads_nothing_heavy(tmp_path: Path) -> None:
    heavy = ("airflow", "pandas", "great_expectations", "sqlalchemy", "requests", "tenacity", "bitbucket_compliance")
    code = f"import sys, bitbucket_webhooks.__main__; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PLUGINS)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
