"""One call: a request with its retries, pauses, redirects and the renewal of its token.

What reads, or is the same when it is done twice, is repeated when it fails. A POST is not, unless Bitbucket can't have
done it: its caller has to look first whether it was done.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from urllib.parse import urljoin

import requests
import tenacity

from bitbucket_cloud.auth.bearer import BearerAuth
from bitbucket_cloud.auth.scopes import expand, parse
from bitbucket_cloud.client.endpoints import ENDPOINTS, Endpoint
from bitbucket_cloud.client.pagination import Answer, names_another
from bitbucket_cloud.client.responses import Asked, error_of, not_supported, read_object
from bitbucket_cloud.errors import BitbucketError, EndpointLimited, EndpointNotAllowed, NeverReached, RateLimited
from bitbucket_cloud.http.redaction import Redactor
from bitbucket_cloud.http.statuses import says_not_done, shows_token
from bitbucket_cloud.http.transport import Transport
from bitbucket_cloud.rate_limit.limiter import RateLimiter
from bitbucket_cloud.settings import API_ROOT, Settings
from bitbucket_cloud.urls import origin_of, path_of, query_of, still_asking

log = logging.getLogger(__name__)

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: A renamed repository answers with one redirect; more than this is no renaming.
MOST_REDIRECTS = 3
#: Seconds that a wait between two tries never exceeds, what is added at random aside.
LONGEST_WAIT = 30.0
#: Endpoints that show whether a refused token is taken at all, asked in this order until one doesn't refuse it.
_SHOWING_TOKEN = ("workspace", "repositories", "workspace_members")


class Caller:
    """Makes the calls of one client, from any number of threads.

    Attributes:
        requests_sent: API requests of all threads so far.
        not_supported: tokens and names of endpoints that refused them while others took them.
    """

    def __init__(
        self, settings: Settings, transport: Transport, auth: BearerAuth, limiter: RateLimiter, redactor: Redactor
    ) -> None:
        self.settings = settings
        self.transport = transport
        self.auth = auth
        self.limiter = limiter
        self.redactor = redactor
        self.requests_sent = 0
        self.not_supported: set[tuple[str, str]] = set()
        self._stated_scopes: frozenset[str] | None = None
        self._taken: tuple[str, float] = ("", 0.0)
        self._origin = origin_of(settings.api_url)
        self._lock = threading.Lock()

    @property
    def granted_scopes(self) -> frozenset[str] | None:
        """Scopes of the token, included ones too: as its own answer listed them, with all that any answer stated.

        An answer may state fewer than the token has. One that is taken away meanwhile shows by 403s. None until known.
        """
        of_token = self.auth.scopes
        if of_token is None or self._stated_scopes is None:
            return self._stated_scopes if of_token is None else expand(of_token)
        return self._stated_scopes | expand(of_token)

    def was_taken(self, token: str, since: float) -> bool:
        """Whether an answer since then (``time.monotonic()``) shows that Bitbucket takes the token."""
        taken, at = self._taken
        return taken == token and at >= since

    def call(
        self,
        endpoint: Endpoint,
        path: str,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> Answer:
        """The answer of an endpoint at its filled-in path; ``body`` is sent as JSON. Raises as the client does."""
        url = self.settings.api_url + API_ROOT + path
        return self._repeat(endpoint, self.prepare(endpoint, url, "the request", query, body))

    def follow(self, endpoint: Endpoint, link: str) -> Answer:
        """The answer behind a link that Bitbucket gave."""
        return self._repeat(endpoint, self.prepare(endpoint, link, "a next link"))

    def prepare(
        self,
        endpoint: Endpoint,
        url: str,
        what: str,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> requests.PreparedRequest:
        """A request as it will be sent.

        Raises:
            EndpointNotAllowed: it is not this endpoint's, or not on the connection's own host; ``what`` names it.
        """
        try:
            request = requests.Request(
                endpoint.method, url, params=dict(query or {}), json=None if body is None else dict(body)
            )
            prepared = self.transport.prepare(request)
            path = path_of(prepared.url)
            is_inside = path.startswith(API_ROOT + "/") and endpoint.matches(path[len(API_ROOT) :])
            is_allowed = is_inside and self._origin is not None and origin_of(prepared.url) == self._origin
        except (requests.RequestException, ValueError):
            is_allowed = False
        if not is_allowed:
            raise EndpointNotAllowed(
                f"{what} of endpoint {endpoint.name} leads away from {self.settings.api_url}{API_ROOT}"
                f"{endpoint.path}; refused"
            )
        return prepared

    def exchange(self, signed: requests.PreparedRequest) -> requests.Response:
        """Send a request and learn from its answer about the token."""
        with self._lock:
            self.requests_sent += 1
        response = self.transport.exchange(signed)
        if shows_token(response.status_code):
            self._taken = (_token_of(signed), time.monotonic())
        header = response.headers.get("X-OAuth-Scopes")
        if header is not None:
            with self._lock:
                self._stated_scopes = (self._stated_scopes or frozenset()) | expand(parse(header))
        return response

    def _repeat(self, endpoint: Endpoint, prepared: requests.PreparedRequest) -> Answer:
        """The answer to a request, retried as the settings say."""
        call = _Call(self, endpoint, prepared)
        wait = self.settings.retry_wait
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.settings.retry_attempts),
            # Twice as long each time, and up to ``wait`` more at random so that threads don't come back together.
            # Not wait_exponential_jitter, whose first argument has another name in tenacity 9.1.
            wait=tenacity.wait_exponential(multiplier=wait, max=LONGEST_WAIT) + tenacity.wait_random(0, wait),
            retry=tenacity.retry_if_exception(call.may_repeat),
            reraise=True,
        )
        try:
            return retrying(call.attempt)
        except BitbucketError as error:
            error.requests = call.requests
            raise


class _Call:
    """One call of one thread: its request, and what it has cost so far."""

    def __init__(self, caller: Caller, endpoint: Endpoint, prepared: requests.PreparedRequest) -> None:
        self.caller = caller
        self.endpoint = endpoint
        self.prepared = prepared
        self.asked = Asked(endpoint, path_of(prepared.url)[len(API_ROOT) :], caller.settings.conn_id)
        self.requests = 0
        self._limited = 0
        self._may_be_done = False

    def may_repeat(self, error: BaseException) -> bool:
        """Whether another try may succeed, and can't do it twice."""
        is_retryable = isinstance(error, BitbucketError) and error.retryable
        return is_retryable and (self.endpoint.method != "POST" or not self._may_be_done)

    def attempt(self) -> Answer:
        """One attempt; 429s, a single renewal of the token and redirects on the spot are part of it."""
        is_renewed = False
        redirects = 0
        prepared = self.prepared
        while True:
            began = time.monotonic()
            signed = self.caller.auth(prepared.copy())
            response = self._send(signed)
            if response is None:
                continue
            status = response.status_code
            if 200 <= status < 300:
                body = read_object(response, self.asked)
                self.caller.auth.accepted()
                return Answer(body, self.requests, prepared.url or "", len(response.content))
            if status == 401:
                self._change_token(response, _token_of(signed), began, may_renew=not is_renewed)
                is_renewed = True
                continue
            # What writes names repositories by uuid, which no renaming redirects.
            if status in _REDIRECTS and redirects < MOST_REDIRECTS and not self.endpoint.writes:
                target = urljoin(prepared.url or "", response.headers.get("Location", ""))
                # It names the new place, not always what was asked for there.
                target = still_asking(target, query_of(prepared.url))
                if names_another(target, prepared.url):
                    raise EndpointNotAllowed(f"a redirect of endpoint {self.endpoint.name} leads to another; refused")
                prepared = self.caller.prepare(self.endpoint, target, "a redirect")
                redirects += 1
                continue
            raise error_of(response, self.asked, self.caller.redactor)

    def _change_token(self, refusal: requests.Response, token: str, since: float, *, may_renew: bool) -> None:
        """After a 401: let another token be used, where there is one.

        Raises:
            TokenNotSupported: Bitbucket takes the token elsewhere.
            AuthenticationError: nowhere, and there is no other.
        """
        refused = (token, self.endpoint.name)
        # Where this very endpoint refused this very token before, another one would be refused as well.
        is_known = refused in self.caller.not_supported
        if may_renew and not is_known and self.caller.auth.renew(token):
            return
        if self._is_taken_elsewhere(token, since):
            self.caller.not_supported.add(refused)
            raise not_supported(refusal, self.asked, self.caller.redactor)
        if may_renew and is_known and self.caller.auth.renew(token):
            return
        raise error_of(refusal, self.asked, self.caller.redactor)

    def _is_taken_elsewhere(self, token: str, since: float) -> bool:
        """Whether Bitbucket takes a token that it refused here: other calls show it, or it is tried."""
        if self.caller.was_taken(token, since):
            return True
        workspace = self.endpoint.values_in(self.asked.path).get("workspace")
        elsewhere = [ENDPOINTS[name] for name in _SHOWING_TOKEN if workspace and name != self.endpoint.name]
        return any(self._takes(endpoint, str(workspace), token) for endpoint in elsewhere)

    def _takes(self, endpoint: Endpoint, workspace: str, token: str) -> bool:
        """Whether an endpoint about the workspace does not refuse the token, though there may be a newer one."""
        url = self.caller.settings.api_url + API_ROOT + endpoint.fill({"workspace": workspace})
        prepared = self.caller.prepare(endpoint, url, "the request", endpoint.query(params={"pagelen": 1}))
        while True:
            signed = self.caller.auth(prepared.copy())
            signed.headers["Authorization"] = f"Bearer {token}"
            response = self._send(signed)
            if response is not None:
                return response.status_code != 401

    def _send(self, signed: requests.PreparedRequest) -> requests.Response | None:
        """The answer; None: it was a 429 that is worth another try after the pause.

        Raises:
            RateLimited: no request may be sent now, or it was a 429 that is not worth another try.
            EndpointLimited: it was a 429 of an endpoint with a limit of its own.
        """
        limiter = self.caller.limiter
        entry = limiter.acquire()
        try:
            response = self._exchange(signed)
        except BaseException:
            limiter.settle(entry, None, {})
            raise
        if response.status_code == 429 and self.endpoint.own_rate_limit and not limiter.pauses.in_a_row:
            limiter.settle(entry, None, response.headers)
            self._wait_for_endpoint()
            return None
        may_go_on = limiter.settle(entry, response.status_code, response.headers)
        if response.status_code != 429:
            return response
        if may_go_on:
            return None
        error = error_of(response, self.asked, self.caller.redactor)
        if isinstance(error, RateLimited):
            error.resume_at = limiter.pauses.resume_at
        raise error

    def _wait_for_endpoint(self) -> None:
        """Wait after a 429 of an endpoint with a limit of its own, while others go on.

        Where the limit of all is meant, their 429s begin a pause, which holds up this call as any other.

        Raises:
            EndpointLimited: it was waited for often enough.
        """
        self._limited += 1
        if self._limited > self.caller.settings.rate_limit_pauses:
            raise EndpointLimited(
                f"Bitbucket kept limiting the rate of {self.asked.path}, and of that alone; ask for it again later",
                status=429,
            )
        time.sleep(self.caller.limiter.pauses.length(self._limited))

    def _exchange(self, signed: requests.PreparedRequest) -> requests.Response:
        self.requests += 1
        self._may_be_done = True
        began = time.monotonic()
        outcome: object = "no answer"
        try:
            response = self.caller.exchange(signed)
            outcome = response.status_code
        except NeverReached:
            self._may_be_done = False
            raise
        finally:
            milliseconds = (time.monotonic() - began) * 1000
            log.debug("%s %s %s %.0f ms", self.endpoint.method, self.endpoint.path, outcome, milliseconds)
        self._may_be_done = not says_not_done(response.status_code)
        return response


def _token_of(signed: requests.PreparedRequest) -> str:
    return signed.headers["Authorization"].removeprefix("Bearer ")
