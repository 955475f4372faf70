"""Bitbucket's token endpoint: asks for tokens by each grant and reads what comes back.

Rules (OAuth 2.0 chapter of Bitbucket's documentation, CHANGE-3052 of 2026-05-04, recorded answers): the consumer signs
in with HTTP Basic ``key:secret``; ``expires_in`` is believed; scopes come as ``scope``, in older answers as ``scopes``;
a refresh token works once and its answer carries the next. A used or revoked refresh token is answered with
``unauthorized_client`` rather than ``invalid_grant``, so the description tells it from a wrong key or secret.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.auth import HTTPBasicAuth

from bitbucket_cloud.auth.scopes import parse
from bitbucket_cloud.errors import (
    AuthenticationError,
    BadRequest,
    BitbucketError,
    RateLimited,
    ServerError,
    UnreadableBody,
)
from bitbucket_cloud.http.statuses import NOT_IN_TIME
from bitbucket_cloud.http.transport import Transport
from bitbucket_cloud.settings import TOKEN_PATH, Settings

#: Seconds a token is taken to live where the answer doesn't say; a 401 corrects it.
UNSTATED_LIFETIME = 3600.0
#: A year: no stated lifetime is believed beyond it, so that dates can be computed with it.
LONGEST_LIFETIME = 365 * 24 * 3600.0
#: Seconds before its expiry at which a token is renewed.
RENEWAL_LEAD = 120.0


def renewal_lead(lifetime: float) -> float:
    """``RENEWAL_LEAD``; a short-lived token keeps three quarters of its life, or it would be renewed without end."""
    return min(RENEWAL_LEAD, lifetime / 4)


class GrantRefused(AuthenticationError):
    """The consumer is right, but its code or refresh token was used before, revoked, or is no such thing."""


class TokenRateLimited(RateLimited):
    """A 429 of the token endpoint, which few requests reach: plain retries are enough."""

    retryable = True


@dataclass(frozen=True)
class TokenAnswer:
    """Tokens as Bitbucket gave them.

    Attributes:
        refresh_token: None where the grant has none.
        asked_at: ``time.monotonic()`` just before they were asked for.
        lifetime: seconds that the access token lives from then on.
        scopes: as listed; None where the answer lists none.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    asked_at: float
    lifetime: float
    scopes: frozenset[str] | None

    @property
    def remaining(self) -> float:
        """Seconds that the access token still lives."""
        return self.asked_at + self.lifetime - time.monotonic()


