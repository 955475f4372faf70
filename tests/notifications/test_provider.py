"""Airflow offers the connection types in its page, and leaves the package out of its plugins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import airflow
import jsonschema
import pytest

from compliance_notifiers.get_provider_info import get_provider_info
from compliance_notifiers.hooks import SlackHook, WebhookHook
from tests.notifications.conftest import Connect

ROOT = Path(__file__).resolve().parents[2]
_ASK = """
from airflow.api_fastapi.core_api.routes.ui.connections import hook_meta_data
found = {meta.connection_type: meta.hook_name for meta in hook_meta_data()}
print(found.get("slackwebhook"), "|", found.get("http"), "|", found.get("smtp"))
"""


def test_the_page_offers_the_connection_types(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _ASK],
        env={
            **os.environ,
            "AIRFLOW_HOME": str(tmp_path),
            "PYTHONPATH": f"{ROOT}/include:{ROOT}/plugins",
            "AIRFLOW__CORE__PLUGINS_FOLDER": f"{ROOT}/plugins",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Slack Incoming Webhook | HTTP | SMTP" in done.stdout, done.stderr[-2000:]


def test_the_provider_s_information_is_as_airflow_wants_it() -> None:
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


@pytest.mark.parametrize(
    ("hook", "conn_type", "fields", "said"),
    [
        (SlackHook, "slackwebhook", {}, "the webhook's token is missing"),
        (SlackHook, "slackwebhook", {"password": "T/B/X"}, "can be used"),
        (WebhookHook, "http", {"host": ""}, "host is missing"),
        (WebhookHook, "http", {}, "can be used"),
    ],
)
def test_testing_a_connection_sends_nothing(
    hook: type[SlackHook], conn_type: str, fields: dict[str, str], said: str, connect: Connect
) -> None:
    connect("tried", conn_type, 1, **fields)
    works, message = hook("tried").test_connection()
    assert said in message and works == ("can be used" in said)
