"""Hooks that give the two connection types a name in Airflow's page; sending is the senders' affair.

The names are those of Airflow's own providers for HTTP and Slack, so that a connection made for them serves here.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseHook

from compliance_notifiers.errors import NotSent
from compliance_notifiers.senders import Sender, sender_for


class _Hook(BaseHook):
    conn_name_attr = "notify_conn_id"

    def __init__(self, notify_conn_id: str) -> None:
        super().__init__()
        self.notify_conn_id = notify_conn_id

    def get_conn(self) -> Sender:
        """What sends through it.

        Raises:
            NotSent: the connection can't be used.
        """
        return sender_for(self.notify_conn_id)

    def test_connection(self) -> tuple[bool, str]:
        """Whether its fields can be used; nothing is sent, for whoever reads the channel would see it."""
        try:
            self.get_conn()
        except NotSent as error:
            return False, str(error)
        return True, "The fields can be used. Nothing was sent."

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Airflow takes the form from the provider's information."""
        return {}


class WebhookHook(_Hook):
    """Connection type ``http``: a URL that JSON is posted to."""

    default_conn_name = "http_default"
    conn_type = "http"
    hook_name = "HTTP"


class SlackHook(_Hook):
    """Connection type ``slackwebhook``: an incoming webhook of Slack."""

    default_conn_name = "slack_default"
    conn_type = "slackwebhook"
    hook_name = "Slack Incoming Webhook"
