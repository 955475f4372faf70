"""What Airflow's provider manager learns of this package: the connection type and its form."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Provider metadata as Airflow's ``provider_info.schema.json`` describes it."""
    return {
        "package-name": "bitbucket-cloud",
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
                    "hidden-fields": ["schema", "port"],
                    "relabeling": {
                        "host": "API address",
                        "login": "OAuth key",
                        "password": "OAuth secret or access token",
                    },
                    "placeholders": {
                        "host": "https://api.bitbucket.org",
                        "login": "key of the OAuth consumer; empty for an access token",
                        "password": "secret of the OAuth consumer, or the access token itself",
                    },
                },
                "conn-fields": _fields(),
            }
        ],
    }


def _fields() -> dict[str, Any]:
    """The connection's extra fields, as they stand in the form."""
    return {
        "auth": {
            "label": "Grant",
            "description": "How to sign in: an OAuth consumer's key and secret (client_credentials; the "
            "consumer must be private), or a repository, project or workspace access token. "
            "authorization_code is not available yet.",
            "schema": {
                "type": ["string", "null"],
                "enum": ["client_credentials", "access_token", "authorization_code"],
                "default": "client_credentials",
            },
        },
        "workspaces": {
            "label": "Workspaces",
            "description": "Slugs of the workspaces to read, one a line: the part behind bitbucket.org/ in "
            "their addresses.",
            "schema": {"type": ["array", "null"], "items": {"type": "string"}},
        },
        "oauth_url": {
            "label": "OAuth address",
            "description": "Where tokens are asked for; https://bitbucket.org unless a proxy stands in between.",
            "schema": {"type": ["string", "null"], "default": "https://bitbucket.org"},
        },
        "requests_per_hour": {
            "label": "Requests an hour",
            "description": "What Bitbucket allows this consumer in a rolling hour; 0 = unlimited.",
            "schema": {"type": ["integer", "null"], "default": 1000, "minimum": 0},
        },
        "connections": {
            "label": "Parallel requests",
            "description": "How many requests may be under way at a time.",
            "schema": {"type": ["integer", "null"], "default": 8, "minimum": 1, "maximum": 64},
        },
    }
