"""One call at a time: ask the client, and turn what comes back, good or bad, into an ``Answer``.

The client is the hook's; nothing here knows HTTP beyond the names of its errors.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pydantic import ValidationError

from bitbucket_cloud.client import errors as bitbucket
from bitbucket_cloud.client.endpoints import ENDPOINTS
from bitbucket_compliance.core.errors import BitbucketUnavailable, ConnectionRefused, WaitForRequests
from bitbucket_compliance.pipeline.extract.landing import (
    FAILED,
    NOT_FOUND,
    OK,
    PERMISSION_MISSING,
    SCOPE_MISSING,
    Answer,
    BrokenOff,
    distinct,
)
from bitbucket_compliance.pipeline.extract.resources import Body, Resource
from bitbucket_compliance.pipeline.extract.shapes import SHAPES


class Client(Protocol):
    """What a task needs of ``bitbucket_cloud.client.client.BitbucketClient``."""

    @property
    def connections(self) -> int: ...

    @property
    def granted_scopes(self) -> frozenset[str] | None: ...

    @property
    def limiter(self) -> Any: ...

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
    start: BrokenOff | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells the calls of a run apart: resource, repository, item."""
        return self.resource.name, self.repository_id, self.item_key


def resumed(calls: Iterable[Call], broken_off: Mapping[tuple[str, str, str], BrokenOff]) -> list[Call]:
    """The calls, each going on behind what an earlier try of it brought."""
    return [replace(call, start=broken_off.get(call.key)) for call in calls]


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
        if answer.repeated_items or answer.listing_size not in (None, len(answer.objects)):
            again = _listing_once(client, replace(call, start=None))
            return replace(again, requests=again.requests + answer.requests, reread=True)
        return answer

    return _outcome(call, read)


def read_object(client: Client, call: Call) -> Answer:
    """A single object that has no listing."""

    def read() -> Answer:
        answer = client.fetch(call.resource.endpoint, fields=call.resource.fields, params=call.params, **call.path)
        body = answer.body
        _check(call, [body], answer.requests)
        return _ok(call, [(call.resource.key(body) or "", body)] if body else [], requests=answer.requests)

    return _outcome(call, read)


def read_newest(client: Client, call: Call) -> Answer:
    """The first object of a listing that is sorted newest first; the pages behind it are never asked for."""

    def read() -> Answer:
        answer = client.fetch(call.resource.endpoint, fields=call.resource.fields, params=call.params, **call.path)
        values = answer.body.get("values")
        if not isinstance(values, list):
            raise _WrongShape("values is no list", answer.requests)
        _check(call, values[:1], answer.requests)
        objects, _ = distinct(values[:1], call.resource.key)
        return _ok(call, objects, requests=answer.requests)

    return _outcome(call, read)


def read_pull_request_statuses(client: Client, call: Call) -> Answer:
    """All statuses of one pull request, as one object: an empty list is knowledge too."""

    def read() -> Answer:
        listing = client.paginate(
            call.resource.endpoint,
            fields=call.resource.fields,
            params=call.params,
            start=_unfinished(call),
            **call.path,
        )
        _check(call, listing.values, listing.requests)
        body: Body = {"pull_request_id": int(call.item_key), "values": listing.values}
        return _ok(call, [(call.item_key, body)], requests=listing.requests)

    return _outcome(call, read)


def _listing_once(client: Client, call: Call) -> Answer:
    listing = client.paginate(
        call.resource.endpoint,
        fields=call.resource.fields,
        params=call.params,
        start=_unfinished(call),
        **call.path,
    )
    _check(call, listing.values, listing.requests)
    objects, repeated = distinct(listing.values, call.resource.key)
    # Pages that disagree on the size were read while the listing changed: one object may stand on none of them.
    size = next((size for size in listing.sizes if size != len(objects)), listing.size)
    return replace(_ok(call, objects, requests=listing.requests), listing_size=size, repeated_items=repeated)


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
        BitbucketUnavailable: the tables behind the connection can't be reached.
        WaitForRequests: no request may be sent now; it carries what a listing brought so far.
    """
    try:
        return _ready(call, read())
    except bitbucket.ScopeMissing as error:
        return _not_read(call, SCOPE_MISSING, error)
    except bitbucket.PermissionMissing as error:
        return _not_read(call, PERMISSION_MISSING, error)
    except (bitbucket.NotFound, bitbucket.Gone) as error:
        return _not_read(call, NOT_FOUND, error)
    except (bitbucket.AuthenticationError, bitbucket.ConfigurationError) as error:
        raise ConnectionRefused(str(error)) from error
    except bitbucket.RateLimited as error:
        raise wait_for_requests(error, call) from error
    except bitbucket.DatabaseUnavailable as error:
        raise BitbucketUnavailable(str(error)) from error
    except (bitbucket.BitbucketError, _WrongShape) as error:
        return _not_read(call, FAILED, error)


class _WrongShape(Exception):
    """An answer is JSON, but not what Bitbucket promises."""

    status = 200

    def __init__(self, problem: str, requests: int):
        super().__init__(f"Bitbucket's answer has a wrong shape: {problem}")
        self.requests = requests


def _check(call: Call, values: list[Any], requests: int) -> None:
    """Let nothing pass that isn't of the resource's shape.

    Raises:
        _WrongShape: an object isn't; names the first field that is wrong, never its value.
    """
    try:
        for value in values:
            SHAPES[call.resource.name].model_validate(value)
    except ValidationError as invalid:
        first = invalid.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "an object"
        raise _WrongShape(f"{where} of {call.resource.name}: {first['type']}", requests) from None


def _ready(call: Call, answer: Answer) -> Answer:
    """The answer with all it cost, encoded on the thread that asked: the one that lands would hold up all others."""
    if call.start:
        answer = replace(answer, requests=answer.requests + call.start.requests)
    _ = answer.encoded
    return answer


def wait_for_requests(error: bitbucket.RateLimited, call: Call | None = None) -> WaitForRequests:
    """The hook's "not now" in the pipeline's terms, with what the call brought before it was broken off."""
    waiting = WaitForRequests(str(error), error.resume_at)
    if call is not None:
        before = call.start.requests if call.start else 0
        rest = error.cursor
        waiting.broken_off.append(
            BrokenOff(
                *call.key,
                next_link=rest.next_link if rest else "",
                bodies=rest.values if rest else [],
                requests=error.requests + before,
            )
        )
    return waiting


def _unfinished(call: Call) -> bitbucket.PageCursor | None:
    if call.start is None or not call.start.next_link:
        return None
    return bitbucket.PageCursor(values=list(call.start.bodies), next_link=call.start.next_link)


def _not_read(call: Call, outcome: str, error: bitbucket.BitbucketError | _WrongShape) -> Answer:
    return Answer(
        call.resource.name,
        outcome,
        call.repository_id,
        call.item_key,
        requests=error.requests + (call.start.requests if call.start else 0) or 1,
        http_status=error.status,
        message=str(error),
    )


def read_addresses(client: Client, call: Call) -> Answer:
    """Members found by the addresses of one filter.

    Where Bitbucket answers without any address, or refuses the filter, this identity may not filter by address
    (the official document allows it to administrators, integrations and access tokens): rights are missing.
    """

    def read() -> Answer:
        listing = client.paginate(
            call.resource.endpoint,
            fields=call.resource.fields,
            params=call.params,
            start=_unfinished(call),
            **call.path,
        )
        _check(call, listing.values, listing.requests)
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
