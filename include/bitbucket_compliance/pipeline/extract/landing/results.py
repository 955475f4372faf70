"""What a call to Bitbucket brought, whole or so far."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from bitbucket_compliance.core.database import as_json
from bitbucket_compliance.resources.model import Body

OK = "ok"
SCOPE_MISSING = "scope_missing"
PERMISSION_MISSING = "permission_missing"
NOT_FOUND = "not_found"
FAILED = "failed"

#: What tells the calls of a run apart: resource, repository, item.
CallKey = tuple[str, str, str]


@dataclass(frozen=True)
class CallResult:
    """What one call brought: its outcome for ``landing.calls`` and its objects for ``landing.objects``.

    Attributes:
        resource: name of the resource.
        outcome: ok, scope_missing, permission_missing, not_found or failed.
        repository_id: uuid with braces, empty for calls on the workspace.
        item_key: what tells calls on one repository apart (the pull request of a status call).
        objects: (key within workspace or repository, body).
        requests: HTTP requests it cost, retries included; 0 where the call was not worth sending.
        listing_size: the ``size`` Bitbucket gave.
        repeated_items: objects a listing named twice.
        incomplete_because: why a listing may lack objects, as the end of a sentence; None: it is shown to be complete.
        reread: whether the listing was read a second time for that reason.
        addresses: declared addresses that it answered, whether anybody has them or not.
    """

    resource: str
    outcome: str
    repository_id: str = ""
    item_key: str = ""
    objects: Sequence[tuple[str, Body]] = ()
    requests: int = 0
    listing_size: int | None = None
    repeated_items: int = 0
    incomplete_because: str | None = None
    reread: bool = False
    http_status: int | None = None
    message: str | None = None
    addresses: Sequence[str] = ()
    fetched_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def key(self) -> CallKey:
        """The call's key."""
        return self.resource, self.repository_id, self.item_key

    @cached_property
    def encoded(self) -> list[tuple[str, str, str]]:
        """The objects as they are landed: key, SHA-256 of the text, canonical JSON text."""
        texts = [(key, as_json(body)) for key, body in self.objects]
        return [(key, hashlib.sha256(text.encode()).hexdigest(), text) for key, text in texts]


@dataclass(frozen=True)
class Checkpoint:
    """Where a call stopped for want of requests: what it brought, where it goes on, what it cost so far.

    Attributes:
        next_link: Bitbucket's link to the next page; empty where the call starts anew.
        bodies: objects of the pages read.
        requests: HTTP requests so far.
        listing_size: the ``size`` that those pages stated last.
    """

    resource: str
    repository_id: str
    item_key: str
    next_link: str
    bodies: Sequence[Body]
    requests: int
    listing_size: int | None = None


def distinct(values: Iterable[Body], key: Callable[[Body], str | None]) -> tuple[list[tuple[str, Body]], int]:
    """Objects by their key, the last one of a key winning, and how many were repeated; bodies without key are left."""
    found: dict[str, Body] = {}
    repeated = 0
    for body in values:
        name = key(body)
        if name is None:
            continue
        repeated += name in found
        found[name] = body
    return list(found.items()), repeated
