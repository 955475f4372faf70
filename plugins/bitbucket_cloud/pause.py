"""The pause after a 429, shared by all threads of a client.

Bitbucket's 429 is plain text and says nothing of when to come back: pause 1 s, twice as long after each
further 429, 60 s at most. When a pause ends one request goes ahead alone; the others follow at its success.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_PAUSE = 60.0
#: A Retry-After is believed up to this many seconds: the limit's window is an hour.
LONGEST_RETRY_AFTER = 3600.0


@dataclass(frozen=True)
class Pass:
    """Leave to send one request; handed back with its outcome."""

    generation: int
    probe: bool


class RateLimitPause:
    """One for each client. Every request takes a pass before it is sent and settles it afterwards.

    Args:
        first: seconds of the first pause.
        most: pauses in a row after which ``limited`` says to give up.
    """

    def __init__(self, first: float = 1.0, most: int = 8) -> None:
        self.first = first
        self.most = most
        self._changed = threading.Condition()
        self._generation = 0
        self._in_a_row = 0
        self._until = 0.0
        self._closed = False
        self._probing = False

    @property
    def pauses_in_a_row(self) -> int:
        """Pauses since the last success."""
        return self._in_a_row

    def enter(self) -> Pass:
        """Wait until a request may be sent."""
        with self._changed:
            while self._closed:
                left = self._until - time.monotonic()
                if left <= 0 and not self._probing:
                    self._probing = True
                    return Pass(self._generation, probe=True)
                self._changed.wait(left if left > 0 else None)
            return Pass(self._generation, probe=False)

    def limited(self, leave: Pass, retry_after: float | None = None) -> bool:
        """Settle a pass whose request was answered with 429; False when the caller should give up.

        A request that left before the present pause began says nothing new and starts no other.
        """
        with self._changed:
            if leave.probe:
                self._probing = False
            if leave.generation == self._generation:
                if self._in_a_row >= self.most:
                    self._closed = True
                    self._changed.notify_all()
                    return False
                self._generation += 1
                self._closed = True
                self._until = time.monotonic() + self._length(retry_after)
                self._in_a_row += 1
            self._changed.notify_all()
            return True

    def settle(self, leave: Pass, status: int | None) -> None:
        """Settle a pass whose request had any other end: its status, or None where no answer came.

        Any answer but 429 ends the pause; no answer says nothing, and the next request is the one to try.
        """
        with self._changed:
            if leave.probe:
                self._probing = False
                self._closed = status is None
            if status is not None and 200 <= status < 300 and leave.generation == self._generation:
                self._in_a_row = 0
            self._changed.notify_all()

    def _length(self, retry_after: float | None) -> float:
        if retry_after is not None:
            return min(max(retry_after, 0.0), LONGEST_RETRY_AFTER)
        length: float = min(self.first * 2**self._in_a_row, LONGEST_PAUSE)
        return min(length * random.uniform(0.8, 1.2), LONGEST_PAUSE)  # noqa: S311 - spreads load, guards nothing


def parse_retry_after(value: str | None) -> float | None:
    """Seconds that a ``Retry-After`` header (seconds or a date) asks to wait; None where it says nothing."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        pass
    else:
        return seconds if 0 <= seconds < float("inf") else None
    try:
        when = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
