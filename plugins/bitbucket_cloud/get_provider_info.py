"""What Airflow's provider manager learns of this package: the connection type and its form."""

from __future__ import annotations

from typing import Any

from bitbucket_cloud.configuration import DEFAULT_HOST, DEFAULT_OAUTH_URL
from bitbucket_cloud.settings import ACCESS_TOKEN, AUTHORIZATION_CODE, CLIENT_CREDENTIALS, LABELS

# A part of the form of its own, below what everyone fills in.
_RARELY_CHANGED = "Rarely changed"


def get_provider_info() -> dict[str, Any]:
    """Provider metadata as Airflow's ``provider_info.schema.json`` describes it."""
    return {
        "package-name": "airflow-provider-bitbucket-cloud",
        "name": "Bitbucket Cloud",
        "description": "Reads Bitbucket Cloud's REST API 2.0 (metadata only).",
        "integrations": [
            {
                "integration-name": "Bitbucket Cloud",
                "external-doc-url": "https://developer.atlassian.com/cloud/bitbucket/rest/",
                "tags": ["service"],
            }
        ],
        "hooks": [
            {
                "integration-name": "Bitbucket Cloud",
                "python-modules": ["bitbucket_cloud.hooks.bitbucket"],
            }
        ],
        "connection-types": [
            {
                "connection-type": "bitbucket",
                "hook-class-name": "bitbucket_cloud.hooks.bitbucket.BitbucketHook",
                "hook-name": "Bitbucket Cloud",
                "ui-field-behaviour": {
                    # The port stays: up to Airflow 3.3.2 the test button refuses a connection that has none
                    # (apache/airflow#73298).
                    "hidden-fields": ["schema"],
                    "relabeling": {name: LABELS[name] for name in ("host", "login", "password")},
                    "placeholders": {
                        "host": f"empty for {DEFAULT_HOST}",
                        "port": "443; the test button of Airflow 3.3 needs one",
                        "login": "key of the OAuth consumer; empty for an access token",
                        "password": "secret of the OAuth consumer, or the access token itself",
                    },
                },
                "conn-fields": _fields(),
            }
        ],
    }


def _fields() -> dict[str, Any]:
    """The connection's extra fields, as they stand in the form.

    The form stores every default that it shows, so a default stands here only where a person should see it.
    """
    return {
        "auth": {
            "label": LABELS["auth"],
            "schema": {
                "type": ["string", "null"],
                "enum": [CLIENT_CREDENTIALS, ACCESS_TOKEN, AUTHORIZATION_CODE],
                "values_display": {
                    CLIENT_CREDENTIALS: "OAuth consumer's own grant (client_credentials)",
                    ACCESS_TOKEN: "Access token (access_token)",
                    AUTHORIZATION_CODE: "A person's grant (authorization_code)",
                },
                "description_md": "- **OAuth consumer's own grant**: key and secret of a private OAuth consumer.\n"
                "- **Access token**: of a workspace, project or repository, entered as the secret, without a key.\n"
                "- **A person's grant**: the consumer's key and secret, and a person's consent, given once.\n\n"
                "Left empty, it is the first where a key is entered, otherwise the second.",
            },
        },
        "workspaces": {
            "label": LABELS["workspaces"],
            "description": "Slugs of the workspaces to read, one a line: the part behind bitbucket.org/ in "
            "their addresses.",
            "schema": {"type": ["array", "null"], "items": {"type": "string"}},
        },
        **_rarely_changed("requests_per_hour", "What Bitbucket allows in a rolling hour; 0 = unlimited.", 1000, 0),
        **_rarely_changed("connections", "How many requests may be under way at a time, 1 to 64.", 8, 1, 64),
        **_rarely_changed(
            "timeout", "How long to wait for the next piece of an answer; raise it behind a slow proxy.", 60, 1, 600
        ),
        "oauth_url": {
            "label": LABELS["oauth_url"],
            "description": f"Where tokens are asked for; {DEFAULT_OAUTH_URL} unless a proxy stands in between.",
            "schema": {"type": ["string", "null"], "default": DEFAULT_OAUTH_URL, "section": _RARELY_CHANGED},
        },
    }


def _rarely_changed(name: str, help_text: str, default: int, least: int, most: int | None = None) -> dict[str, Any]:
    """A field for a number, in the form's last section."""
    kind = "number" if name == "timeout" else "integer"
    schema = {"type": [kind, "null"], "default": default, "minimum": least, "section": _RARELY_CHANGED}
    schema |= {} if most is None else {"maximum": most}
    return {name: {"label": LABELS[name], "description": help_text, "schema": schema}}
