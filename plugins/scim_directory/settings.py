"""An Airflow connection of type ``scim``, checked."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from scim_directory.errors import ConfigurationError

Origin = tuple[str, str, int]

PORTS = {"http": 80, "https": 443}
EXAMPLE = "https://directory.example.com/scim/v2"
#: what the form calls the fields
LABELS = {
    "host": "Base address",
    "password": "Bearer token",
    "end_date_attribute": "Attribute of the last day",
    "account_id_attribute": "Attribute of the account id",
    "timeout": "Seconds to wait for an answer",
}


@dataclass(frozen=True)
class Settings:
    """Where the directory is and how to ask it; seconds for times."""

    conn_id: str
    base_url: str
    token: str = field(repr=False)
    end_date_attribute: str | None = None
    account_id_attribute: str | None = None
    timeout: float = 60.0
    page_size: int = 100
    retry_attempts: int = 5
    retry_wait: float = 1.0

    @classmethod
    def from_connection(cls, connection: Any) -> Settings:
        """Read an Airflow connection.

        Raises:
            ConfigurationError: names the connection and the field.
        """
        read = _Reader(connection)
        return cls(
            conn_id=read.conn_id,
            base_url=read.base_url(),
            token=read.token(),
            end_date_attribute=read.text("end_date_attribute"),
            account_id_attribute=read.text("account_id_attribute"),
            timeout=read.number("timeout", 60.0, 0.05, 600),
            page_size=int(read.number("page_size", 100, 1, 1000)),
            retry_attempts=int(read.number("retry_attempts", 5, 1, 20)),
            retry_wait=read.number("retry_wait", 1.0, 0, 60),
        )


def origin_of(url: str) -> Origin | None:
    """Scheme, host and port of ``url``; None where it has none, or carries a user."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname.lower(), port or PORTS[parts.scheme]


class _Reader:
    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.conn_id = str(connection.conn_id)
        self.extra = self._extra()

    def wrong(self, name: str, problem: str) -> ConfigurationError:
        return ConfigurationError(f"Airflow connection {self.conn_id}: {name} {problem}")

    def _extra(self) -> Mapping[str, Any]:
        raw = self.connection.extra
        try:
            extra = json.loads(raw) if isinstance(raw, str) and raw.strip() else raw or {}
        except ValueError:
            extra = None
        if not isinstance(extra, dict):
            raise self.wrong("extra", "is no JSON object")
        return extra

    def text(self, name: str) -> str | None:
        value = self.extra.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise self.wrong(f"extra {name}", "must be the name of an attribute")
        return value.strip() or None

    def number(self, name: str, default: float, least: float, most: float) -> float:
        value = self.extra.get(name)
        if value is None or value == "":
            return default
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = float("nan")
        # Written so that NaN, which compares false with everything, is refused too.
        if isinstance(value, bool) or not least <= number <= most:
            raise self.wrong(f"extra {name}", f"must be a number from {least:g} to {most:g}")
        return number

    def token(self) -> str:
        token = str(self.connection.password or "").strip()
        if not token:
            raise self.wrong("password", "is empty; it holds the directory's bearer token")
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise self.wrong("password", "holds characters that no token has; paste it again")
        return token

    def base_url(self) -> str:
        connection = self.connection
        host = str(connection.host or "").strip().rstrip("/")
        if not host:
            raise self.wrong("host", f"is empty; give the base address, such as {EXAMPLE}")
        url = host if "://" in host else f"{str(connection.schema or '').strip() or 'https'}://{host}"
        parts, origin = urlsplit(url), origin_of(url)
        if origin is None or parts.query or parts.fragment:
            raise self.wrong("host", f"must be an address such as {EXAMPLE}, without a user or a query")
        if origin[0] == "http" and not _is_this_machine(origin[1]):
            raise self.wrong("host", "is plain http: the token would travel for all to read; use https")
        name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        port = parts.port or connection.port
        return (
            f"{parts.scheme}://{name}{f':{int(port)}' if port else ''}{parts.path.rstrip('/').removesuffix('/Users')}"
        )


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
