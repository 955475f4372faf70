"""A delivery of Bitbucket's webhooks as an event: what its headers and body say. Nothing here checks who sent it.

Source: Atlassian, "Manage webhooks" and "Event payloads" (X-Event-Key, X-Hook-UUID, X-Request-UUID).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

_UUID = re.compile(r"\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?", re.ASCII | re.IGNORECASE)
_EVENT_KEY = re.compile(r"[a-z_]{1,40}:[a-z_]{1,60}", re.ASCII)
_REQUEST_ID = re.compile(r"[0-9A-Za-z_{}.:-]{1,100}", re.ASCII)


class DeliveryUnreadable(Exception):
    """A delivery is not what Bitbucket sends; the message says what is wrong with it."""


@dataclass(frozen=True)
class Event:
    """What is kept of a delivery.

    Attributes:
        event_key: such as repo:push.
        request_id: the delivery's id; the same one when it is sent again.
        body_hash: SHA-256 of the body.
        repository_id: uuid with braces; None where the body is about no repository.
    """

    event_key: str
    request_id: str
    body_hash: str
    repository_id: str | None


def webhook_of(headers: Mapping[str, str]) -> str | None:
    """The uuid, with braces, of the webhook that a delivery names; None where it names none."""
    return _uuid(headers.get("x-hook-uuid", ""))


def read_event(headers: Mapping[str, str], body: bytes) -> Event:
    """The event of a delivery; header names in lower case.

    Raises:
        DeliveryUnreadable: a header or the body is not as Bitbucket sends it.
    """
    event_key = headers.get("x-event-key", "")
    if not _EVENT_KEY.fullmatch(event_key):
        raise DeliveryUnreadable("X-Event-Key is no key of an event, such as repo:push")
    request_id = headers.get("x-request-uuid") or f"none:{uuid4()}"
    if not _REQUEST_ID.fullmatch(request_id):
        raise DeliveryUnreadable("X-Request-UUID is no uuid")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise DeliveryUnreadable("the body is no JSON object")
    repository = content.get("repository")
    repository_id = _uuid(repository.get("uuid")) if isinstance(repository, dict) else None
    return Event(event_key, request_id, hashlib.sha256(body).hexdigest(), repository_id)


def _uuid(value: object) -> str | None:
    """A uuid in lower case and with braces; None for anything else."""
    found = _UUID.fullmatch(value) if isinstance(value, str) else None
    return f"{{{found[1].lower()}}}" if found else None
