"""The connection types that notifications go through are those of Airflow's own providers, each offered once."""

from __future__ import annotations

import pytest
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime


@pytest.mark.parametrize(
    ("conn_type", "hook"),
    [
        ("slackwebhook", "airflow.providers.slack.hooks.slack_webhook.SlackWebhookHook"),
        ("http", "airflow.providers.http.hooks.http.HttpHook"),
        ("smtp", "airflow.providers.smtp.hooks.smtp.SmtpHook"),
    ],
)
def test_airflow_s_own_hook_serves_the_connection_type(conn_type: str, hook: str) -> None:
    found = ProvidersManagerTaskRuntime().hooks[conn_type]
    assert found is not None and found.hook_class_name == hook
