"""The two OAuth endpoints and the reading of bearer tokens.

Rules: the official document's OAuth chapter and recorded answers. Client credentials give no refresh token;
a refresh token works once and the answer carries the next one; ``scope`` (not ``scopes``) is the key. A reused
refresh token gives ``unauthorized_client``; so does a revoked grant here, whose answer nobody has recorded.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Mapping
from urllib.parse import parse_qs, urlencode

from sandbox import errors
from sandbox.state import DEFAULT_REDIRECT, Consumer, Credential, SandboxState, without_implied


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


def authorize(state: SandboxState, query: Mapping[str, str]) -> str:
    """``GET /site/oauth2/authorize``: where the browser goes next, without asking the person anything.

    ``state.deny_authorization`` plays a person who refuses.
    """
    consumer = state.consumers.get(query.get("client_id", ""))
    if consumer is None:
        raise errors.ApiError(400, "<html><body>Invalid client_id</body></html>", "text/html")
    asked = query.get("redirect_uri")
    if asked is not None and not asked.startswith(consumer.redirect_uri):
        raise errors.ApiError(400, "<html><body>Invalid redirect_uri</body></html>", "text/html")
    target = asked or consumer.redirect_uri or DEFAULT_REDIRECT
    if query.get("response_type") != "code":
        answer = {"error": "unsupported_response_type"}
    elif state.deny_authorization:
        answer = {"error": "access_denied", "error_description": "The person did not grant access"}
    else:
        answer = {"code": state.issue_code(consumer.key, asked)}
    if "state" in query:
        answer["state"] = query["state"]
    return f"{target}{'&' if '?' in target else '?'}{urlencode(answer)}"


def exchange(state: SandboxState, header: str | None, form: str) -> dict[str, object]:
    """``POST /site/oauth2/access_token``: a token for a consumer's Basic credentials and a grant."""
    consumer = _consumer(state, header)
    fields = {key: values[0] for key, values in parse_qs(form).items()}
    grant = fields.get("grant_type")
    if grant == "client_credentials":
        return _answer(state, consumer)
    if grant == "refresh_token":
        return _refresh(state, consumer, fields.get("refresh_token", ""))
    if grant == "authorization_code":
        return _first_tokens(state, consumer, fields)
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


def _first_tokens(state: SandboxState, consumer: Consumer, fields: Mapping[str, str]) -> dict[str, object]:
    code = state.codes.pop(fields.get("code", ""), None)
    if code is None or code.consumer_key != consumer.key or code.expires_at <= time.time():
        raise oauth_error("invalid_grant", "The specified code is not valid.")
    if code.redirect_uri != fields.get("redirect_uri"):
        raise oauth_error("invalid_grant", "The redirect_uri is not the one of the authorization request.")
    return _answer(state, consumer) | {"refresh_token": state.issue_refresh_token(consumer.key)}


def _refresh(state: SandboxState, consumer: Consumer, token: str) -> dict[str, object]:
    if state.refuse_refresh:
        raise oauth_error("unauthorized_client", "The refresh token was revoked")
    if token in state.spent_refresh_tokens:
        state.reused_refresh_tokens += 1
        raise oauth_error("unauthorized_client", "The refresh token was used before")
    if state.refresh_tokens.get(token) != consumer.key:
        raise oauth_error("invalid_request", "Invalid refresh_token")
    del state.refresh_tokens[token]
    state.spent_refresh_tokens.add(token)
    return _answer(state, consumer) | {"refresh_token": state.issue_refresh_token(consumer.key)}


def _answer(state: SandboxState, consumer: Consumer) -> dict[str, object]:
    return {
        "access_token": state.issue_token(consumer),
        "token_type": "bearer",
        "expires_in": state.token_lifetime,
        "scope": " ".join(without_implied(consumer.scopes)),
    }
