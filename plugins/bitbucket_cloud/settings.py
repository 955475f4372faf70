"""Turns an Airflow connection of type ``bitbucket`` into checked settings.

Airflow's form and ``AIRFLOW_CONN_…`` as JSON or as URI write the same thing in different ways: a host with or without
scheme, its port in a field of its own, the scheme or ``2.0`` in the schema field, numbers and lists as text.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from bitbucket_cloud.configuration import DEFAULT_HOST, DEFAULT_OAUTH_URL, DEFAULTS, Configuration
from bitbucket_cloud.errors import ConfigurationError
from bitbucket_cloud.urls import origin_of, sends_in_plain

API_ROOT = "/2.0"
TOKEN_PATH = "/site/oauth2/access_token"  # noqa: S105 - a path

AUTHORIZATION_CODE = "authorization_code"
CLIENT_CREDENTIALS = "client_credentials"
ACCESS_TOKEN = "access_token"  # noqa: S105 - the name of a grant
GRANTS = (AUTHORIZATION_CODE, CLIENT_CREDENTIALS, ACCESS_TOKEN)

# What the form calls the fields; messages name both, as the person may have written JSON.
LABELS = {
    "host": "API address",
    "login": "OAuth key",
    "password": "OAuth secret or access token",
    "auth": "Sign in with",
    "workspaces": "Workspaces",
    "requests_per_hour": "Requests an hour",
    "connections": "Parallel requests",
    "timeout": "Timeout in seconds",
    "oauth_url": "OAuth address",
}

_SLUG = re.compile(r"[A-Za-z0-9_.\-]+|\{[0-9a-fA-F-]+\}")
_BETWEEN_SLUGS = re.compile(r"[,;\r\n]")
_HOST_AND_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::\d+)?")


@dataclass(frozen=True)
class Settings:
    """A connection's fields, checked.

    Attributes:
        conn_id: Airflow's connection id, for messages.
        api_url: origin of the API, no path: ``https://api.bitbucket.org``.
        oauth_url: origin that gives out tokens.
        auth: one of ``GRANTS``.
        login: OAuth key; empty for an access token.
        password: OAuth secret or the access token.
        workspaces: slugs (or uuids with braces) in the order given.
        requests_per_hour: requests an hour for this consumer, unless Bitbucket states others for an access token;
            0 = unlimited.
        connections: parallel requests.
        connect_timeout: seconds to a connection.
        read_timeout: seconds between two pieces of an answer.
        retry_attempts: tries of a request in all, the first included.
        retry_wait: seconds before the second try; doubles with each.
        rate_limit_wait: seconds of the first pause after a 429; doubles up to 60.
        rate_limit_pauses: pauses in a row that are waited for; a further 429 becomes an error that says when to
            come back.
        spender: on whose behalf requests are sent; spenders share the hour fairly. Empty: nobody's.
        configuration: what the installation decides for all connections.
        is_stored: whether Airflow stores the connection, where people may edit it: its key is then bound to the
            addresses that it was used with first. One that comes from the environment is configuration.
    """

    conn_id: str
    api_url: str = DEFAULT_HOST
    oauth_url: str = DEFAULT_OAUTH_URL
    auth: str = CLIENT_CREDENTIALS
    login: str = ""
    password: str = field(default="", repr=False)
    workspaces: tuple[str, ...] = ()
    requests_per_hour: int = 1000
    connections: int = 8
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    retry_attempts: int = 5
    retry_wait: float = 1.0
    rate_limit_wait: float = 1.0
    rate_limit_pauses: int = 5
    spender: str = ""
    configuration: Configuration = field(default=DEFAULTS, repr=False)
    is_stored: bool = False

    @property
    def key(self) -> str:
        """The OAuth key, or a short hash of the access token; no secret."""
        if self.auth == ACCESS_TOKEN:
            return f"token:{hashlib.sha256(self.password.encode()).hexdigest()[:16]}"
        return f"oauth:{self.login}"

    @classmethod
    def from_connection(
        cls, connection: Any, configuration: Configuration = DEFAULTS, *, is_stored: bool | None = None
    ) -> Settings:
        """Read and check a connection of Airflow, the task SDK's or the metadata database's.

        Args:
            is_stored: see ``Settings``; None: it is, unless the environment sets a connection of its id.

        Raises:
            ConfigurationError: a field can't be used, or leads where no secret may be sent; the message names the
                connection and the field.
        """
        reader = _Reader(connection)
        if is_stored is None:
            is_stored = not os.environ.get(f"AIRFLOW_CONN_{reader.conn_id.upper()}")
        return reader.settings(configuration, is_stored)


@dataclass(frozen=True)
class _Limits:
    """What a number may be."""

    least: float
    most: float | None = None
    whole: bool = False

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        if self.most is None:
            return f"{kind} of at least {self.least:g}"
        return f"{kind} from {self.least:g} to {self.most:g}"


_NUMBERS = {
    "requests_per_hour": _Limits(0, whole=True),
    "connections": _Limits(1, 64, whole=True),
    "retry_attempts": _Limits(1, 20, whole=True),
    "retry_wait": _Limits(0, 60),
    "rate_limit_wait": _Limits(0, 60),
    "rate_limit_pauses": _Limits(0, 100, whole=True),
}


class _Reader:
    """Reads one connection, field by field."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.conn_id = str(connection.conn_id or "bitbucket_default")
        self.extra = self._extra()

    def settings(self, configuration: Configuration, is_stored: bool) -> Settings:
        login = str(self.connection.login or "").strip()
        password = str(self.connection.password or "").strip()
        auth = self._auth(login)
        if auth != ACCESS_TOKEN and not login:
            raise self.wrong(
                "login",
                f"is empty; enter the OAuth consumer's key, or set extra auth ({LABELS['auth']}) to {ACCESS_TOKEN}",
            )
        if not password:
            kind = "access token" if auth == ACCESS_TOKEN else "OAuth consumer's secret"
            raise self.wrong("password", f"is empty; enter the {kind}")
        if not (login + password).isprintable() or not (login + password).isascii():
            raise self.wrong("login or password", "holds characters that no key or token has; paste it again")
        timeout = self.number("timeout", 60.0, _Limits(0.05, 600))
        numbers = {name: self.number(name, getattr(Settings, name), limits) for name, limits in _NUMBERS.items()}
        urls = {"host": self._api_url(), "extra oauth_url": self._oauth_url()}
        for name, url in urls.items():
            self._check_origin(name, url, configuration, is_stored)
        return Settings(
            conn_id=self.conn_id,
            api_url=urls["host"],
            oauth_url=urls["extra oauth_url"],
            auth=auth,
            login=login,
            password=password,
            workspaces=self._workspaces(),
            connect_timeout=min(10.0, timeout),
            read_timeout=timeout,
            configuration=configuration,
            is_stored=is_stored,
            **numbers,
        )

    def _check_origin(self, name: str, url: str, configuration: Configuration, is_stored: bool) -> None:
        """Raise where no secret may be sent to ``url``."""
        if sends_in_plain(url):
            raise self.wrong(name, f"{url} is plain http: anybody on the network path could read the secret; use https")
        if is_stored and origin_of(url) not in [origin_of(allowed) for allowed in configuration.allowed_origins]:
            raise self.wrong(
                name,
                f"leads to {url}, where no secret is sent: it is not among {configuration.origins_setting} "
                f"({', '.join(configuration.allowed_origins)}); whoever sets the environment of Airflow may add it "
                f"there, or set the connection as AIRFLOW_CONN_{self.conn_id.upper()}",
            )

    def wrong(self, name: str, problem: str) -> ConfigurationError:
        label = LABELS.get(name.removeprefix("extra "))
        field = f"{name} ({label})" if label else name
        return ConfigurationError(f"Airflow connection {self.conn_id}: {field} {problem}")

    def _extra(self) -> Mapping[str, Any]:
        raw = self.connection.extra
        if raw is None or raw == "":
            return {}
        if isinstance(raw, str):
            try:
                raw = json.loads(raw)
            except ValueError:
                raise self.wrong("extra", 'is no JSON; write an object such as {"workspaces": ["acme"]}') from None
        if not isinstance(raw, dict):
            raise self.wrong("extra", 'is no JSON object; write for example {"workspaces": ["acme"]}')
        return raw

    def value(self, name: str) -> Any:
        """An extra; text is stripped, and empty text is the same as nothing."""
        value = self.extra.get(name)
        if isinstance(value, str):
            value = value.strip()
        return None if value == "" else value

    def number(self, name: str, default: float, limits: _Limits) -> Any:
        value = self.value(name)
        if value is None:
            return default
        try:
            if isinstance(value, bool):
                raise ValueError
            number = float(value)
        except (TypeError, ValueError):
            raise self.wrong(f"extra {name}", f"is no number; give {limits}") from None
        # Written so that NaN, which compares false with everything, is refused too.
        is_within = number >= limits.least and number <= (1e9 if limits.most is None else limits.most)
        if not is_within or (limits.whole and number != int(number)):
            raise self.wrong(f"extra {name}", f"is {value}; give {limits}")
        return int(number) if limits.whole else number

    def _auth(self, login: str) -> str:
        auth = self.value("auth")
        if auth is None:
            return CLIENT_CREDENTIALS if login else ACCESS_TOKEN
        if auth not in GRANTS:
            raise self.wrong("extra auth", f"must be one of {', '.join(GRANTS)}")
        return str(auth)

    def _workspaces(self) -> tuple[str, ...]:
        value = self.value("workspaces")
        if value is None:
            return ()
        if isinstance(value, str):
            value = self._list_in_text(value)
        if not isinstance(value, list) or not all(isinstance(slug, str) for slug in value):
            raise self.wrong("extra workspaces", 'must be a list of workspace slugs, for example ["acme"]')
        # A line of the form may hold several.
        # Bitbucket takes a slug in any case: in two it would be two workspaces here.
        slugs = [slug for line in value for part in _BETWEEN_SLUGS.split(line.lower()) if (slug := part.strip())]
        for slug in slugs:
            if not _SLUG.fullmatch(slug) or slug in (".", ".."):
                raise self.wrong(
                    "extra workspaces",
                    f"has {slug!r:.60}, which is no slug; give the part behind bitbucket.org/ in its address",
                )
        return tuple(dict.fromkeys(slugs))

    def _list_in_text(self, text: str) -> Any:
        if not text.startswith("["):
            return [text]
        try:
            return json.loads(text)
        except ValueError:
            raise self.wrong("extra workspaces", 'is no JSON list; write for example ["acme", "beta"]') from None

    def _api_url(self) -> str:
        connection = self.connection
        schema = str(connection.schema or "").strip().strip("/")
        if schema.lower() not in ("", "http", "https", "2.0"):
            raise self.wrong("schema", "must be empty, http or https")
        host = str(connection.host or "").strip()
        scheme = schema.lower() if schema.lower() in ("http", "https") else "https"
        return self._origin("host", host or DEFAULT_HOST, scheme, connection.port if host else None)

    def _oauth_url(self) -> str:
        value = self.value("oauth_url")
        if value is not None and not isinstance(value, str):
            raise self.wrong("extra oauth_url", "must be text such as https://bitbucket.org")
        return self._origin("extra oauth_url", value or DEFAULT_OAUTH_URL, "https", None)

    def _origin(self, name: str, value: str, scheme: str, port: Any) -> str:
        """``scheme://host[:port]``, lower case, of an address that has nothing else but an optional /2.0."""
        url = value if "://" in value else f"{scheme}://{value}"
        example = DEFAULT_HOST if name == "host" else DEFAULT_OAUTH_URL
        problem = f"must be an address such as {example}"
        try:
            parts = urlsplit(url)
            own_port = parts.port
        except ValueError:
            raise self.wrong(name, f"is no address; it {problem}") from None
        if parts.scheme.lower() not in ("http", "https"):
            raise self.wrong(name, f"{problem} (http or https)")
        if "@" in parts.netloc:
            raise self.wrong(name, "holds a user or password; move them to the fields login and password")
        if not parts.hostname or not _HOST_AND_PORT.fullmatch(parts.netloc.rstrip(":")):
            raise self.wrong(name, f"is no address; it {problem}")
        if parts.query or parts.fragment or parts.path.rstrip("/") not in ("", API_ROOT):
            raise self.wrong(name, f"{problem}, without a path")
        number = own_port or self._port(port)
        if number == {"http": 80, "https": 443}[parts.scheme.lower()]:
            number = None
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return f"{parts.scheme.lower()}://{host}" + (f":{number}" if number else "")

    def _port(self, value: Any) -> int | None:
        if value in (None, "", 0):
            return None
        try:
            number = int(value)
        except (TypeError, ValueError):
            number = 0
        if not 0 < number < 65536:
            raise self.wrong("port", "must be a number from 1 to 65535")
        return number
