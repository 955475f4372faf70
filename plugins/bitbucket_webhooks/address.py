"""The Postgres of an Airflow connection that stands in the environment, read without Airflow."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from psycopg.conninfo import make_conninfo

from bitbucket_cloud.client.errors import ConfigurationError

#: Options that libpq knows; what is meant for Airflow alone is left out.
_OPTIONS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "options")


def conninfo_of(connection: str, variable: str) -> str:
    """libpq's connection string, password included, for an Airflow connection written as URI or JSON.

    Args:
        connection: the value of the environment variable.
        variable: its name, for messages.

    Raises:
        ConfigurationError: it is empty or can't be read; the message shows none of it.
    """
    if not connection.strip():
        raise ConfigurationError(f"the environment variable {variable} is not set")
    try:
        is_json = connection.lstrip().startswith("{")
        fields = _of_json(json.loads(connection)) if is_json else _of_uri(connection)
        return make_conninfo(**{name: value for name, value in fields.items() if value})
    except (ValueError, TypeError, AttributeError):
        raise ConfigurationError(
            f"{variable} can't be read: write postgresql://user:password@host:port/database with special characters "
            "percent-encoded, or JSON with conn_type, host, port, login, password and schema"
        ) from None


def _of_uri(uri: str) -> dict[str, Any]:
    parts = urlsplit(uri)
    if parts.scheme not in ("postgres", "postgresql"):
        raise ValueError("no address of a Postgres")
    return {
        **_options(dict(parse_qsl(parts.query))),
        "host": unquote(parts.hostname or "localhost"),
        "port": parts.port or 5432,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "dbname": unquote(parts.path.lstrip("/")),
    }


def _of_json(fields: dict[str, Any]) -> dict[str, Any]:
    extra = fields.get("extra") or {}
    return {
        **_options(json.loads(extra) if isinstance(extra, str) else extra),
        "host": fields.get("host") or "localhost",
        "port": int(fields.get("port") or 5432),
        "user": fields.get("login"),
        "password": fields.get("password"),
        "dbname": fields.get("schema"),
    }


def _options(extra: dict[str, Any]) -> dict[str, str]:
    return {name: str(extra[name]) for name in _OPTIONS if name in extra}
