"""Lists the users of a directory, page by page (RFC 7644 §3.4.2)."""

from __future__ import annotations

import logging
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Any
from urllib.parse import urljoin

import requests
from requests.auth import AuthBase
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from scim_directory import __version__
from scim_directory.errors import AuthenticationError, ListingIncomplete, Unreachable, WrongAnswer
from scim_directory.settings import Settings, origin_of
from scim_directory.users import User

log = logging.getLogger(__name__)

LONGEST_WAIT = 60.0
MOST_REDIRECTS = 3


class _Bearer(AuthBase):
    """As an ``auth`` object, so that no ``.netrc`` takes the header's place."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class ScimClient:
    """One session with one directory. Cookies are never kept; a redirect to another host is never followed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._session = requests.Session()
        self._session.auth = _Bearer(settings.token)
        self._session.headers["User-Agent"] = f"scim-directory-airflow/{__version__}"
        self._session.headers["Accept"] = "application/scim+json, application/json"
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def __enter__(self) -> ScimClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def count_users(self) -> int:
        """How many users the directory says it has; one request.

        Raises:
            ScimError: see ``users``.
        """
        return self._page(1, 1)[0]

    def users(self) -> list[User]:
        """All users, whole or not at all.

        Raises:
            AuthenticationError: the token is not taken.
            Unreachable: no answer, or none but errors, after all retries.
            WrongAnswer: what came is no SCIM list of users.
            ListingIncomplete: fewer users came than the directory says it has, or some came twice.
        """
        found: dict[str, dict[str, Any]] = {}
        came = 0
        while True:
            total, resources = self._page(came + 1, self.settings.page_size)
            for resource in resources:
                found[self._id_of(resource)] = resource
            came += len(resources)
            if came >= total or not resources:
                break
        if not came == len(found) == total:
            raise ListingIncomplete(
                f"{self._where}: the listing brought {len(found)} users of {total}, {came - len(found)} of them twice; "
                "half a directory is worse than none: try again, and look at the server's paging if it stays so"
            )
        return [User(resource) for resource in found.values()]

    @property
    def _where(self) -> str:
        return f"Airflow connection {self.settings.conn_id}: {self.settings.base_url}/Users"

    def _page(self, start: int, count: int) -> tuple[int, list[dict[str, Any]]]:
        """The total that the page tells, and its resources."""
        body = self._json(self._get({"startIndex": start, "count": count}))
        total = body.get("totalResults")
        resources = body.get("Resources")
        resources = [] if resources is None else resources  # a list of nobody may leave it out
        if not isinstance(total, int) or isinstance(total, bool) or not isinstance(resources, list):
            raise self._no_list("has no totalResults or no Resources")
        if not all(isinstance(resource, dict) for resource in resources):
            raise self._no_list("holds Resources that are no objects")
        return total, resources

    def _id_of(self, resource: dict[str, Any]) -> str:
        user_id = resource.get("id")
        if not isinstance(user_id, str) or not user_id:
            raise self._no_list("holds a user without an id")
        return user_id

    def _json(self, response: requests.Response) -> dict[str, Any]:
        try:
            body = response.json()
        except ValueError:
            raise self._no_list("is no JSON") from None
        if not isinstance(body, dict):
            raise self._no_list("is no JSON object")
        return body

    def _no_list(self, problem: str) -> WrongAnswer:
        return WrongAnswer(f"{self._where}: the answer {problem}: no SCIM 2.0 list of users; check the base address")

    def _get(self, params: dict[str, int]) -> requests.Response:
        retrying = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, _Again)),
            stop=stop_after_attempt(self.settings.retry_attempts),
            wait=self._wait,
            reraise=True,
        )
        return retrying(self._try, params)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait if isinstance(error, _Again) else None
        own: float = self.settings.retry_wait * 2.0 ** (state.attempt_number - 1)
        return min(own if asked is None else max(asked, own), LONGEST_WAIT)

    def _try(self, params: dict[str, int]) -> requests.Response:
        url = f"{self.settings.base_url}/Users"
        response = self._send(url, params)
        for _ in range(MOST_REDIRECTS):
            if not response.is_redirect:
                break
            # The address that stands in Location has the query already.
            response = self._send(self._same_host(urljoin(url, response.headers["Location"])), None)
        return self._checked(response)

    def _send(self, url: str, params: dict[str, int] | None) -> requests.Response:
        try:
            return self._session.get(
                url,
                params=params,
                timeout=(min(10.0, self.settings.timeout), self.settings.timeout),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # The original carries the whole URL, proxies included: name the kind and leave it behind.
            raise _Again(
                f"{self._where}: no answer ({type(error).__name__}); check the host, the network and any proxy"
            ) from None

    def _same_host(self, url: str) -> str:
        if origin_of(url) != origin_of(self.settings.base_url):
            target = origin_of(url)
            raise WrongAnswer(
                f"{self._where}: redirects to {'another host' if target is None else target[1]}; the token is not "
                "sent there: give that address as the base address if it is the directory's"
            )
        return url

    def _checked(self, response: requests.Response) -> requests.Response:
        status = response.status_code
        if status in (401, 403):
            raise AuthenticationError(
                f"{self._where}: the token was refused (HTTP {status}); renew it, or let it list users"
            )
        if status == 429 or status >= 500:
            raise _Again(f"{self._where}: the directory answers with HTTP {status}; try again later", _after(response))
        if status != 200:
            raise self._no_list(f"is HTTP {status}")
        return response


class _Again(Unreachable):
    """Worth another try; ``wait``: seconds that the server asks for."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


def _after(response: requests.Response) -> float | None:
    try:
        return max(0.0, float(response.headers.get("Retry-After", "")))
    except ValueError:
        return None
