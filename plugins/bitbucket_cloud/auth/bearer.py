"""How requests are signed: ``requests`` auth classes that put a bearer token on them.

A token is only ever put on a request to the API's own scheme, host and port. Grants: access token; OAuth client
credentials; and a person's grant (``authorization_code``), whose tokens come from the vault. The tokens of the latter
two are renewed ahead of the expiry that Bitbucket states, and once after a 401.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import requests
from requests.auth import AuthBase

from bitbucket_cloud.auth.encryption import Holder
from bitbucket_cloud.auth.key_origins import KeyOrigins
from bitbucket_cloud.auth.token_endpoint import TokenEndpoint, renewal_lead
from bitbucket_cloud.auth.vault.refresh import usable_grant
from bitbucket_cloud.auth.vault.vault import TokenVault
from bitbucket_cloud.database import Database
from bitbucket_cloud.errors import AuthenticationError, ConfigurationError, EndpointNotAllowed
from bitbucket_cloud.http.redaction import Redactor
from bitbucket_cloud.http.transport import Transport
from bitbucket_cloud.settings import ACCESS_TOKEN, AUTHORIZATION_CODE, Settings
from bitbucket_cloud.urls import origin_of

#: Seconds for which a refusal is remembered, so that waiting threads don't all repeat it.
REFUSAL_REMEMBERED = 30.0


@dataclass(frozen=True)
class Token:
    """A token and the ``time.monotonic()`` at which to renew it; its scopes where its own answer lists them."""

    value: str = field(repr=False)
    renew_at: float
    scopes: frozenset[str] | None = None


#: Gets a token other than the one that was refused, if any was.
Obtain = Callable[[str | None], Token]


class BearerAuth(AuthBase):
    """Puts ``Authorization: Bearer …`` on requests to the host of a connection, and on no others.

    Where a token expires, one thread gets the next one while the others wait. ``accepted`` is to be called when an
    answer shows that the token was taken.
    """

    def __init__(self, settings: Settings, obtain: Obtain, origins: KeyOrigins) -> None:
        self._origin = origin_of(settings.api_url)
        self._obtain = obtain
        self._origins = origins
        self.accepted = origins.keep
        self._lock = threading.Lock()
        self._current: Token | None = None
        self._refusal: tuple[float, AuthenticationError] | None = None

    @property
    def scopes(self) -> frozenset[str] | None:
        """Scopes of the current token as the token endpoint listed them; None where it did not, or was not asked."""
        return self._current.scopes if self._current else None

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

    def token(self) -> str:
        """The current token; a new one where there is none or its time is nearly up.

        Raises:
            AuthenticationError: key, secret or grant are refused; NeedsReconnect where a person has to consent.
            BitbucketError: the token endpoint can't be reached, limits the rate or fails.
            DatabaseUnavailable: the vault can't be used.
            ConfigurationError: nor can its keys; or the key of the connection is bound to other addresses.
        """
        current = self._current
        if current is not None and time.monotonic() < current.renew_at:
            return current.value
        with self._lock:
            current = self._current
            if current is None or time.monotonic() >= current.renew_at:
                current = self._renewed(None)
            return current.value

    def renew(self, refused: str) -> bool:
        """After a 401: whether there is another token than the ``refused`` one to try; raises as ``token`` does."""
        with self._lock:
            current = self._current
            if current is None or current.value == refused:
                current = self._renewed(refused)
            return current.value != refused

    def _renewed(self, refused: str | None) -> Token:
        """Get a token and keep it; the caller holds the lock."""
        if self._refusal is not None:
            since, refusal = self._refusal
            if time.monotonic() - since < REFUSAL_REMEMBERED:
                raise type(refusal)(str(refusal), status=refusal.status)
        self._origins.check()
        try:
            # Not retried here: the request that needs the token is, and two loops would multiply.
            self._current = self._obtain(refused)
        except AuthenticationError as refusal:
            self._refusal = (time.monotonic(), refusal)
            raise
        self._refusal = None
        return self._current


def _by_client_credentials(endpoint: TokenEndpoint, redactor: Redactor) -> Obtain:
    """Key and secret are exchanged for a token; each process has its own."""

    def obtain(refused: str | None) -> Token:
        answer = endpoint.client_credentials()
        redactor.add(answer.access_token)
        renew_at = answer.asked_at + answer.lifetime - renewal_lead(answer.lifetime)
        return Token(answer.access_token, renew_at, answer.scopes)

    return obtain


def _from_vault(settings: Settings, endpoint: TokenEndpoint, redactor: Redactor, vault: TokenVault) -> Obtain:
    """A person's grant: all processes of the connection share its tokens."""
    patience = settings.connect_timeout + settings.read_timeout

    def obtain(refused: str | None) -> Token:
        grant = usable_grant(vault, Holder.of(settings), endpoint.refresh, refused, patience)
        redactor.add(grant.access_token)
        redactor.add(grant.refresh_token)
        return Token(grant.access_token, time.monotonic() + grant.remaining - renewal_lead(grant.lifetime))

    return obtain


def make_auth(
    settings: Settings,
    transport: Transport,
    redactor: Redactor,
    database: Database | None = None,
) -> BearerAuth:
    """The auth that a connection asks for. ``redactor`` learns every token.

    Raises:
        ConfigurationError: its grant needs the vault, and there is no database or no key for it.
    """
    origins = KeyOrigins(settings, database)
    if settings.auth == ACCESS_TOKEN:
        redactor.add(settings.password)
        # It can't be renewed: there is no other.
        return BearerAuth(settings, lambda refused: Token(settings.password, math.inf), origins)
    redactor.add(settings.password, login=settings.login)

    endpoint = TokenEndpoint(settings, transport)
    if settings.auth != AUTHORIZATION_CODE:
        return BearerAuth(settings, _by_client_credentials(endpoint, redactor), origins)
    if database is None:
        raise ConfigurationError(
            f"Airflow connection {settings.conn_id}: extra auth {AUTHORIZATION_CODE} keeps its tokens in a Postgres, "
            "and none was named; pass the hook a configuration with database_conn_id, or use client_credentials or "
            "access_token"
        )
    return BearerAuth(settings, _from_vault(settings, endpoint, redactor, TokenVault(database)), origins)
