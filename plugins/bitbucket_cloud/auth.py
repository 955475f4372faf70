"""The two ways to sign requests, as ``requests`` auth classes.

A token is only ever put on a request to the API's own origin. Grants: access token, and OAuth client
credentials, whose tokens are renewed ahead of the expiry that Bitbucket states and once after a 401.
"""

from __future__ import annotations

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from bitbucket_cloud.errors import (
    AuthenticationError,
    BadRequest,
    BitbucketError,
    ConfigurationError,
    EndpointNotAllowed,
    RateLimited,
    ServerError,
    UnreadableBody,
)
from bitbucket_cloud.origin import Origin, origin_of
from bitbucket_cloud.redaction import Redactor
from bitbucket_cloud.scopes import parse
from bitbucket_cloud.settings import ACCESS_TOKEN, AUTHORIZATION_CODE, Settings
from bitbucket_cloud.transport import Transport

TOKEN_PATH = "/site/oauth2/access_token"  # noqa: S105 - a path
#: Seconds a token is taken to live where the answer doesn't say; a 401 corrects it.
UNSTATED_LIFETIME = 3600.0
#: Seconds for which a refusal is remembered, so that waiting threads don't all repeat it.
REFUSAL_REMEMBERED = 30.0


class BearerAuth(AuthBase, ABC):
    """Puts ``Authorization: Bearer …`` on requests to one origin, and on no others."""

    def __init__(self, origin: Origin | None) -> None:
        self._origin = origin

    @abstractmethod
    def token(self) -> str:
        """The token to send now."""

    @abstractmethod
    def renew(self, refused: str) -> bool:
        """After a 401: whether there is another token than the ``refused`` one to try."""

    # named as in AuthBase
    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign ``r``.

        Raises:
            EndpointNotAllowed: it goes to another host.
            BitbucketError: a token is needed and can't be had; see ``token``.
        """
        if self._origin is None or origin_of(r.url) != self._origin:
            raise EndpointNotAllowed("the token is only sent to the host of the Airflow connection; refused")
        r.headers["Authorization"] = f"Bearer {self.token()}"
        return r


class AccessTokenAuth(BearerAuth):
    """A repository, project or workspace access token: it is what it is, and can't be renewed."""

    def __init__(self, settings: Settings, redactor: Redactor) -> None:
        super().__init__(origin_of(settings.api_url))
        self._token = settings.password
        redactor.add(self._token)

    def token(self) -> str:
        """The token of the connection."""
        return self._token

    def renew(self, refused: str) -> bool:
        """False: there is no other."""
        return False


@dataclass(frozen=True)
class _Token:
    value: str = field(repr=False)
    renew_at: float
    scopes: frozenset[str] | None


