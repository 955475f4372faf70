"""Connections to the receiver: a head has to arrive in time, and whoever sends nothing makes room for others.

uvicorn waits for a request's head as long as the other side likes, and counts connections that do nothing like those at
work. Here a connection without a whole head is closed after ``HEAD_SECONDS``, and where there are too many, of one
address or in all, the oldest one that nobody works for is closed in favour of the new one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

log = logging.getLogger(__name__)

#: Seconds that the head of a request may take to arrive. Bitbucket sends it in one piece and waits ten for the answer.
HEAD_SECONDS: Final = 5
#: Bytes of a head. Bitbucket's have less than 2,000.
LARGEST_HEAD: Final = 16 * 1024
MOST: Final = 512
#: Behind a proxy every connection has its address: as many as a proxy needs that passes whole requests on.
MOST_OF_ONE_ADDRESS: Final = 128
#: Seconds between two lines in the log about connections that were closed.
TOLD_EVERY: Final = 60.0


class DeliveryProtocol(H11Protocol):
    """HTTP/1.1 of uvicorn, with a deadline for each head and a limit on connections."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str:
        """Of the other side."""
        return self.client[0] if self.client else ""

    @property
    def waits_for_head(self) -> bool:
        """No request is under way."""
        return self.cycle is None or bool(self.cycle.response_complete)

    @property
    def waits_for_body(self) -> bool:
        """A request is under way whose body did not arrive whole."""
        return not self.waits_for_head and bool(self.cycle.more_body)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take part in the limits; the deadline begins."""
        super().connection_made(transport)
        OPEN.admit(self)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side went, or was sent away."""
        OPEN.leave(self)
        self._unwatch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A whole head ends the deadline, a part of one does not."""
        super().data_received(data)
        if not self.waits_for_head:
            self._unwatch()

    def on_response_complete(self) -> None:
        """The next head on this connection has a deadline of its own."""
        super().on_response_complete()
        if self.waits_for_head:
            self._watch()

    def send_away(self) -> None:
        """Close it without an answer."""
        if not self.transport.is_closing():
            self.transport.abort()

    def _watch(self) -> None:
        self._unwatch()
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.send_away)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class OpenConnections:
    """The connections of this process, the oldest first."""

    def __init__(self) -> None:
        self._open: dict[DeliveryProtocol, None] = {}
        self._closed = 0
        self._told_at = float("-inf")

    def admit(self, new: DeliveryProtocol) -> None:
        """Add one; where there are too many, another one goes for it, or the new one if all the others are at work."""
        of_address = [one for one in self._open if one.address == new.address]
        if len(of_address) >= MOST_OF_ONE_ADDRESS:
            self._close(_idlest(of_address) or new)
        elif len(self._open) >= MOST:
            self._close(_idlest(self._open) or new)
        if not new.transport.is_closing():
            self._open[new] = None

    def leave(self, gone: DeliveryProtocol) -> None:
        """Forget one."""
        self._open.pop(gone, None)

    def _close(self, chosen: DeliveryProtocol) -> None:
        chosen.send_away()
        self.leave(chosen)
        self._closed += 1
        now = time.monotonic()
        if now - self._told_at >= TOLD_EVERY:
            log.warning("too many connections: %d that waited were closed, last of %s", self._closed, chosen.address)
            self._closed, self._told_at = 0, now


def _idlest(candidates: Iterable[DeliveryProtocol]) -> DeliveryProtocol | None:
    """The oldest one that waits for a head, else for the rest of a body; None: all are at work."""
    listed = list(candidates)
    waiting = [*(one for one in listed if one.waits_for_head), *(one for one in listed if one.waits_for_body)]
    return waiting[0] if waiting else None


OPEN: Final = OpenConnections()
