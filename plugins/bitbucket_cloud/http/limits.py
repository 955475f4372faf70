"""An answer has an end: so many bytes, packed and unpacked, and so many seconds from its request to its last byte.

A time-out of a socket is none of the kind: it begins anew with every byte that comes.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter

#: Characters that are read at a time, and so the most by which an answer may exceed its limit in memory.
PIECE = 64 * 1024


@dataclass(frozen=True)
class Limits:
    """How large and how slow an answer may be: bytes, and seconds from its request to its last byte."""

    most_bytes: int
    seconds: float


class AnswerBeyondLimit(requests.RequestException):
    """An answer was given up: larger than it may be."""


class AnswerTooLate(requests.RequestException):
    """An answer was given up: it took longer than it may."""


class LimitedAdapter(HTTPAdapter):
    """Reads every answer to its end, within limits; mount it to a session for whatever the session may ask.

    ``send`` raises AnswerBeyondLimit and AnswerTooLate on top of what ``requests`` raises. Neither is repeated.
    """

    def __init__(self, limits: Limits, **arguments: Any) -> None:
        self.limits = limits
        super().__init__(**arguments)

    def get_connection_with_tls_context(self, *arguments: Any, **named: Any) -> Any:
        """The pool for a request, of connections that watch the limits; a proxy's too."""
        pool: Any = super().get_connection_with_tls_context(*arguments, **named)
        if not hasattr(pool.ConnectionCls, "limits"):
            pool.ConnectionCls = _limited(pool.ConnectionCls, self.limits)
        return pool

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """As in ``requests``; the body of the answer is there already."""
        try:
            response = super().send(request, True, timeout, verify, cert, proxies)
            # As requests keeps it: the attribute that Response.content gives out.
            response._content = self._body(response)
            return response
        except Exceeded as exceeded:
            raise exceeded.error from None

    def _body(self, response: requests.Response) -> bytes:
        body = bytearray()
        try:
            for piece in response.iter_content(PIECE):
                body += piece
                if len(body) > self.limits.most_bytes:
                    raise too_large(self.limits)
        except BaseException:
            response.close()
            raise
        return bytes(body)


def too_large(limits: Limits) -> AnswerBeyondLimit:
    """The error for more than ``limits`` allow."""
    return AnswerBeyondLimit(f"larger than {limits.most_bytes / 1024**2:g} MB")


class Exceeded(Exception):
    """Carries an error out of libraries that read a socket, which would repeat any error of the network."""

    def __init__(self, error: requests.RequestException) -> None:
        super().__init__(str(error))
        self.error = error


class LimitedReader(io.RawIOBase):
    """What comes over a socket, until one of the limits; each wait is as long as is left, at most its time-out.

    Args:
        source: reads the socket, as ``socket.makefile(buffering=0)`` gives it.
    """

    def __init__(self, source: io.RawIOBase, connection: socket.socket, limits: Limits) -> None:
        self._source = source
        self._connection = connection
        self._limits = limits
        self._wait = connection.gettimeout()
        self._until = time.monotonic() + limits.seconds
        self._bytes_left = limits.most_bytes + PIECE  # so much for the head

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """As of any raw stream; raises Exceeded."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise self._too_late()
        self._connection.settimeout(left if self._wait is None else min(self._wait, left))
        try:
            count = cast(int | None, self._source.readinto(buffer))
        except TimeoutError:
            if time.monotonic() >= self._until:
                raise self._too_late() from None
            raise
        self._bytes_left -= count or 0
        if self._bytes_left < 0:
            raise Exceeded(too_large(self._limits))
        return count

    def close(self) -> None:
        """Close the source too."""
        self._source.close()
        super().close()

    def _too_late(self) -> Exceeded:
        return Exceeded(AnswerTooLate(f"not there, whole, within {self._limits.seconds:g} seconds"))


def _limited(kind: type[Any], limits: Limits) -> type[Any]:
    """A class of connections whose answers, heads included, are read within ``limits``."""

    class Response(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
            super().__init__(sock, *arguments, **named)
            self.fp = io.BufferedReader(LimitedReader(self.fp.detach(), sock, limits))

    return type(kind.__name__, (kind,), {"response_class": Response, "limits": limits})
