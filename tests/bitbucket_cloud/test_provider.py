"""Airflow finds the connection type and its form, and leaves the package out of its plugins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import airflow
import jsonschema
import pytest

from bitbucket_cloud.get_provider_info import get_provider_info

ROOT = Path(__file__).parents[2]


def run(code: str, home: Path) -> str:
    """What a fresh Python with ``plugins`` on its path prints."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def discovered(tmp_path_factory: pytest.TempPathFactory) -> str:
    return run(
        "from airflow.providers_manager import ProvidersManager as P\n"
        "p = P()\n"
        "p.initialize_providers_hooks()\n"
        "hook = p.hooks['bitbucket']\n"
        "print('HOOK', hook.hook_class_name, hook.connection_id_attribute_name, hook.connection_testable)\n"
        "print('FIELDS', *sorted(k for k in p.connection_form_widgets if '__bitbucket__' in k))\n"
        "b = p.field_behaviours['bitbucket']\n"
        "print('HIDDEN', *b['hidden_fields'])\n"
        "print('LABELS', b['relabeling']['login'], '|', b['placeholders']['host'])\n"
        "from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime as T\n"
        "print('TASK', T().hooks['bitbucket'].hook_name)\n",
        tmp_path_factory.mktemp("airflow"),
    )


def test_the_connection_type_is_discovered(discovered: str) -> None:
    assert "HOOK bitbucket_cloud.hooks.bitbucket.BitbucketHook bitbucket_conn_id True" in discovered
    assert "TASK Bitbucket Cloud" in discovered


def test_the_form_has_the_fields_of_the_connection(discovered: str) -> None:
    names = ["auth", "connections", "oauth_url", "requests_per_hour", "workspaces"]
    assert "FIELDS " + " ".join(f"extra__bitbucket__{name}" for name in names) in discovered
    assert "HIDDEN schema port" in discovered
    assert "LABELS OAuth key | https://api.bitbucket.org" in discovered


def test_the_plugin_loader_leaves_the_package_alone(tmp_path: Path) -> None:
    printed = run(
        "import sys\n"
        "from airflow import plugins_manager\n"
        "print('ERRORS', plugins_manager.get_import_errors())\n"
        "bare = {'client', 'auth', 'settings', 'scopes', 'endpoints', 'pagination', 'redaction'}\n"
        "print('BARE', sorted(bare & set(sys.modules)))\n",
        tmp_path,
    )
    assert "ERRORS {}" in printed
    assert "BARE []" in printed


def test_provider_info_fits_airflows_schema() -> None:
    schema = Path(airflow.__file__).parent / "provider_info.schema.json"
    jsonschema.validate(get_provider_info(), json.loads(schema.read_text()))
