"""What Airflow's provider manager learns of this package: the notifier, and two connection types with their forms."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Provider metadata as Airflow's ``provider_info.schema.json`` describes it."""
    return {
        "package-name": "compliance-notifiers",
        "name": "Compliance notifiers",
        "description": "Sends a message to a Slack webhook, an SMTP server or a signed webhook.",
        "notifications": ["compliance_notifiers.notifier.ComplianceNotifier"],
        "connection-types": [
            {
                "connection-type": "slackwebhook",
                "hook-class-name": "compliance_notifiers.hooks.SlackHook",
                "hook-name": "Slack Incoming Webhook",
                "ui-field-behaviour": {
                    "hidden-fields": ["login", "port", "schema"],
                    "relabeling": {"host": "Webhook host", "password": "Webhook token"},
                    "placeholders": {
                        "host": "empty for hooks.slack.com/services",
                        "password": "what stands behind /services/ in the webhook's URL, or the whole URL",
                    },
                },
            },
            {
                "connection-type": "http",
                "hook-class-name": "compliance_notifiers.hooks.WebhookHook",
                "hook-name": "HTTP",
                "ui-field-behaviour": {
                    "hidden-fields": [],
                    "relabeling": {},
                    "placeholders": {"host": "https://example.com/hook", "schema": "https"},
                },
                "conn-fields": {
                    "endpoint": {
                        "label": "Path",
                        "description": "Path to post to, where the host does not name it.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "hmac_secret": {
                        "label": "Signing secret",
                        "description": "The body is signed with it: header X-Hub-Signature-256, as GitHub does.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                },
            },
        ],
    }
