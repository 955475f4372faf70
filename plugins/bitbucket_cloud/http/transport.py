"""Sends one prepared request over the shared session; knows nothing of endpoints, tokens or retries."""

from __future__ import annotations

import threading
import time
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests

from bitbucket_cloud import __version__
from bitbucket_cloud.errors import AnswerTooLarge, AnswerTooSlow, BitbucketError, NeverReached, Unreachable
from bitbucket_cloud.http.limits import AnswerBeyondLimit, AnswerTooLate, LimitedAdapter, Limits
from bitbucket_cloud.settings import TOKEN_PATH, Settings
from bitbucket_cloud.urls import PORTS, origin_of, path_of

#: Bytes of an answer, unpacked: some ten times what the largest page takes.
MOST_BYTES = 10 * 1024**2
#: Bytes of an answer with tokens, or of the error in its place.
MOST_TOKEN_BYTES = 256 * 1024
#: A whole answer may take so many times what its next piece may.
PATIENCE = 5
USER_AGENT = f"bitbucket-cloud-airflow/{__version__}"


class Transport:
    """One keep-alive session with a pool of ``connections``, shared by all threads of a client.

    Cookies are never kept, redirects never followed, ``.netrc`` never read; proxies and certificates of the
    environment are honoured.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.timeout = (settings.connect_timeout, settings.read_timeout)
        self._session = requests.Session()
        self._session.headers["User-Agent"] = USER_AGENT
        self._session.headers["Accept"] = "application/json"
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._mount("https://", Limits(MOST_BYTES, PATIENCE * settings.read_timeout))
        self._mount("http://", Limits(MOST_BYTES, PATIENCE * settings.read_timeout))
        # Others wait for a refresh as long as it may take: see ``make_auth``.
        self._mount(settings.oauth_url + TOKEN_PATH, Limits(MOST_TOKEN_BYTES, settings.read_timeout))
        self._environment: dict[str, Any] = {}
        self._lock = threading.Lock()

    def _mount(self, prefix: str, limits: Limits) -> None:
        # Blocking, so that more threads than connections wait for one instead of opening others.
        size = {"pool_connections": 4, "pool_maxsize": self._settings.connections, "pool_block": True}
        self._session.mount(prefix, LimitedAdapter(limits, max_retries=0, **size))

    def prepare(self, request: requests.Request) -> requests.PreparedRequest:
        """``request`` with the session's headers, but without its cookies and without ``.netrc``."""
        request.headers = {**self._session.headers, **(request.headers or {})}
        return request.prepare()

    def exchange(self, prepared: requests.PreparedRequest) -> requests.Response:
        """The answer, its body read to the end.

        Raises:
            NeverReached: the host doesn't exist, refuses connections or doesn't take one in time.
            Unreachable: any other way to get no answer, or one that broke off; AnswerTooSlow where it did not end.
            AnswerTooLarge: it has more bytes than any answer should have.
        """
        url = prepared.url or ""
        try:
            response = self._session.send(
                prepared, timeout=self.timeout, allow_redirects=False, **self._settings_for(url)
            )
        except requests.RequestException as error:
            raise self._failed(url, error) from None
        # The connection is free: a thread that waits for it sends now, before this one decodes.
        time.sleep(0)
        return response

    def _failed(self, url: str, error: requests.RequestException) -> BitbucketError:
        """What an error stands for. It carries the whole URL, proxies included: name the kind and leave it behind."""
        field = "host" if origin_of(url) == origin_of(self._settings.api_url) else "extra oauth_url"
        connection = f"{field} of Airflow connection {self._settings.conn_id}"
        if isinstance(error, AnswerBeyondLimit | AnswerTooLate):
            kind = AnswerTooSlow if isinstance(error, AnswerTooLate) else AnswerTooLarge
            return kind(f"the answer of {_host(url)} to {path_of(url)} is {error}; it was given up: check {connection}")
        reason = describe(error)
        return (NeverReached if reason in _BEFORE_SENDING else Unreachable)(
            f"no answer from {_host(url)} ({reason}); check {connection}, the network and any proxy, then run again"
        )

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def _settings_for(self, url: str) -> dict[str, Any]:
        """Proxies and certificates that the environment sets for a host; looked up once a host."""
        host = _host(url)
        with self._lock:
            if host not in self._environment:
                found = self._session.merge_environment_settings(url, {}, None, None, None)
                self._environment[host] = {name: found[name] for name in ("proxies", "verify", "cert")}
            settings: dict[str, Any] = self._environment[host]
            return settings


def describe(error: requests.RequestException) -> str:
    """The kind of a network failure in a few words, without the URL or anything that was sent."""
    chain: list[BaseException] = []
    todo: list[object] = [error]
    while todo:
        at = todo.pop()
        if isinstance(at, BaseException) and at not in chain:
            chain.append(at)
            todo.extend([at.__cause__, at.__context__, getattr(at, "reason", None), *at.args])
    names = {kind.__name__ for link in chain for kind in type(link).__mro__}
    for name, words in _KINDS:
        if name in names:
            return words
    return "the connection failed"


#: class name anywhere in the chain -> words; the first that fits
_KINDS = (
    ("SSLCertVerificationError", "its certificate is not trusted"),
    ("SSLError", "no encrypted connection; does the host speak plain http?"),
    ("ProxyError", "the proxy refused"),
    ("gaierror", "no such host"),
    ("NameResolutionError", "no such host"),
    ("ConnectTimeout", "connecting timed out"),
    ("ReadTimeout", "the answer timed out"),
    ("ReadTimeoutError", "the answer timed out"),
    ("ConnectionRefusedError", "connection refused"),
    ("IncompleteRead", "the answer broke off"),
    ("ContentDecodingError", "the answer can't be decompressed"),
    ("ConnectionResetError", "connection reset"),
    ("ChunkedEncodingError", "the answer broke off"),
    ("RemoteDisconnected", "connection closed without an answer"),
)
#: words of ``describe`` for failures before anything was sent
_BEFORE_SENDING = frozenset({"no such host", "connecting timed out", "connection refused"})


def _host(url: str) -> str:
    origin = origin_of(url)
    if origin is None:
        return "the host"
    scheme, host, port = origin
    return f"{scheme}://{host}" if port == PORTS[scheme] else f"{scheme}://{host}:{port}"
