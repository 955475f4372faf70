"""One call at a time: ask the client, and turn what comes back, good or bad, into a ``CallResult``.

The client is the hook's; nothing here knows HTTP beyond the names of its errors.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pydantic import ValidationError

from bitbucket_cloud import errors as bitbucket
from bitbucket_compliance.core.database import as_json
from bitbucket_compliance.core.errors import BitbucketUnavailable, ConnectionRefused, WaitForRequests
from bitbucket_compliance.core.printable import printable
from bitbucket_compliance.pipeline.extract.addresses import NOBODY, filter_of
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

log = logging.getLogger(__name__)

# What a filter, or a request line that grew too long by it, is refused with.
_FILTER_REFUSED = (400, 414, 431)


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

    def pages(
        self, endpoint: str, *, fields: Any = (), params: Mapping[str, object] | None = None, **path: Any
    ) -> Any: ...


@dataclass(frozen=True)
class Call:
    """What to ask, and for which subject.

    Attributes:
        checkpoint: where an earlier try of the call stopped; None: it begins at the beginning.
        workspace_id: uuid of the workspace that a call is about, where it is known.
        slug: of the repository that the path names by its uuid, where it is known.
        addresses: declared addresses that it looks up.
    """

    resource: Resource
    path: Mapping[str, str]
    repository_id: str = ""
    item_key: str = ""
    params: Mapping[str, object] | None = None
    checkpoint: Checkpoint | None = None
    workspace_id: str | None = None
    slug: str = ""
    addresses: tuple[str, ...] = ()

    @property
    def owner_id(self) -> str | None:
        """Uuid of what the call is about: everything that comes has to belong to it; None: not known."""
        return self.repository_id or self.workspace_id

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
    except (bitbucket.BitbucketError, _WrongAnswer) as error:
        return _not_read(call, error)
    if call.checkpoint:
        result = replace(result, requests=result.requests + call.checkpoint.requests)
    # Encoded on the thread that asked: the one that lands would hold up all others.
    _ = result.encoded
    return result


def _object(client: Client, call: Call) -> CallResult:
    response = _fetch(client, call)
    _check(call, [response.body], response.requests)
    body = call.resource.kept(response.body)
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
        raise _WrongAnswer("has a wrong shape: values is no list", response.requests)
    if not values and (response.body.get("size") or response.body.get("next")):
        raise _WrongAnswer("has a wrong shape: values is empty, though there are objects", response.requests)
    _check(call, values[:1], response.requests)
    newest = [call.resource.kept(value) for value in values[:1]]
    return _ok(call, distinct(newest, call.resource.key)[0], response.requests)


def _newest_pages(client: Client, call: Call) -> CallResult:
    """The objects of the first pages as one, which says whether they are all; no further page is asked for."""
    values: list[Body] = []
    requests, is_whole = 0, True
    pages = client.pages(
        call.resource.endpoint,
        fields=call.resource.response_fields,
        params=_params(call),
        called={call.repository_id: call.slug} if call.slug else None,
        **call.path,
    )
    for number, page in enumerate(pages, 1):
        values += page.values
        requests += page.requests
        # A page that is as long as it may be and names no next one may not be the last.
        is_whole = not page.has_next and page.is_full is not True
        if number == call.resource.pages:
            break
    _check(call, values, requests)
    kept = [body for value in values if (body := call.resource.kept(value))]
    about: Body = {"pull_request_id": int(call.item_key), "is_whole": is_whole, "values": kept}
    return _ok(call, [(call.item_key, about)], requests)


def _listing(client: Client, call: Call) -> CallResult:
    """Every object of a listing."""
    result, values = _whole(client, call, call.resource.key)
    if values and not result.objects:
        raise _WrongAnswer("has a wrong shape: none of its objects says which it is", result.requests)
    return result


def _collected(client: Client, call: Call) -> CallResult:
    """All objects of a listing as one; none where some may be missing, for they are not asked for again."""
    result, values = _whole(client, call, _entry)
    if result.incomplete_because:
        return _incomplete(result)
    about: Body = {"pull_request_id": int(call.item_key)} if call.item_key else {}
    return replace(result, objects=[(call.item_key, {**about, "values": values})])


def _addresses(client: Client, call: Call) -> CallResult:
    """Members found by declared addresses; a filter that is refused is halved until the address at fault is alone.

    One address that Bitbucket refuses is named and answered with nobody; where it refuses any filter at all, the call
    fails.
    """
    lookup = _Lookup(client, call)
    lookup.ask(call.addresses)
    return lookup.result()


class _Lookup:
    """Asks for the addresses of a call by one filter, or by several where one is refused."""

    def __init__(self, client: Client, call: Call):
        self._client = client
        self._call = call
        self._answers: list[CallResult] = []
        self._refused: list[str] = []
        self._requests = 0

    def ask(self, batch: Sequence[str]) -> None:
        """Ask for some of them.

        Raises:
            BadRequest: no filter was taken.
        """
        is_whole = len(batch) == len(self._call.addresses)
        checkpoint = self._call.checkpoint if is_whole else None
        part = replace(self._call, params=filter_of(batch), addresses=tuple(batch), checkpoint=checkpoint)
        try:
            self._answers.append(_by_one_filter(self._client, part))
        except bitbucket.BadRequest as error:
            self._requests += error.requests
            error.requests = self._requests
            if error.status not in _FILTER_REFUSED or batch == NOBODY:
                raise
            self._ask_by_parts(batch)
        except bitbucket.RateLimited as error:
            if not is_whole:
                error.cursor = None  # of a part: the call begins anew
            raise

    def _ask_by_parts(self, batch: Sequence[str]) -> None:
        if len(batch) > 1:
            middle = len(batch) // 2
            self.ask(batch[:middle])
            self.ask(batch[middle:])
            return
        if not self._answers:
            # Is it the address, or does the filter take none?
            self.ask(NOBODY)
        self._refused += batch

    def result(self) -> CallResult:
        """What all answers brought together."""
        requests = self._requests + sum(answer.requests for answer in self._answers)
        undisclosed = next((answer for answer in self._answers if answer.outcome != OK), None)
        if undisclosed:
            return replace(undisclosed, requests=requests)
        objects = [found for answer in self._answers for found in answer.objects]
        message = None
        if self._refused:
            message = f"Bitbucket's filter refuses {', '.join(self._refused)}: nobody is found by it"
            log.warning("%s", printable(message))
        return replace(_ok(self._call, objects, requests), addresses=self._call.addresses, message=message)


def _by_one_filter(client: Client, call: Call) -> CallResult:
    """Members found by the addresses of one filter, by the spelling that was asked for; no others.

    Where Bitbucket answers without any address this identity may not filter by address: rights are missing.
    """
    result, values = _whole(client, call, _account)
    if result.incomplete_because:
        return _incomplete(result)
    objects, _ = distinct(values, call.resource.key)
    if values and not objects:
        undisclosed = "Bitbucket did not disclose the addresses it was asked for"
        return replace(result, objects=[], outcome=PERMISSION_MISSING, message=undisclosed)
    asked = {address.casefold(): address for address in call.addresses}
    asked |= {address: address for address in call.addresses}
    found = []
    for _, body in objects:
        email = body["user"]["email"].strip()
        if spelling := asked.get(email.lower()) or asked.get(email.casefold()):
            found.append((f"{spelling} {body['user']['uuid']}", body))
    return replace(result, objects=found)


def _entry(body: Body) -> str | None:
    """What tells the entries of a collection apart; None where nothing was asked for that one has.

    A build status whose state changed while pages were read is the same one.
    """
    if body.get("key") is not None:
        body = {name: body.get(name) for name in ("key", "created_on")}
    return as_json(body) if body else None


def _account(body: Body) -> str | None:
    """What tells memberships apart, also where Bitbucket does not disclose their addresses."""
    return as_json(body["user"]) if body.get("user") else None


def _incomplete(result: CallResult) -> CallResult:
    """As a call that failed: what came is not believed."""
    return replace(result, objects=[], outcome=FAILED, message=f"the listing {result.incomplete_because}; run again")


def _whole(client: Client, call: Call, key: Callable[[Body], str | None]) -> tuple[CallResult, list[Body]]:
    """A listing, read once more unless it is shown to be complete; its distinct objects by ``key``, and its values."""
    result, values = _once(client, call, key)
    if result.incomplete_because:
        again, values = _once(client, replace(call, checkpoint=None), key)
        result = replace(again, requests=again.requests + result.requests, reread=True)
    return result, values


def _once(client: Client, call: Call, key: Callable[[Body], str | None]) -> tuple[CallResult, list[Body]]:
    listing = _paginate(client, call)
    values = [call.resource.kept(value) for value in listing.values]
    objects, _ = distinct(values, key)
    doubt = replace(listing, values=values).doubt(key)
    read = replace(
        _ok(call, objects, listing.requests),
        listing_size=listing.size,
        repeated_items=doubt.repeated if doubt else 0,
        incomplete_because=doubt.reason if doubt else None,
    )
    return read, values


_READ: Mapping[ReadAs, Callable[[Client, Call], CallResult]] = {
    "object": _object,
    "of_pull_request": _of_pull_request,
    "listing": _listing,
    "newest": _newest,
    "newest_pages": _newest_pages,
    "collected": _collected,
    "addresses": _addresses,
}


def _fetch(client: Client, call: Call) -> Any:
    return client.fetch(call.resource.endpoint, fields=call.resource.response_fields, params=_params(call), **call.path)


def _params(call: Call) -> Mapping[str, object]:
    return {"sort": call.resource.sort, **(call.params or {})}


def _paginate(client: Client, call: Call) -> Any:
    start = call.checkpoint
    listing = client.paginate(
        call.resource.endpoint,
        fields=call.resource.response_fields,
        params=_params(call),
        start=_cursor(start) if start and start.next_link else None,
        called={call.repository_id: call.slug} if call.slug else None,
        **call.path,
    )
    _check(call, listing.values, listing.requests)
    return listing


def _cursor(start: Checkpoint) -> bitbucket.PageCursor:
    """Where to go on; each page has cost a request at least."""
    return bitbucket.PageCursor(list(start.bodies), start.next_link, start.requests, start.listing_size)


def _ok(call: Call, objects: list[tuple[str, Body]], requests: int) -> CallResult:
    return call.result(OK, objects=objects, requests=requests, http_status=200)


class _WrongAnswer(Exception):
    """An answer is JSON, but not what Bitbucket promises, or about something else than was asked."""

    status = 200

    def __init__(self, problem: str, requests: int):
        super().__init__(f"Bitbucket's answer {problem}")
        self.requests = requests


def _check(call: Call, values: list[Any], requests: int) -> None:
    """Let nothing pass that isn't of the resource's shape, or that belongs to something else than was asked about.

    Raises:
        _WrongAnswer: an object isn't; names the first field that is wrong, never its value. Or one is another's.
    """
    try:
        for value in values:
            call.resource.shape.model_validate(value)
    except ValidationError as invalid:
        first = invalid.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "an object"
        raise _WrongAnswer(f"has a wrong shape: {where} of {call.resource.name}: {first['type']}", requests) from None
    owners = {owner for value in values if (owner := call.resource.owner_of(value))}
    # Where nothing is known of the workspace yet, its objects have to agree at least.
    strange = owners - {call.owner_id.lower() if call.owner_id else min(owners, default="")}
    if strange:
        raise _WrongAnswer(f"is about {call.resource.of} {min(strange)}, which was not asked for", requests)


def wait_for_requests(error: bitbucket.RateLimited, call: Call | None = None) -> WaitForRequests:
    """The hook's "not now" in the pipeline's terms, with what the call brought before it had to stop."""
    waiting = WaitForRequests(str(error), error.resume_at)
    if call is not None:
        spent = error.requests + (call.checkpoint.requests if call.checkpoint else 0)
        cursor = error.cursor
        bodies = [call.resource.kept(body, with_owner=True) for body in cursor.values] if cursor else []
        size = cursor.size if cursor else None
        waiting.checkpoints.append(Checkpoint(*call.key, cursor.next_link if cursor else "", bodies, spent, size))
    return waiting


def _not_read(call: Call, error: bitbucket.BitbucketError | _WrongAnswer) -> CallResult:
    spent = error.requests + (call.checkpoint.requests if call.checkpoint else 0)
    return call.result(_outcome(error), requests=spent or 1, http_status=error.status, message=str(error))


def _outcome(error: bitbucket.BitbucketError | _WrongAnswer) -> str:
    match error:
        case bitbucket.ScopeMissing():
            return SCOPE_MISSING
        case bitbucket.PermissionMissing():
            return PERMISSION_MISSING
        case bitbucket.NotFound():
            return NOT_FOUND
    return FAILED
