"""The client: asks Bitbucket Cloud for what the table of endpoints allows, from any number of threads.

It reads; the only thing it writes is webhooks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bitbucket_cloud.auth.bearer import make_auth
from bitbucket_cloud.client.call import Caller
from bitbucket_cloud.client.endpoints import endpoint_named
from bitbucket_cloud.client.pagination import Answer, Listing, Page, collect, iterate_pages, with_paging_fields
from bitbucket_cloud.client.refused_listings import RefusedListings
from bitbucket_cloud.database import Database
from bitbucket_cloud.errors import AnswerTooLarge, EndpointNotAllowed, PageCursor
from bitbucket_cloud.http.redaction import Redactor
from bitbucket_cloud.http.transport import Transport
from bitbucket_cloud.rate_limit.ledger import Ledger, MemoryLedger, PostgresLedger, consumer_of
from bitbucket_cloud.rate_limit.limiter import RateLimiter
from bitbucket_cloud.settings import Settings

log = logging.getLogger(__name__)


class BitbucketClient:
    """Speaks Bitbucket Cloud's REST API 2.0. Safe to share between threads; close it when done.

    Args:
        on_token: called with each secret before it is used, for log masking.
        database: the Postgres for tokens and the count of requests; None keeps both within this process.
        ledger: counts requests instead of the database's; a simulation's, with a clock of its own.

    Raises:
        ConfigurationError: the connection's grant needs a database, and there is none, or no key for its tokens.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        on_token: Callable[[str], None] | None = None,
        database: Database | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.settings = settings
        self._redactor = Redactor(on_token)
        self._transport = Transport(settings)
        auth = make_auth(settings, self._transport, self._redactor, database)
        shared = PostgresLedger(database, consumer_of(settings)) if database else MemoryLedger()
        self.limiter = RateLimiter(settings, ledger or shared)
        self._refused = RefusedListings(settings, database)
        self._caller = Caller(settings, self._transport, auth, self.limiter, self._redactor)

    def __enter__(self) -> BitbucketClient:
        """The client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """Give back the network connections, the one to the ledger, and the permits that weren't used."""
        self._transport.close()
        self.limiter.close()

    @property
    def connections(self) -> int:
        """How many requests the connection allows at a time."""
        return self.settings.connections

    @property
    def requests_sent(self) -> int:
        """API requests sent so far by all threads, retries included, requests for tokens not."""
        return self._caller.requests_sent

    @property
    def granted_scopes(self) -> frozenset[str] | None:
        """Scopes of the token, included ones too: all that its own answer or any other stated; None until one did."""
        return self._caller.granted_scopes

    def get(self, endpoint: str, **arguments: Any) -> Any:
        """One answer, decoded: an object, or the first page of a listing as it comes. See ``fetch``."""
        return self.fetch(endpoint, **arguments).body

    def fetch(
        self,
        endpoint: str,
        *,
        fields: Sequence[str] = (),
        params: Mapping[str, object] | None = None,
        **path: str,
    ) -> Answer:
        """One answer, with the number of requests it cost.

        Args:
            endpoint: a name in ``ENDPOINTS``.
            fields: Bitbucket's partial-response paths; empty for the usual answer.
            params: query parameters; None leaves one out, a list repeats it. ``pagelen`` in objects.
            path: the endpoint's path parameters, unencoded.

        Raises:
            EndpointNotAllowed: no such endpoint, or a path parameter that would change the path.
            RateLimited: the hour's requests are used up, or 429 came after every pause; says when to go on.
            DatabaseUnavailable: the ledger can't be reached.
            BitbucketError: one of its other subclasses, by what went wrong.
        """
        known = endpoint_named(endpoint)
        if known.writes:
            raise EndpointNotAllowed(f"endpoint {known.name} writes; use send")
        return self._caller.call(known, known.fill(path), known.query(fields, params))

    def send(self, endpoint: str, body: Mapping[str, object] | None = None, **path: str) -> Answer:
        """Write something: create, change or delete a webhook.

        Args:
            endpoint: the name of one in ``ENDPOINTS`` that writes.
            body: sent as JSON; its ``secret`` is masked from now on. None: no body.
            path: as in ``fetch``.

        Returns:
            Bitbucket's answer, its body empty where it says nothing (204), and what it cost.

        Raises:
            EndpointNotAllowed: as in ``fetch``, or the endpoint reads.
            Unreachable, ServerError, UnreadableBody: a POST may have been done all the same, unless it is NeverReached;
                PUT and DELETE were repeated as a GET is.
            BitbucketError: as in ``fetch``.
        """
        known = endpoint_named(endpoint)
        if not known.writes:
            raise EndpointNotAllowed(f"endpoint {known.name} reads; use get")
        secret = (body or {}).get("secret")
        if isinstance(secret, str) and secret:
            self._redactor.add(secret)
        return self._caller.call(known, known.fill(path), body=body)

    def paginate(self, endpoint: str, **arguments: Any) -> Listing:
        """A whole listing; see ``pages`` for what goes in and what may be raised."""
        return collect(self.pages(endpoint, **arguments))

    def read_whole(self, endpoint: str, *, key: Callable[[dict[str, Any]], str | None], **arguments: Any) -> Listing:
        """A listing, read once more unless it is shown to be whole; the second one may lack objects too.

        Args:
            key: see ``Listing.doubt``.
            arguments: as ``pages`` takes them.
        """
        first = self.paginate(endpoint, **arguments)
        if first.doubt(key) is None:
            return first
        again = self.paginate(endpoint, **{**arguments, "start": None})
        return replace(again, requests=again.requests + first.requests)

    def pages(
        self,
        endpoint: str,
        *,
        fields: Sequence[str] = (),
        params: Mapping[str, object] | None = None,
        start: PageCursor | None = None,
        called: Mapping[str, str] | None = None,
        **path: str,
    ) -> Iterator[Page]:
        """A listing page by page, each fetched when it is asked for.

        Args:
            endpoint: the name of a listing in ``ENDPOINTS``.
            fields: as in ``fetch``, with full names ("values.id"); ``next`` and ``size`` are added.
            params: as in ``fetch``; ``pagelen`` is the endpoint's maximum unless given, and never above it.
            start: ``cursor`` of the RateLimited that interrupted this listing, to go on from there: its values come
                first, as a page that costs nothing, and no page is asked for twice.
            called: slugs of what the path names by uuid: a next link may have this one instead and no other. Where none
                is given it may have any; the next page is asked for by the uuid all the same.
            path: as in ``fetch``.

        Raises:
            EndpointNotAllowed: as in ``fetch``, or a ``next`` link that leaves the host or the listing.
            AnswerTooLarge: a page, or the listing, is larger than the configuration allows, or was within a day.
            RateLimited: as in ``fetch``; its ``cursor`` holds what was read, unless that is nothing.
            UnreadableBody: a page is not as Bitbucket promises, or a ``next`` link comes back.
            BitbucketError: as in ``fetch``; its ``requests`` count all pages asked for.
        """
        known = endpoint_named(endpoint)
        if known.page_max is None:
            raise EndpointNotAllowed(f"endpoint {known.name} is no listing; use get")
        first = known.fill(path)
        query = known.query(with_paging_fields(fields), params)

        def fetch(link: str | None) -> Answer:
            return self._caller.call(known, first, query) if link is None else self._caller.follow(known, link)

        most_pages = self.settings.configuration.most_pages
        return self._listed(first, iterate_pages(fetch, start, most_pages=most_pages, asked=query, called=called))

    def _listed(self, path: str, pages: Iterator[Page]) -> Iterator[Page]:
        """The pages of a listing that isn't known to be too large."""
        self._refused.check(path)
        try:
            yield from pages
        except AnswerTooLarge as error:
            raise self._refused.noted(path, error) from None
