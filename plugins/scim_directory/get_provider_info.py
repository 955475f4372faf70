"""What Airflow's provider manager learns of this package: the connection type and its form."""

from __future__ import annotations

from typing import Any

from scim_directory.settings import EXAMPLE, LABELS


def get_provider_info() -> dict[str, Any]:
    """Provider metadata as Airflow's ``provider_info.schema.json`` describes it."""
    return {
        "package-name": "scim-directory",
        "name": "SCIM 2.0 directory",
        "description": "Reads the users of a SCIM 2.0 directory (RFC 7643, RFC 7644).",
        "integrations": [
            {
                "integration-name": "SCIM 2.0",
                "external-doc-url": "https://www.rfc-editor.org/rfc/rfc7644",
                "tags": ["protocol"],
            }
        ],
        "hooks": [{"integration-name": "SCIM 2.0", "python-modules": ["scim_directory.hooks.scim"]}],
        "connection-types": [
            {
                "connection-type": "scim",
                "hook-class-name": "scim_directory.hooks.scim.ScimHook",
                "hook-name": "SCIM 2.0 directory",
                "ui-field-behaviour": {
                    # The port stays: up to Airflow 3.3.2 the test button refuses a connection that has none
                    # (apache/airflow#73298).
                    "hidden-fields": ["schema", "login"],
                    "relabeling": {name: LABELS[name] for name in ("host", "password")},
                    "placeholders": {
                        "host": EXAMPLE,
                        "port": "443; the test button of Airflow 3.3 needs one",
                        "password": "the directory's token for SCIM",
                    },
                },
                "conn-fields": _fields(),
            }
        ],
    }


def _fields() -> dict[str, Any]:
    """The connection's extra fields, as they stand in the form."""
    text = {"type": ["string", "null"]}
    return {
        "end_date_attribute": {
            "label": LABELS["end_date_attribute"],
            "description": "Attribute that holds a person's last day (SCIM itself has none), such as "
            "urn:ietf:params:scim:schemas:extension:acme:2.0:User:endDate; empty: none.",
            "schema": dict(text),
        },
        "account_id_attribute": {
            "label": LABELS["account_id_attribute"],
            "description": "Attribute that holds a person's account id elsewhere, such as externalId; empty: none.",
            "schema": dict(text),
        },
        "timeout": {
            "label": LABELS["timeout"],
            "description": "How long to wait for the next piece of an answer.",
            "schema": {"type": ["number", "null"], "default": 60, "minimum": 1, "maximum": 600},
        },
    }
