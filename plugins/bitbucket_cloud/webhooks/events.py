"""A delivery of Bitbucket's webhooks as an event: what its headers and body say. Nothing here checks who sent it.

Source: Atlassian, "Manage webhooks" and "Event payloads" (X-Event-Key, X-Hook-UUID, X-Request-UUID).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import uuid4

_UUID = re.compile(r"\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?", re.ASCII | re.IGNORECASE)
_EVENT_KEY = re.compile(r"[a-z_]{1,40}:[a-z_]{1,60}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{7,64}", re.ASCII | re.IGNORECASE)
_REQUEST_ID = re.compile(r"[0-9A-Za-z_{}.:-]{1,100}", re.ASCII)


class DeliveryUnreadable(Exception):
    """A delivery is not what Bitbucket sends; the message says what is wrong with it."""


@dataclass(frozen=True)
class BranchChange:
    """What a push did to one branch; of its commits nothing but hashes.

    Attributes:
        branch: its name.
        old_hash: the commit it stood at; None: the push made it.
        new_hash: the commit it stands at since; None: the push removed it.
        forced: whether history was rewritten.
        removed: whether the branch was removed.
    """

    branch: str
    old_hash: str | None
    new_hash: str | None
    forced: bool
    removed: bool


@dataclass(frozen=True)
class Push:
    """What a push did to branches, and who pushed.

    Attributes:
        changes: of branches; what it did to tags is left out.
        pushed_by: uuid with braces; None: the delivery doesn't say.
        pushed_by_type: kind of that account, ``user`` for a person; None as above.
    """

    changes: tuple[BranchChange, ...]
    pushed_by: str | None
    pushed_by_type: str | None

    def to_branch(self, branch: str | None) -> Push:
        """What of it is about one branch."""
        return replace(self, changes=tuple(one for one in self.changes if one.branch == branch))

    def rows(self) -> list[dict[str, Any]]:
        """Plain data, one a change, without the branch's name."""
        common = {"pushed_by": self.pushed_by, "pushed_by_type": self.pushed_by_type}
        rows = [{**asdict(change), "place": place, **common} for place, change in enumerate(self.changes)]
        return [{name: value for name, value in row.items() if name != "branch"} for row in rows]


@dataclass(frozen=True)
class Event:
    """What is kept of a delivery.

    Attributes:
        event_key: such as repo:push.
        request_id: the delivery's id; the same one when it is sent again.
        body_hash: SHA-256 of the body.
        repository_id: uuid with braces; None where the body is about no repository.
        push: what was pushed; None where the body, which alone is signed, is about something else.
    """

    event_key: str
    request_id: str
    body_hash: str
    repository_id: str | None
    push: Push | None = None


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
    return Event(event_key, request_id, hashlib.sha256(body).hexdigest(), repository_id, _push(content))


def _push(content: Mapping[str, Any]) -> Push | None:
    """The push that a body tells of.

    Raises:
        DeliveryUnreadable: it tells of one, but not as Bitbucket does.
    """
    if "push" not in content:
        return None
    push = content["push"]
    changes = push.get("changes") if isinstance(push, dict) else None
    if not isinstance(changes, list) or not all(isinstance(one, dict) for one in changes):
        raise DeliveryUnreadable("push.changes is no list of changes")
    actor = content.get("actor")
    actor = actor if isinstance(actor, dict) else {}
    kind = actor.get("type")
    found = tuple(change for one in changes if (change := _branch_change(one)) is not None)
    return Push(found, _uuid(actor.get("uuid")), kind[:40] if isinstance(kind, str) else None)


def _branch_change(change: Mapping[str, Any]) -> BranchChange | None:
    """None: it is about something else than a branch."""
    new, old = change.get("new"), change.get("old")
    shown = new if isinstance(new, dict) else old
    if not isinstance(shown, dict) or shown.get("type") not in (None, "branch", "named_branch"):
        return None
    name = shown.get("name")
    if not isinstance(name, str):
        return None
    removed = change.get("closed") is True or not isinstance(new, dict)
    return BranchChange(name, _hash(old), _hash(new), change.get("forced") is True, removed)


def _hash(reference: object) -> str | None:
    target = reference.get("target") if isinstance(reference, dict) else None
    value = target.get("hash") if isinstance(target, dict) else None
    return value.lower() if isinstance(value, str) and _HASH.fullmatch(value) else None


def _uuid(value: object) -> str | None:
    """A uuid in lower case and with braces; None for anything else."""
    found = _UUID.fullmatch(value) if isinstance(value, str) else None
    return f"{{{found[1].lower()}}}" if found else None
