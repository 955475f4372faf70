"""The client: asks Bitbucket Cloud for what the table of endpoints allows, from any number of threads.

It reads; the only thing it writes is webhooks. What reads or is the same when it is done twice is repeated when it
fails. A POST is not, unless Bitbucket can't have done it: its caller has to look first whether it was done.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import urljoin

import requests

from bitbucket_cloud.auth.auth import make_auth
from bitbucket_cloud.client.endpoints import Endpoint, endpoint_named
from bitbucket_cloud.client.pagination import Answer, Listing, Page, collect, iterate_pages, with_paging_fields
from bitbucket_cloud.client.redaction import Redactor
from bitbucket_cloud.client.responses import Asked, error_of, read_object
from bitbucket_cloud.client.retry import with_retries
from bitbucket_cloud.client.scopes import expand, parse
from bitbucket_cloud.client.transport import Transport
from bitbucket_cloud.client.urls import origin_of, path_of
from bitbucket_cloud.database import Store
from bitbucket_cloud.errors import BitbucketError, EndpointNotAllowed, NeverReached, RateLimited, Unfinished
from bitbucket_cloud.rate_limit.ledger import Ledger, MemoryLedger, PostgresLedger, consumer_of
from bitbucket_cloud.rate_limit.limiter import RequestBudget
from bitbucket_cloud.rate_limit.pause import Pass, RateLimitPause, parse_retry_after
from bitbucket_cloud.settings import API_ROOT, Settings, is_plain_http_abroad

log = logging.getLogger(__name__)

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: A renamed repository answers with one redirect; more than this is no renaming.
MOST_REDIRECTS = 3


class BitbucketClient:
    """Speaks Bitbucket Cloud's REST API 2.0. Safe to share between threads; close it when done.

    Args:
        settings: of the Airflow connection.
        on_token: called with each secret that comes up while running, for log masking.
        store: the Postgres for token vault and request ledger; None keeps both to this process.
        ledger: counts requests instead of the store's; a simulation's, with a clock of its own.

    Attributes:
        settings: as given.
        budget: what may still be sent in the rolling hour; for whoever plans requests.

    Raises:
        ConfigurationError: the connection's grant isn't supported.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        on_token: Callable[[str], None] | None = None,
        store: Store | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.settings = settings
        self._redactor = Redactor()
        self._on_token = on_token
        self._transport = Transport(settings)
        self._auth = make_auth(settings, self._transport, self._redactor, on_token, store)
        counted = ledger or (PostgresLedger(store, consumer_of(settings)) if store else MemoryLedger())
        self._pause = RateLimitPause(settings.rate_limit_wait, settings.rate_limit_pauses, counted, settings.conn_id)
        self.budget = RequestBudget(settings, counted, self._pause.learn)
        self._origin = origin_of(settings.api_url)
        self._lock = threading.Lock()
        self._requests_sent = 0
        self._granted_scopes: frozenset[str] | None = None
        if any(is_plain_http_abroad(url) for url in (settings.api_url, settings.oauth_url)):
            log.warning("Airflow connection %s sends its secrets over plain http", settings.conn_id)

    def __repr__(self) -> str:
        """Names the connection, never its secrets."""
        return f"<BitbucketClient {self.settings.conn_id} at {self.settings.api_url}>"

    def __enter__(self) -> BitbucketClient:
        """The client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """Give back the network connections, the one to the ledger, and the permits that weren't used."""
        self._transport.close()
        self.budget.close()

    @property
    def connections(self) -> int:
        """How many requests the connection allows at a time."""
        return self.settings.connections

    @property
    def requests_sent(self) -> int:
        """API requests sent so far by all threads, retries included, requests for tokens not."""
        return self._requests_sent

    @property
    def granted_scopes(self) -> frozenset[str] | None:
        """Scopes of the token, included ones too, as the last answer stated them; None until one did."""
        return self._granted_scopes

    def get(
        self,
        endpoint: str,
        *,
        fields: Sequence[str] = (),
        params: Mapping[str, object] | None = None,
        **path: str,
    ) -> Any:
        """One answer, decoded: an object, or the first page of a listing as it comes.

        Args:
            endpoint: a name in ``ENDPOINTS``.
            fields: Bitbucket's partial-response paths; empty for the usual answer.
            params: query parameters; None leaves one out, a list repeats it. ``pagelen`` in objects.
            path: the endpoint's path parameters, unencoded.

        Raises:
            EndpointNotAllowed: no such endpoint, or a path parameter that would change the path.
            RateLimited: the hour's requests are used up, or 429 came through every pause; says when to go on.
            StoreUnavailable: the ledger can't be reached.
            BitbucketError: one of its other subclasses, by what went wrong.
        """
        return self.fetch(endpoint, fields=fields, params=params, **path).body

    def fetch(
        self,
        endpoint: str,
        *,
        fields: Sequence[str] = (),
        params: Mapping[str, object] | None = None,
        **path: str,
    ) -> Answer:
        """As ``get``, with the number of requests it cost."""
        known = endpoint_named(endpoint)
        if known.writes:
            raise EndpointNotAllowed(f"endpoint {known.name} writes; use send", endpoint=known.name)
        return self._call(known, known.fill(path), _query(known, fields, params, None))

    def send(self, endpoint: str, body: Mapping[str, object] | None = None, **path: str) -> Answer:
        """Write something: create, change or delete a webhook.

        Args:
            endpoint: the name of one in ``ENDPOINTS`` that writes.
            body: sent as JSON; its ``secret`` is masked from now on. None: no body.
            path: as in ``get``.

        Returns:
            Bitbucket's answer, its body empty where it says nothing (204), and what it cost.

        Raises:
            EndpointNotAllowed: as in ``get``, or the endpoint reads.
            Unreachable, ServerError, UnreadableBody: a POST may have been done all the same, unless it is NeverReached;
                PUT and DELETE were repeated as a GET is.
            BitbucketError: as in ``get``.
        """
        known = endpoint_named(endpoint)
        if not known.writes:
            raise EndpointNotAllowed(f"endpoint {known.name} reads; use get", endpoint=known.name)
        self._mask(body)
        url = self.settings.api_url + API_ROOT + known.fill(path)
        return self._repeat(known, self._prepare(known, url, "the request", body=body))

    def _mask(self, body: Mapping[str, object] | None) -> None:
        secret = (body or {}).get("secret")
        if isinstance(secret, str) and secret:
            self._redactor.add(secret)
            if self._on_token is not None:
                self._on_token(secret)

    def paginate(
        self,
        endpoint: str,
        *,
        fields: Sequence[str] = (),
        params: Mapping[str, object] | None = None,
        pagelen: int | None = None,
        start: Unfinished | None = None,
        **path: str,
    ) -> Listing:
        """A whole listing; see ``pages`` for what goes in and what may be raised."""
        return collect(self.pages(endpoint, fields=fields, params=params, pagelen=pagelen, start=start, **path))

    def pages(
        self,
        endpoint: str,
        *,
        fields: Sequence[str] = (),
        params: Mapping[str, object] | None = None,
        pagelen: int | None = None,
        start: Unfinished | None = None,
        **path: str,
    ) -> Iterator[Page]:
        """A listing page by page, each fetched when it is asked for.

        Args:
            endpoint: the name of a listing in ``ENDPOINTS``.
            fields: as in ``get``, with full names ("values.id"); ``next`` and ``size`` are added.
            params: as in ``get``.
            pagelen: objects a page; the endpoint's maximum unless given, and never above it.
            start: ``unfinished`` of the RateLimited that broke this listing off, to go on from there: its values
                come first, as a page that costs nothing, and no page is asked for twice.
            path: as in ``get``.

        Raises:
            EndpointNotAllowed: as in ``get``, or a ``next`` link that leaves the host or the endpoint.
            RateLimited: as in ``get``; its ``unfinished`` holds what was read, unless that is nothing.
            PagingLoop: a ``next`` link comes back.
            BitbucketError: as in ``get``; its ``requests`` count all pages asked for.
        """
        known = endpoint_named(endpoint)
        if not known.paged:
            raise EndpointNotAllowed(f"endpoint {known.name} is no listing; use get", endpoint=known.name)
        first = known.fill(path)
        query = _query(known, with_paging_fields(fields), params, pagelen)

        def fetch(link: str | None) -> Answer:
            return self._call(known, first, query) if link is None else self._follow(known, link)

        return self._located(known, first, iterate_pages(fetch, start))

    def _located(self, endpoint: Endpoint, path: str, pages: Iterator[Page]) -> Iterator[Page]:
        """Pages whose errors know where they happened."""
        try:
            yield from pages
        except BitbucketError as error:
            error.endpoint = error.endpoint or endpoint.name
            error.path = error.path or path
            raise

    def _follow(self, endpoint: Endpoint, link: str) -> Answer:
        return self._repeat(endpoint, self._prepare(endpoint, link, "a next link"))

    def _call(self, endpoint: Endpoint, path: str, query: Mapping[str, object]) -> Answer:
        url = self.settings.api_url + API_ROOT + path
        return self._repeat(endpoint, self._prepare(endpoint, url, "the request", query))

    def _prepare(
        self,
        endpoint: Endpoint,
        url: str,
        what: str,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> requests.PreparedRequest:
        """A request as it will be sent, refused unless it is this endpoint's on the connection's own host."""
        try:
            request = requests.Request(
                endpoint.method, url, params=dict(query or {}), json=None if body is None else dict(body)
            )
            prepared = self._transport.prepare(request)
            path = path_of(prepared.url)
            inside = path.startswith(API_ROOT + "/") and endpoint.matches(path[len(API_ROOT) :])
            allowed = inside and self._origin is not None and origin_of(prepared.url) == self._origin
        except (requests.RequestException, ValueError):
            allowed = False
        if not allowed:
            raise EndpointNotAllowed(
                f"{what} of endpoint {endpoint.name} leads away from {self.settings.api_url}{API_ROOT}"
                f"{endpoint.path}; refused",
                endpoint=endpoint.name,
                path=endpoint.path,
            )
        return prepared

    def _repeat(self, endpoint: Endpoint, prepared: requests.PreparedRequest) -> Answer:
        """The answer to a request, retried as the settings say."""
        call = _Call(self, endpoint, prepared)
        try:
            body = with_retries(
                call.attempt,
                attempts=self.settings.retry_attempts,
                wait=self.settings.retry_wait,
                may_repeat=call.may_repeat,
            )
        except BitbucketError as error:
            error.requests = call.requests
            error.endpoint, error.path = endpoint.name, call.asked.path
            raise
        return Answer(body, call.requests)

    def _count(self) -> None:
        with self._lock:
            self._requests_sent += 1

    def _note_scopes(self, response: requests.Response) -> None:
        header = response.headers.get("X-OAuth-Scopes")
        if header is not None:
            self._granted_scopes = expand(parse(header))


class _Call:
    """One call of one thread: its request, and what it has cost so far."""

    def __init__(self, client: BitbucketClient, endpoint: Endpoint, prepared: requests.PreparedRequest) -> None:
        self.client = client
        self.endpoint = endpoint
        self.prepared = prepared
        self.asked = Asked(endpoint, path_of(prepared.url)[len(API_ROOT) :], client.settings.conn_id)
        self.requests = 0
        self._may_be_done = False

    def may_repeat(self) -> bool:
        """Whether another try can't do it twice."""
        return self.endpoint.method != "POST" or not self._may_be_done

    def attempt(self) -> dict[str, Any]:
        """One attempt; 429s, a single renewal of the token and redirects on the spot are part of it."""
        renewed = False
        redirects = 0
        prepared = self.prepared
        while True:
            signed = self.client._auth(prepared.copy())
            response, limited = self._send(signed)
            if limited:
                continue
            status = response.status_code
            if 200 <= status < 300:
                return read_object(response, self.asked)
            if status == 401 and not renewed and self._renew(signed):
                renewed = True
                continue
            # What writes names repositories by uuid, which no renaming redirects.
            if status in _REDIRECTS and redirects < MOST_REDIRECTS and not self.endpoint.writes:
                prepared = self._redirected(prepared, response)
                redirects += 1
                continue
            raise error_of(response, self.asked, self.client._redactor)

    def _send(self, signed: requests.PreparedRequest) -> tuple[requests.Response, bool]:
        """The answer, and whether it was a 429 that is worth another try after the pause."""
        pause = self.client._pause
        leave = self._permitted()
        status: int | None = None
        limited = False
        try:
            response = self._exchange(signed)
            status = response.status_code
            # 4xx says that nothing was done.
            self._may_be_done = not 400 <= status < 500
            if status == 429:
                limited = True
                wait = parse_retry_after(response.headers.get("Retry-After"))
                if not pause.limited(leave, wait):
                    raise self._given_up(response)
            return response, limited
        finally:
            if not limited:
                pause.settle(leave, status)

    def _permitted(self) -> Pass:
        """Leave to send one request: no pause, and a permit taken from the budget."""
        pause, budget = self.client._pause, self.client.budget
        while True:
            leave = pause.enter()
            try:
                permit = budget.take()
            except BaseException:
                pause.settle(leave, None)
                raise
            if pause.holds(leave):
                return leave
            # A pause began meanwhile, here or in another process.
            budget.put_back(permit)
            pause.settle(leave, None)

    def _given_up(self, response: requests.Response) -> BitbucketError:
        error = error_of(response, self.asked, self.client._redactor)
        if isinstance(error, RateLimited):
            error.resume_at = self.client._pause.resume_at
        return error

    def _exchange(self, signed: requests.PreparedRequest) -> requests.Response:
        self.requests += 1
        self.client._count()
        self._may_be_done = True
        began = time.monotonic()
        outcome: object = "no answer"
        try:
            response = self.client._transport.exchange(signed)
            outcome = response.status_code
        except NeverReached:
            self._may_be_done = False
            raise
        finally:
            milliseconds = (time.monotonic() - began) * 1000
            log.debug("%s %s %s %.0f ms", self.endpoint.method, self.endpoint.path, outcome, milliseconds)
        self.client._note_scopes(response)
        self.client.budget.note(response.headers)
        return response

    def _renew(self, signed: requests.PreparedRequest) -> bool:
        refused = signed.headers["Authorization"].removeprefix("Bearer ")
        return self.client._auth.renew(refused)

    def _redirected(self, prepared: requests.PreparedRequest, response: requests.Response) -> requests.PreparedRequest:
        target = urljoin(prepared.url or "", response.headers.get("Location", ""))
        return self.client._prepare(self.endpoint, target, "a redirect")


def _query(
    endpoint: Endpoint, fields: Sequence[str], params: Mapping[str, object] | None, pagelen: int | None
) -> dict[str, object]:
    """Query parameters of a first request, ``pagelen`` always among them for a listing."""
    query = {name: _plain(value) for name, value in (params or {}).items() if value is not None}
    if fields:
        query["fields"] = ",".join((fields,) if isinstance(fields, str) else fields)
    if endpoint.page_max is None:
        query.pop("pagelen", None)
        return query
    wanted = pagelen if pagelen is not None else query.get("pagelen", endpoint.page_max)
    try:
        length = int(str(wanted))
    except ValueError:
        length = 0
    if length < 1:
        raise ValueError(f"pagelen must be a whole number of at least 1, not {wanted!r:.40}")
    query["pagelen"] = min(length, endpoint.page_max)
    return query


def _plain(value: object) -> object:
    """Query values as Bitbucket reads them: true and false in lower case."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
