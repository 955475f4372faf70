"""The pause after a 429, shared by all threads of a client and, through the ledger, by all processes.

Bitbucket's 429 is plain text and says nothing of when to come back: pause 1 s, twice as long after each
further 429, 60 s at most. When a pause ends one request of each process goes ahead alone; the others follow
at its success. After so many pauses in a row nobody waits any more: the caller is told when to come back.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from bitbucket_cloud.errors import RateLimited
from bitbucket_cloud.rate_limit.ledger import Ledger, MemoryLedger, Pause

LONGEST_PAUSE = 60.0
#: Seconds of the longest pause that isn't waited out but told to the caller.
LONGEST_DEFERRAL = 900.0
#: A Retry-After is believed up to this many seconds: the limit's window is an hour.
LONGEST_RETRY_AFTER = 3600.0
#: Seconds that are always waited for: less than it takes to come back.
SHORT_WAIT = 2.0


@dataclass(frozen=True)
class Pass:
    """Leave to send one request, given at ``at`` (seconds on the ledger's clock); handed back with its outcome."""

    generation: int
    probe: bool
    at: float


class RateLimitPause:
    """One for each client. Every request takes a pass before it is sent and settles it afterwards.

    Args:
        first: seconds of the first pause.
        most: pauses in a row that are waited out; further ones are told to the caller.
        ledger: shares pauses between processes; one of its own for this client alone unless given.
        conn_id: of the Airflow connection, for messages.
    """

    def __init__(
        self, first: float = 1.0, most: int = 5, ledger: Ledger | None = None, conn_id: str = "bitbucket_default"
    ) -> None:
        self.first = first
        self.most = most
        self._ledger = ledger or MemoryLedger()
        self._conn_id = conn_id
        self._changed = threading.Condition()
        self._generation = 0
        self._in_a_row = 0
        self._until = 0.0
        self._closed = False
        self._probing = False

    @property
    def pauses_in_a_row(self) -> int:
        """Pauses since the last success, as far as this client knows."""
        return self._in_a_row

    @property
    def resume_at(self) -> datetime:
        """When the pause ends, or ended."""
        return self._ledger.now() + timedelta(seconds=self._seconds_left())

    def enter(self) -> Pass:
        """Wait until a request may be sent.

        Raises:
            RateLimited: the pause is one that isn't waited out.
        """
        with self._changed:
            while self._closed:
                left = self._seconds_left()
                if left <= 0 and not self._probing:
                    self._probing = True
                    return Pass(self._generation, probe=True, at=self._ledger.seconds())
                if left > SHORT_WAIT and self._is_deferral(left):
                    raise self._refusal()
                self._ledger.wait_for(self._changed, left if left > 0 else None)
            return Pass(self._generation, probe=False, at=self._ledger.seconds())

    def holds(self, leave: Pass) -> bool:
        """Whether no pause began since a pass was given."""
        return leave.generation == self._generation

    def learn(self, shared: Pause) -> None:
        """What the ledger says of the consumer's pause: another process may have begun one.

        After a pause that has ended without a success the next request is the one to try.
        """
        with self._changed:
            longer = shared.seconds > max(self._seconds_left(), 0.0) + 0.05
            if longer or (shared.in_a_row and not self._in_a_row and not self._closed):
                self._begin(shared)

    def limited(self, leave: Pass, retry_after: float | None = None) -> bool:
        """Settle a pass whose request was answered with 429; False when the caller should give up.

        A request that left before the present pause began says nothing new and starts no other.
        """
        with self._changed:
            if leave.probe:
                self._probing = False
            try:
                if leave.generation == self._generation:
                    ago = self._ledger.seconds() - leave.at
                    self._begin(self._ledger.limited(ago, lambda pauses: self._length(pauses, retry_after)))
                    return not self._is_deferral(self._seconds_left())
                return True
            finally:
                self._changed.notify_all()

    def settle(self, leave: Pass, status: int | None) -> None:
        """Settle a pass whose request had any other end: its status, or None where no answer came.

        Any answer but 429 ends the pause; no answer says nothing, and the next request is the one to try.
        """
        with self._changed:
            if leave.probe:
                self._probing = False
                # A pause that another process began meanwhile goes on.
                self._closed = status is None or leave.generation != self._generation
            success = status is not None and 200 <= status < 300
            self._changed.notify_all()
            if success and self._in_a_row and leave.generation == self._generation:
                self._in_a_row = 0
                self._ledger.recovered(self._ledger.seconds() - leave.at)

    def _begin(self, pause: Pause) -> None:
        self._generation += 1
        self._closed = True
        self._until = self._ledger.seconds() + pause.seconds
        self._in_a_row = pause.in_a_row

    def _seconds_left(self) -> float:
        return self._until - self._ledger.seconds()

    def _is_deferral(self, left: float) -> bool:
        return self._in_a_row > self.most or left > LONGEST_PAUSE

    def _refusal(self) -> RateLimited:
        resume_at = self.resume_at
        return RateLimited(
            f"Bitbucket keeps limiting the rate of Airflow connection {self._conn_id}, which pauses until "
            f"{resume_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC; let fewer programs use its identity if it stays so",
            resume_at=resume_at,
        )

    def _length(self, pauses: int, retry_after: float | None = None) -> float:
        """Seconds of a pause by its number in the row, from 1."""
        if retry_after is not None:
            return min(max(retry_after, 0.0), LONGEST_RETRY_AFTER)
        longest = LONGEST_PAUSE if pauses <= self.most else LONGEST_DEFERRAL
        length: float = min(self.first * 2 ** min(pauses - 1, 30), longest)
        return min(length * random.uniform(0.8, 1.2), longest)  # noqa: S311 - spreads load, guards nothing


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
