"""One call at a time: ask the client, and turn what comes back, good or bad, into a ``CallResult``.

The client is the hook's; nothing here knows HTTP beyond the names of its errors.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pydantic import ValidationError

from bitbucket_cloud import errors as bitbucket
from bitbucket_compliance.core.errors import BitbucketUnavailable, ConnectionRefused, WaitForRequests
from bitbucket_compliance.pipeline.extract.landing.results import (
    FAILED,
    NOT_FOUND,
    OK,
    PERMISSION_MISSING,
    SCOPE_MISSING,
    CallKey,
    CallResult,
    Checkpoint,
    distinct,
)
from bitbucket_compliance.resources.model import Body, ReadAs, Resource


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
        self, endpoint: str, *, fields: Any = (), params: Mapping[str, object] | None = None, **path: Any
    ) -> Any: ...


@dataclass(frozen=True)
class Call:
    """What to ask, and for which subject.

    Attributes:
        checkpoint: where an earlier try of the call stopped; None: it begins at the beginning.
    """

    resource: Resource
    path: Mapping[str, str]
    repository_id: str = ""
    item_key: str = ""
    params: Mapping[str, object] | None = None
    checkpoint: Checkpoint | None = None

    @property
    def key(self) -> CallKey:
        """What tells the calls of a run apart."""
        return self.resource.name, self.repository_id, self.item_key

    def result(self, outcome: str, **more: Any) -> CallResult:
        """What the call brought; ``more`` as ``CallResult`` names it."""
        return CallResult(self.resource.name, outcome, self.repository_id, self.item_key, **more)


def resumed(calls: Iterable[Call], checkpoints: Mapping[CallKey, Checkpoint]) -> list[Call]:
    """The calls, each going on behind what an earlier try of it brought."""
    return [replace(call, checkpoint=checkpoints.get(call.key)) for call in calls]


def not_worth_asking(call: Call, missing: list[str]) -> CallResult:
    """The result Bitbucket would give for want of a scope, without spending a request on it."""
    return call.result(SCOPE_MISSING, message=f"not asked: the connection lacks the scope {', '.join(missing)}")


def read(client: Client, call: Call) -> CallResult:
    """Make the call as its resource is read; an error about this one subject becomes the result's outcome.

    Raises:
        ConnectionRefused: key, secret or token are refused, or the connection is misconfigured.
        BitbucketUnavailable: the tables behind the connection can't be reached.
        WaitForRequests: no request may be sent now; it carries what a listing brought so far.
    """
    try:
        result = _READ[call.resource.read_as](client, call)
    except (bitbucket.AuthenticationError, bitbucket.ConfigurationError) as error:
        raise ConnectionRefused(str(error)) from error
    except bitbucket.RateLimited as error:
        raise wait_for_requests(error, call) from error
    except bitbucket.DatabaseUnavailable as error:
        raise BitbucketUnavailable(str(error)) from error
    except (bitbucket.BitbucketError, _WrongShape) as error:
        return _not_read(call, error)
    if call.checkpoint:
        result = replace(result, requests=result.requests + call.checkpoint.requests)
    # Encoded on the thread that asked: the one that lands would hold up all others.
    _ = result.encoded
    return result


def _object(client: Client, call: Call) -> CallResult:
    response = _fetch(client, call)
    body = response.body
    _check(call, [body], response.requests)
    return _ok(call, [(call.resource.key(body) or "", body)] if body else [], response.requests)


def _of_pull_request(client: Client, call: Call) -> CallResult:
    response = _fetch(client, call)
    _check(call, [response.body], response.requests)
    body: Body = {**response.body, "pull_request_id": int(call.path["pull_request_id"])}
    return _ok(call, [(call.resource.key(body) or "", body)], response.requests)


def _newest(client: Client, call: Call) -> CallResult:
    response = _fetch(client, call)
    values = response.body.get("values")
    if not isinstance(values, list):
        raise _WrongShape("values is no list", response.requests)
    _check(call, values[:1], response.requests)
    return _ok(call, distinct(values[:1], call.resource.key)[0], response.requests)


def _listing(client: Client, call: Call) -> CallResult:
    """A whole listing. One that repeats an object or disagrees with its own ``size`` is read once more."""
    result = _listing_once(client, call)
    if result.repeated_items or result.listing_size not in (None, len(result.objects)):
        again = _listing_once(client, replace(call, checkpoint=None))
        return replace(again, requests=again.requests + result.requests, reread=True)
    return result


def _listing_once(client: Client, call: Call) -> CallResult:
    listing = _paginate(client, call)
    objects, repeated = distinct(listing.values, call.resource.key)
    # Pages that disagree on the size were read while the listing changed: one object may stand on none of them.
    size = next((size for size in listing.sizes if size != len(objects)), listing.size)
    return replace(_ok(call, objects, listing.requests), listing_size=size, repeated_items=repeated)


def _collected(client: Client, call: Call) -> CallResult:
    listing = _paginate(client, call)
    about: Body = {"pull_request_id": int(call.item_key)} if call.item_key else {}
    body: Body = {**about, "values": listing.values}
    return _ok(call, [(call.item_key, body)], listing.requests)


def _addresses(client: Client, call: Call) -> CallResult:
    """Members found by the addresses of one filter, and no address that was not asked for.

    Where Bitbucket answers without any address this identity may not filter by address: rights are missing.
    """
    listing = _paginate(client, call)
    objects, _ = distinct(listing.values, call.resource.key)
    if listing.values and not objects:
        undisclosed = "Bitbucket did not disclose the addresses it was asked for"
        return replace(_ok(call, [], listing.requests), outcome=PERMISSION_MISSING, message=undisclosed)
    asked = str((call.params or {}).get("q", ""))
    kept = [(key, body) for key, body in objects if f'"{body["user"]["email"].strip().lower()}"' in asked]
    return _ok(call, kept, listing.requests)


_READ: Mapping[ReadAs, Callable[[Client, Call], CallResult]] = {
    "object": _object,
    "of_pull_request": _of_pull_request,
    "listing": _listing,
    "newest": _newest,
    "collected": _collected,
    "addresses": _addresses,
}


def _fetch(client: Client, call: Call) -> Any:
    return client.fetch(call.resource.endpoint, fields=call.resource.response_fields, params=call.params, **call.path)


def _paginate(client: Client, call: Call) -> Any:
    start = call.checkpoint
    listing = client.paginate(
        call.resource.endpoint,
        fields=call.resource.response_fields,
        params=call.params,
        start=_cursor(start) if start and start.next_link else None,
        **call.path,
    )
    _check(call, listing.values, listing.requests)
    return listing


def _cursor(start: Checkpoint) -> bitbucket.PageCursor:
    """Where to go on; each page has cost a request at least."""
    return bitbucket.PageCursor(list(start.bodies), start.next_link, start.requests)


def _ok(call: Call, objects: list[tuple[str, Body]], requests: int) -> CallResult:
    return call.result(OK, objects=objects, requests=requests, http_status=200)


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
            call.resource.shape.model_validate(value)
    except ValidationError as invalid:
        first = invalid.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "an object"
        raise _WrongShape(f"{where} of {call.resource.name}: {first['type']}", requests) from None


def wait_for_requests(error: bitbucket.RateLimited, call: Call | None = None) -> WaitForRequests:
    """The hook's "not now" in the pipeline's terms, with what the call brought before it had to stop."""
    waiting = WaitForRequests(str(error), error.resume_at)
    if call is not None:
        spent = error.requests + (call.checkpoint.requests if call.checkpoint else 0)
        cursor = error.cursor
        waiting.checkpoints.append(
            Checkpoint(*call.key, cursor.next_link if cursor else "", cursor.values if cursor else [], spent)
        )
    return waiting


def _not_read(call: Call, error: bitbucket.BitbucketError | _WrongShape) -> CallResult:
    spent = error.requests + (call.checkpoint.requests if call.checkpoint else 0)
    return call.result(_outcome(call, error), requests=spent or 1, http_status=error.status, message=str(error))


def _outcome(call: Call, error: bitbucket.BitbucketError | _WrongShape) -> str:
    match error:
        case bitbucket.ScopeMissing():
            return SCOPE_MISSING
        case bitbucket.PermissionMissing():
            return PERMISSION_MISSING
        case bitbucket.NotFound() | bitbucket.Gone():
            return NOT_FOUND
        case bitbucket.BadRequest(status=400) if call.resource.read_as == "addresses":
            # The filter is for administrators, integrations and access tokens, by the official document.
            return PERMISSION_MISSING
    return FAILED