class TokenEndpoint:
    """Asks for tokens with a connection's key and secret. Nothing is retried here.

    A refresh token must not be sent twice, and of two loops of retries around a request one is too many.

    All methods raise:
        AuthenticationError: key or secret are refused.
        GrantRefused: the code or refresh token is refused.
        RateLimited, ServerError: 429, 5xx.
        NeverReached, Unreachable: no answer, or one without end.
        UnreadableBody, BadRequest, AnswerTooLarge: an answer that makes no sense; the address may be wrong.
    """

    def __init__(self, settings: Settings, transport: Transport) -> None:
        self._settings = settings
        self._transport = transport

    def client_credentials(self) -> TokenAnswer:
        """Tokens for the consumer itself."""
        return self._ask({"grant_type": "client_credentials"})

    def refresh(self, refresh_token: str) -> TokenAnswer:
        """The next tokens; ``refresh_token`` is used up by asking."""
        return self._ask({"grant_type": "refresh_token", "refresh_token": refresh_token})

    def exchange(self, code: str, redirect_uri: str | None = None) -> TokenAnswer:
        """The first tokens of a consent; ``redirect_uri`` as it stood in the authorization request."""
        form = {"grant_type": "authorization_code", "code": code}
        return self._ask(form if redirect_uri is None else {**form, "redirect_uri": redirect_uri})

    def _ask(self, form: Mapping[str, str]) -> TokenAnswer:
        settings = self._settings
        request = requests.Request(
            "POST",
            settings.oauth_url + TOKEN_PATH,
            data=form,
            auth=HTTPBasicAuth(settings.login, settings.password),
        )
        prepared = self._transport.prepare(request)
        asked_at = time.monotonic()
        response = self._transport.exchange(prepared)
        if response.status_code != 200:
            raise self._refused(response, form["grant_type"])
        return self._read(response, asked_at)

    def _read(self, response: requests.Response, asked_at: float) -> TokenAnswer:
        body = _object(response)
        value = _token(body.get("access_token"))
        if value is None:
            raise UnreadableBody(
                f"{self._settings.oauth_url} answered the request for a token without one; check oauth_url "
                f"of Airflow connection {self._settings.conn_id}",
                status=response.status_code,
            )
        scopes = body.get("scope", body.get("scopes"))
        return TokenAnswer(
            access_token=value,
            refresh_token=_token(body.get("refresh_token")),
            asked_at=asked_at,
            lifetime=_seconds(body.get("expires_in")),
            scopes=parse(scopes) if isinstance(scopes, str) else None,
        )

    def _refused(self, response: requests.Response, grant: str) -> BitbucketError:
        conn_id, status = self._settings.conn_id, response.status_code
        address = self._settings.oauth_url
        if status == 429:
            return TokenRateLimited(
                f"{address} limits the rate of token requests (429); wait a while, then run again", status=status
            )
        if status >= 500 or status in NOT_IN_TIME:
            problem = f"{address} failed to give out a token (status {status}); run again later"
            return ServerError(problem, status=status)
        code = _error_code(response)
        in_brackets = f" ({code})" if code else ""
        if grant != "client_credentials" and _is_about_the_grant(response, code):
            return GrantRefused(
                f"Bitbucket refused the {_NAMES[grant]} of Airflow connection {conn_id}{in_brackets}; connect it again",
                status=status,
            )
        if status == 401 or code in ("unauthorized_client", "invalid_client", "invalid_grant"):
            return AuthenticationError(
                f"Bitbucket refused the key or secret of Airflow connection {conn_id}{in_brackets}; enter login "
                "(OAuth key) and password (OAuth secret) again, and check that the consumer "
                f"{'is private and ' if grant == 'client_credentials' else ''}still exists",
                status=status,
            )
        return BadRequest(
            f"{address} gave no token (status {status}{f', {code}' if code else ''}); check oauth_url and "
            f"auth of Airflow connection {conn_id}",
            status=status,
        )


_NAMES: Mapping[str, str] = {"refresh_token": "refresh token", "authorization_code": "code"}


def _is_about_the_grant(response: requests.Response, code: str) -> bool:
    """Whether a refusal means the code or refresh token, and not the consumer that brought it.

    Seen: ``unauthorized_client`` "Invalid OAuth client credentials" and "Requests must be authenticated using OAuth
    client credentials" of a wrong consumer; ``unauthorized_client`` of a used refresh token; ``invalid_request``
    "Invalid refresh_token" of an unknown one.
    """
    description = str(_object(response).get("error_description", "")).lower()
    if code == "invalid_request":
        return "refresh_token" in description or "refresh token" in description
    return code == "invalid_grant" or (code == "unauthorized_client" and "client credentials" not in description)


def _object(response: requests.Response) -> Mapping[str, Any]:
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _token(value: object) -> str | None:
    """A token that can stand in a header; None for anything else."""
    usable = isinstance(value, str) and bool(value.strip()) and value.isascii() and value.isprintable()
    return str(value) if usable else None


def _seconds(value: object) -> float:
    """Lifetime in seconds that the answer states."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) else UNSTATED_LIFETIME
    except (ValueError, OverflowError):
        return UNSTATED_LIFETIME
    return min(seconds, LONGEST_LIFETIME) if 0 < seconds < float("inf") else UNSTATED_LIFETIME


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
    code = _object(response).get("error")
    return code if isinstance(code, str) and code in _KNOWN_CODES else ""
