"""The token endpoint and the reading of bearer tokens.

Rules: the official document's OAuth chapter and recorded answers. Client credentials give no refresh token;
a refresh token works once and the answer carries the next one; ``scope`` (not ``scopes``) is the key.
"""

from __future__ import annotations

import base64
import binascii
import time
from urllib.parse import parse_qs

from include.sandbox import errors
from include.sandbox.state import Consumer, Credential, SandboxState, without_implied


def oauth_error(code: str, description: str) -> errors.ApiError:
    """400 in OAuth's own shape, which is not Bitbucket's envelope."""
    return errors.ApiError(400, {"error": code, "error_description": description})


def bearer(state: SandboxState, header: str | None) -> Credential:
    """The credential of an ``Authorization`` header; 401 unless it is a living bearer token."""
    scheme, _, token = (header or "").partition(" ")
    credential = state.tokens.get(token.strip()) if scheme.lower() == "bearer" else None
    if credential is None:
        raise errors.unauthorized()
    if credential.expires_at is not None and credential.expires_at <= time.time():
        raise errors.unauthorized(errors.EXPIRED_TOKEN)
    return credential


def exchange(state: SandboxState, header: str | None, form: str) -> dict[str, object]:
    """``POST /site/oauth2/access_token``: a token for a consumer's Basic credentials and a grant."""
    consumer = _consumer(state, header)
    fields = {key: values[0] for key, values in parse_qs(form).items()}
    grant = fields.get("grant_type")
    if grant == "client_credentials":
        return _answer(state, consumer)
    if grant == "refresh_token":
        return _refresh(state, consumer, fields.get("refresh_token", ""))
    if grant is None:
        raise oauth_error("invalid_request", "Missing grant_type")
    raise oauth_error("unsupported_grant_type", f"Unsupported grant type: {grant}")


def _consumer(state: SandboxState, header: str | None) -> Consumer:
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        raise oauth_error("unauthorized_client", "Requests must be authenticated using OAuth client credentials")
    try:
        key, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        key, secret = "", ""
    consumer = state.consumers.get(key)
    if consumer is None or consumer.secret != secret:
        raise oauth_error("unauthorized_client", "Invalid OAuth client credentials")
    return consumer


def _refresh(state: SandboxState, consumer: Consumer, token: str) -> dict[str, object]:
    if token in state.spent_refresh_tokens:
        raise oauth_error("unauthorized_client", "The refresh token was used before")
    if state.refresh_tokens.get(token) != consumer.key:
        raise oauth_error("invalid_request", "Invalid refresh_token")
    del state.refresh_tokens[token]
    state.spent_refresh_tokens.add(token)
    return _answer(state, consumer) | {"refresh_token": state.issue_refresh_token(consumer.key)}


def _answer(state: SandboxState, consumer: Consumer) -> dict[str, object]:
    credential = state.issue_token(consumer)
    return {
        "access_token": credential.token,
        "token_type": "bearer",
        "expires_in": state.token_lifetime,
        "scope": " ".join(without_implied(consumer.scopes)),
    }
