"""Airflow finds the connection type and its form, and leaves the package out of its plugins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.sdk import Connection

from bitbucket_cloud.get_provider_info import get_provider_info
from bitbucket_cloud.settings import DEFAULT_HOST, GRANTS, LABELS, Settings

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


def run(code: str, home: Path) -> str:
    """What a fresh Python with ``plugins`` on its path prints."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'include'}{os.pathsep}{ROOT / 'plugins'}",
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
        "from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime as T\n"
        "print('TASK', T().hooks['bitbucket'].hook_name)\n",
        tmp_path_factory.mktemp("airflow"),
    )


def test_the_connection_type_is_discovered(discovered: str) -> None:
    assert "HOOK bitbucket_cloud.hooks.bitbucket.BitbucketHook bitbucket_conn_id True" in discovered
    assert "TASK Bitbucket Cloud" in discovered


def test_the_form_has_the_fields_of_the_connection(discovered: str) -> None:
    names = ["auth", "connections", "oauth_url", "requests_per_hour", "timeout", "workspaces"]
    assert "FIELDS " + " ".join(f"extra__bitbucket__{name}" for name in names) in discovered


@pytest.fixture(scope="module")
def form(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page asks of the API server to draw the form."""
    printed = run(
        "from airflow.api_fastapi.core_api.routes.ui.connections import hook_meta_data\n"
        "meta = next(m for m in hook_meta_data() if m.connection_type == 'bitbucket')\n"
        "print('META', meta.model_dump_json(by_alias=True))\n",
        tmp_path_factory.mktemp("airflow"),
    )
    made: dict[str, Any] = json.loads(printed.partition("META ")[2])
    return made


def test_the_page_shows_our_names_and_hides_what_is_not_used(form: dict[str, Any]) -> None:
    standard = form["standard_fields"]
    assert form["hook_name"] == "Bitbucket Cloud"
    assert standard["url_schema"]["hidden"]
    shown = {name: standard[name]["title"] for name in ("host", "login", "password")}
    assert shown == {name: LABELS[name] for name in shown}
    assert DEFAULT_HOST in standard["host"]["placeholder"]
    assert all(standard[name]["placeholder"] for name in ("login", "password"))


def test_the_page_has_a_port_field_as_its_test_button_needs_one(form: dict[str, Any]) -> None:
    # Airflow 3.3.2 posts port 0 for a connection without one and refuses that as another address.
    port = form["standard_fields"]["port"]
    assert not port["hidden"] and "443" in port["placeholder"]


def test_every_extra_field_has_a_label_and_a_help_text(form: dict[str, Any]) -> None:
    fields = form["extra_fields"]
    assert list(fields)[:2] == ["auth", "workspaces"]
    for name, made in fields.items():
        assert made["schema"]["title"] == LABELS[name]
        # The page shows the second only where there is none of the first.
        assert bool(made["description"]) != bool(made["schema"].get("description_md"))
        assert "null" in made["schema"]["type"], "the page calls an empty field an error otherwise"


def test_the_page_explains_each_grant_and_presets_none(form: dict[str, Any]) -> None:
    auth = form["extra_fields"]["auth"]
    assert sorted(auth["schema"]["enum"]) == sorted(GRANTS)
    assert all(f"({grant})" in auth["schema"]["values_display"][grant] for grant in GRANTS)
    # A preset is stored even unseen; an access token would then be taken for half a consumer.
    assert auth["value"] is None
    for shown in auth["schema"]["values_display"].values():
        assert f"**{shown.partition(' (')[0]}**" in auth["schema"]["description_md"]


def test_what_the_page_presets_are_the_defaults_of_the_settings(form: dict[str, Any]) -> None:
    preset = {name: made["value"] for name, made in form["extra_fields"].items()}

    def read(extra: dict[str, Any]) -> Settings:
        given = Connection(conn_id="bb", conn_type="bitbucket", login="k", password="s", extra=json.dumps(extra))
        return Settings.from_connection(given)

    assert read(preset) == read({})


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
