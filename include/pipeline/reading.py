"""One call at a time: ask the client, and turn what comes back, good or bad, into an ``Answer``.

The client is the hook's; nothing here knows HTTP beyond the names of its errors.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from bitbucket_cloud import errors as bitbucket
from bitbucket_cloud.endpoints import ENDPOINTS
from include.pipeline.errors import BitbucketUnavailable, ConnectionRefused
from include.pipeline.landing import (
    FAILED,
    NOT_FOUND,
    OK,
    PERMISSION_MISSING,
    SCOPE_MISSING,
    Answer,
    distinct,
)
from include.pipeline.resources import Body, Resource


class Client(Protocol):
    """What a task needs of ``bitbucket_cloud.client.BitbucketClient``."""

    @property
    def connections(self) -> int: ...

    @property
    def granted_scopes(self) -> frozenset[str] | None: ...

    def fetch(
        self, endpoint: str, *, fields: Any = (), params: Mapping[str, object] | None = None, **path: str
    ) -> Any: ...

    def paginate(
        self,
        endpoint: str,
        *,
        fields: Any = (),
        params: Mapping[str, object] | None = None,
        **path: Any,
    ) -> Any: ...


@dataclass(frozen=True)
class Call:
    """What to ask, and for which subject."""

    resource: Resource
    path: Mapping[str, str]
    repository_id: str = ""
    item_key: str = ""
    params: Mapping[str, object] | None = None


def missing_scopes(resource: Resource, granted: frozenset[str] | None) -> list[str]:
    """Scopes the resource needs and the token lacks; empty where the token's scopes are not known."""
    if granted is None:
        return []
    return sorted(scope for scope in ENDPOINTS[resource.endpoint].scopes if scope not in granted)


def not_worth_asking(call: Call, missing: list[str]) -> Answer:
    """The answer Bitbucket would give for want of a scope, without spending a request on it."""
    return Answer(
        call.resource.name,
        SCOPE_MISSING,
        call.repository_id,
        call.item_key,
        message=f"not asked: the connection lacks the scope {', '.join(missing)}",
    )


def read_listing(client: Client, call: Call) -> Answer:
    """A whole listing. One that repeats an object or disagrees with its own ``size`` is read once more."""

    def read() -> Answer:
        answer = _listing_once(client, call)
        if answer.repeated_items or (answer.listing_size is not None and answer.listing_size != len(answer.objects)):
            again = _listing_once(client, call)
            return replace(again, requests=again.requests + answer.requests, reread=True)
        return answer

    return _outcome(call, read)


def read_object(client: Client, call: Call) -> Answer:
    """A single object that has no listing."""

    def read() -> Answer:
        answer = client.fetch(call.resource.endpoint, fields=call.resource.fields, params=call.params, **call.path)
        body = answer.body
        return _ok(call, [(call.resource.key(body) or "", body)] if body else [], requests=answer.requests)

    return _outcome(call, read)


def read_newest(client: Client, call: Call) -> Answer:
    """The first object of a listing that is sorted newest first; the pages behind it are never asked for."""

    def read() -> Answer:
        answer = client.fetch(call.resource.endpoint, fields=call.resource.fields, params=call.params, **call.path)
        objects, _ = distinct((answer.body.get("values") or [])[:1], call.resource.key)
        return _ok(call, objects, requests=answer.requests)

    return _outcome(call, read)


def read_pull_request_statuses(client: Client, call: Call) -> Answer:
    """All statuses of one pull request, as one object: an empty list is knowledge too."""

    def read() -> Answer:
        listing = client.paginate(call.resource.endpoint, fields=call.resource.fields, params=call.params, **call.path)
        body: Body = {"pull_request_id": int(call.item_key), "values": listing.values}
        return _ok(call, [(call.item_key, body)], requests=listing.requests)

    return _outcome(call, read)


def _listing_once(client: Client, call: Call) -> Answer:
    listing = client.paginate(call.resource.endpoint, fields=call.resource.fields, params=call.params, **call.path)
    objects, repeated = distinct(listing.values, call.resource.key)
    return replace(_ok(call, objects, requests=listing.requests), listing_size=listing.size, repeated_items=repeated)


def _ok(call: Call, objects: list[tuple[str, Body]], *, requests: int) -> Answer:
    return Answer(
        call.resource.name,
        OK,
        call.repository_id,
        call.item_key,
        objects=objects,
        requests=requests,
        http_status=200,
    )


def _outcome(call: Call, read: Callable[[], Answer]) -> Answer:
    """Run ``read``; an error about this one subject becomes its outcome, one about the connection is raised.

    Raises:
        ConnectionRefused: key, secret or token are refused, or the connection is misconfigured.
        BitbucketUnavailable: Bitbucket kept limiting the rate through every pause.
    """
    try:
        return read()
    except bitbucket.ScopeMissing as error:
        return _not_read(call, SCOPE_MISSING, error)
    except bitbucket.PermissionMissing as error:
        return _not_read(call, PERMISSION_MISSING, error)
    except (bitbucket.NotFound, bitbucket.Gone) as error:
        return _not_read(call, NOT_FOUND, error)
    except (bitbucket.AuthenticationError, bitbucket.ConfigurationError) as error:
        raise ConnectionRefused(str(error)) from error
    except bitbucket.RateLimited as error:
        raise BitbucketUnavailable(str(error)) from error
    except bitbucket.BitbucketError as error:
        return _not_read(call, FAILED, error)


def _not_read(call: Call, outcome: str, error: bitbucket.BitbucketError) -> Answer:
    return Answer(
        call.resource.name,
        outcome,
        call.repository_id,
        call.item_key,
        requests=error.requests or 1,
        http_status=error.status,
        message=str(error),
    )


def read_addresses(client: Client, call: Call) -> Answer:
    """Members found by the addresses of one filter.

    Where Bitbucket answers without any address, or refuses the filter, this identity may not filter by address
    (the official document allows it to administrators, integrations and access tokens): rights are missing.
    """

    def read() -> Answer:
        listing = client.paginate(call.resource.endpoint, fields=call.resource.fields, params=call.params, **call.path)
        objects, _ = distinct(listing.values, call.resource.key)
        if listing.values and not objects:
            return Answer(
                call.resource.name,
                PERMISSION_MISSING,
                item_key=call.item_key,
                requests=listing.requests,
                http_status=200,
                message="Bitbucket did not disclose the addresses it was asked for",
            )
        return _ok(call, objects, requests=listing.requests)

    answer = _outcome(call, read)
    if answer.outcome == FAILED and answer.http_status == 400:
        return replace(answer, outcome=PERMISSION_MISSING)
    return answer
