"""The signature of a delivery: ``X-Hub-Signature: sha256=<hex>``, the HMAC-SHA256 of the raw body.

Source: Atlassian, "Manage webhooks" (secret); the header is only there where the webhook has a secret.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

_HEADER = re.compile(r"sha256=([0-9a-f]{64})", re.ASCII | re.IGNORECASE)


def secret_of_webhook(secret: str, workspace: str, repository_id: str) -> str:
    """The secret of one webhook, made of its connection's: who learns it can sign for no other webhook.

    Args:
        secret: of the connection; never sent to Bitbucket.
        workspace: slug, as recorded with the webhook.
        repository_id: uuid with braces; empty for the webhook of the workspace.
    """
    return hmac.new(secret.encode(), f"{workspace}\n{repository_id}".encode(), hashlib.sha256).hexdigest()


def sign(secret: str, body: bytes) -> str:
    """The header's value for a body."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def matches(header: str | None, body: bytes, secrets: Iterable[str]) -> bool:
    """Whether one of the secrets made this header for this body; compared in constant time, with each of them."""
    found = _HEADER.fullmatch(header or "")
    claimed = "sha256=" + (found[1].lower() if found else "0" * 64)
    fits = False
    for secret in filter(None, secrets):
        fits |= hmac.compare_digest(sign(secret, body), claimed)
    return fits and found is not None