class ClientCredentialsAuth(BearerAuth):
    """OAuth client credentials: key and secret buy a token; one thread renews it while the others wait.

    Args:
        settings: key, secret, URLs, lead time in seconds.
        transport: sends the token request.
        redactor: told of every token.
        on_token: called with each new token before it is used, for Airflow's own log masking.
    """

    def __init__(
        self,
        settings: Settings,
        transport: Transport,
        redactor: Redactor,
        on_token: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(origin_of(settings.api_url))
        self._settings = settings
        self._transport = transport
        self._redactor = redactor
        self._on_token = on_token
        self._lock = threading.Lock()
        self._current: _Token | None = None
        self._refusal: tuple[float, AuthenticationError] | None = None
        redactor.add(settings.password, login=settings.login)

    def token(self) -> str:
        """The current token; a new one where there is none or its time is nearly up.

        Raises:
            AuthenticationError: key or secret are refused.
            BitbucketError: the token endpoint can't be reached, limits the rate or fails.
        """
        current = self._current
        if current is not None and time.monotonic() < current.renew_at:
            return current.value
        with self._lock:
            current = self._current
            if current is None or time.monotonic() >= current.renew_at:
                current = self._renewed()
            return current.value

    def renew(self, refused: str) -> bool:
        """True once there is a token other than ``refused``; raises as ``token`` does."""
        with self._lock:
            if self._current is None or self._current.value == refused:
                self._renewed()
            return True

    def _renewed(self) -> _Token:
        """Ask for a token and keep it; the caller holds the lock."""
        if self._refusal is not None:
            since, refusal = self._refusal
            if time.monotonic() - since < REFUSAL_REMEMBERED:
                raise AuthenticationError(str(refusal), status=refusal.status)
        try:
            # Not retried here: the request that needs the token is, and two loops would multiply.
            self._current = self._ask()
        except AuthenticationError as refusal:
            self._refusal = (time.monotonic(), refusal)
            raise
        self._refusal = None
        return self._current

    def _ask(self) -> _Token:
        settings = self._settings
        asked_at = time.monotonic()
        response = self._transport.exchange(
            self._transport.prepare(
                requests.Request(
                    "POST",
                    settings.oauth_url + TOKEN_PATH,
                    data={"grant_type": "client_credentials"},
                    auth=HTTPBasicAuth(settings.login, settings.password),
                )
            )
        )
        if response.status_code != 200:
            raise self._refused(response)
        return self._read(response, asked_at)

    def _read(self, response: requests.Response, asked_at: float) -> _Token:
        """The token of a 200, as Bitbucket writes it (``scope``, or ``scopes`` in older answers)."""
        try:
            body = json.loads(response.content)
        except ValueError:
            body = None
        value = body.get("access_token") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(value, str) or not value.strip():
            raise UnreadableBody(
                f"{self._settings.oauth_url} answered the request for a token without one; check oauth_url "
                f"of Airflow connection {self._settings.conn_id}",
                path=TOKEN_PATH,
                status=response.status_code,
            )
        self._redactor.add(value)
        if self._on_token is not None:
            self._on_token(value)
        lifetime = _seconds(body.get("expires_in"))
        # A short-lived token keeps three quarters of its life, or it would be renewed without end.
        lead = min(self._settings.token_lead, lifetime / 4)
        scopes = body.get("scope", body.get("scopes"))
        return _Token(value, asked_at + lifetime - lead, parse(scopes) if isinstance(scopes, str) else None)

    def _refused(self, response: requests.Response) -> BitbucketError:
        conn_id, status = self._settings.conn_id, response.status_code
        where = self._settings.oauth_url
        if status == 429:
            return _TokenRateLimited(
                f"{where} limits the rate of token requests (429); wait a while, then run again",
                path=TOKEN_PATH,
                status=status,
            )
        if status >= 500:
            return ServerError(
                f"{where} failed to give out a token (status {status}); run again later",
                path=TOKEN_PATH,
                status=status,
            )
        code = _error_code(response)
        if status == 401 or code in ("unauthorized_client", "invalid_client", "invalid_grant"):
            return AuthenticationError(
                f"Bitbucket refused the key or secret of Airflow connection {conn_id}"
                f"{f' ({code})' if code else ''}; enter login (OAuth key) and password (OAuth secret) "
                "again, and check that the consumer is private and still exists",
                path=TOKEN_PATH,
                status=status,
            )
        return BadRequest(
            f"{where} gave no token (status {status}{f', {code}' if code else ''}); check oauth_url and "
            f"auth of Airflow connection {conn_id}",
            path=TOKEN_PATH,
            status=status,
        )


class _TokenRateLimited(RateLimited):
    """A 429 of the token endpoint, which few requests reach: plain retries are enough."""

    retryable = True


def _seconds(value: object) -> float:
    """Lifetime in seconds that the answer states."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) else UNSTATED_LIFETIME
    except ValueError:
        return UNSTATED_LIFETIME
    return seconds if 0 < seconds < float("inf") else UNSTATED_LIFETIME


_KNOWN_CODES = frozenset(
    {
        "access_denied",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)


def _error_code(response: requests.Response) -> str:
    """The OAuth error code of a refusal, one of the standard's; empty where there is none."""
    try:
        code = json.loads(response.content).get("error")
    except (ValueError, AttributeError):
        return ""
    return code if isinstance(code, str) and code in _KNOWN_CODES else ""


def make_auth(
    settings: Settings,
    transport: Transport,
    redactor: Redactor,
    on_token: Callable[[str], None] | None = None,
) -> BearerAuth:
    """The auth that a connection asks for.

    Raises:
        ConfigurationError: its grant isn't supported.
    """
    if settings.auth == ACCESS_TOKEN:
        return AccessTokenAuth(settings, redactor)
    if settings.auth == AUTHORIZATION_CODE:
        raise ConfigurationError(
            f"Airflow connection {settings.conn_id}: extra auth authorization_code is not available in this "
            "version; use client_credentials or access_token"
        )
    return ClientCredentialsAuth(settings, transport, redactor, on_token)
