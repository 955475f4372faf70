"""The request budget of one client: a permit for each request, reserved from the ledger in small blocks."""

from __future__ import annotations

import contextlib
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from bitbucket_cloud.errors import RateLimited, StoreUnavailable
from bitbucket_cloud.rate_limit.ledger import PERMIT_LIFE, Booking, Ledger, Pause, Permits, consumer_of
from bitbucket_cloud.settings import ACCESS_TOKEN, Settings

#: Permits of a block: few transactions a second at full speed, few permits idle.
BLOCK_SIZE = 16
#: Seconds that a thread waits for permits, or for a pause to end, instead of giving up.
SHORT_WAIT = 2.0
#: Seconds after which headers that stay the same are written down again; they are believed for an hour.
NOTE_EVERY = 600.0

_LIMIT = re.compile(r"\s*(\d{1,9})\s*(?:,.*)?")
_WINDOW = re.compile(r";\s*w\s*=\s*(\d+)")


class Block:
    """Permits reserved together: their bin, when they were reserved (on the ledger's clock), how many are left."""

    __slots__ = ("bin", "born", "left")

    def __init__(self, bin_: datetime, born: float, left: int) -> None:
        self.bin = bin_
        self.born = born
        self.left = left


class RequestBudget:
    """What a client may still send in the rolling hour; shared by its threads.

    Args:
        settings: of the connection: whose requests are counted, and their limit.
        ledger: where they are counted.
        on_pause: told of the consumer's pause whenever permits are reserved.
    """

    def __init__(self, settings: Settings, ledger: Ledger, on_pause: Callable[[Pause], None]) -> None:
        self.consumer = consumer_of(settings)
        self._conn_id = settings.conn_id
        self._own_limit = settings.requests_per_hour or None
        self._ledger = ledger
        self._on_pause = on_pause
        self._lock = threading.Lock()
        self._refilling = threading.Lock()
        self._blocks: deque[Block] = deque()
        self._left = self._own_limit
        #: Permits left at which the next block is reserved, while other threads go on with the rest.
        self._low = 0
        self._headers = _Headers(ledger) if settings.auth == ACCESS_TOKEN else None

    @property
    def limit(self) -> int | None:
        """Requests an hour: as Bitbucket stated them within the last hour, else the connection's; None: no limit.

        Raises:
            StoreUnavailable: the ledger can't be read.
        """
        return self._ledger.use(self._own_limit).limit

    def used(self) -> int:
        """Requests of this consumer in the last rolling hour, all processes together; raises as ``limit`` does."""
        return max(0, self._ledger.use(self._own_limit).used - self._held())

    def left(self) -> int | None:
        """Requests that may be sent now; None: no limit. Raises as ``limit`` does."""
        use = self._ledger.use(self._own_limit)
        return None if use.limit is None else max(0, use.limit - use.used + self._held())

    def take(self) -> Block:
        """Leave to send one request within the next seconds: the block it comes from, one permit shorter.

        Waits ``SHORT_WAIT`` seconds at most.

        Raises:
            RateLimited: the hour's requests are used up.
            StoreUnavailable: the ledger can't be reached.
        """
        permit, low = self._take_held()
        if permit is None:
            with self._refilling:
                return self._wait_for_one()
        if low and self._refilling.acquire(blocking=False):
            try:
                self._refill()
            finally:
                self._refilling.release()
        return permit

    def put_back(self, permit: Block) -> None:
        """A permit of ``take`` that wasn't used."""
        with self._lock:
            permit.left += 1
            if permit not in self._blocks:
                self._blocks.append(permit)

    def note(self, headers: Mapping[str, str]) -> None:
        """Learn from the headers of an answer; only access tokens get any that say something."""
        if self._headers is not None:
            self._headers.note(headers, self._own_limit)

    def close(self) -> None:
        """Give back what wasn't used, and the connection to the ledger."""
        with self._lock:
            unsent = [Permits(block.bin, block.left) for block in self._blocks]
            self._blocks.clear()
        # Without the ledger they stay counted: too many are safe.
        with contextlib.suppress(StoreUnavailable):
            self._ledger.give_back(unsent)
        self._ledger.close()

    def _held(self) -> int:
        with self._lock:
            return sum(block.left for block in self._blocks)

    def _take_held(self) -> tuple[Block | None, bool]:
        """A permit in stock, if there is one, and whether the stock runs low."""
        oldest = self._ledger.seconds() - PERMIT_LIFE
        with self._lock:
            fresh = [block for block in self._blocks if block.left and block.born > oldest]
            if not fresh:
                return None, True
            fresh[0].left -= 1
            return fresh[0], sum(block.left for block in fresh) < self._low

    def _wait_for_one(self) -> Block:
        """A permit, from stock or from the ledger; the caller holds ``_refilling``."""
        patience = SHORT_WAIT
        while True:
            permit, _ = self._take_held()
            if permit is not None:
                return permit
            booking = self._refill()
            if booking.permits.requests:
                continue
            if booking.next_in > patience:
                raise self._used_up(booking)
            wait = max(booking.next_in, 0.05)
            patience -= wait
            self._ledger.sleep(wait)

    def _refill(self) -> Booking:
        """Reserve a block, handing in what is left of old ones; the caller holds ``_refilling``."""
        # Before the booking, so that no permit is older than it seems.
        born = self._ledger.seconds()
        booking = self._ledger.reserve(self._wanted(), self._own_limit, self._unsent(born - PERMIT_LIFE))
        granted, use = booking.permits.requests, booking.use
        with self._lock:
            if granted:
                self._blocks.append(Block(booking.permits.bin, born, granted))
            self._left = None if use.limit is None else max(0, use.limit - use.used)
            self._low = granted // 2 if granted == BLOCK_SIZE else 0
        self._on_pause(booking.pause)
        return booking

    def _wanted(self) -> int:
        """Fewer permits at a time towards the end, so that no process sits on what another could use."""
        return BLOCK_SIZE if self._left is None else max(1, min(BLOCK_SIZE, self._left // 4))

    def _unsent(self, oldest: float) -> list[Permits]:
        """Permits too old to be used, taken out of the stock."""
        with self._lock:
            old = [block for block in self._blocks if block.born <= oldest and block.left]
            self._blocks = deque(block for block in self._blocks if block.born > oldest and block.left)
            unsent = [Permits(block.bin, block.left) for block in old]
            for block in old:
                block.left = 0
            return unsent

    def _used_up(self, booking: Booking) -> RateLimited:
        resume_at = self._ledger.now() + timedelta(seconds=booking.resume_in)
        return RateLimited(
            f"Airflow connection {self._conn_id} has used {booking.use.used} of the {booking.use.limit} requests it "
            f"may send in an hour; it can go on at {resume_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
            resume_at=resume_at,
        )


class _Headers:
    """The rate limit headers of an access token; written to the ledger when they say something new.

    Source: Atlassian, "Introducing scaled rate limits" (X-RateLimit-Limit, -NearLimit).
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._stated: int | None = None
        self._near = False
        self._written_at = 0.0

    def note(self, headers: Mapping[str, str], limit: int | None) -> None:
        """Keep what the headers of one answer say; ``limit`` is the connection's own."""
        stated = parse_limit(headers.get("X-RateLimit-Limit"))
        near = headers.get("X-RateLimit-NearLimit", "").strip().lower() == "true"
        if (stated is not None or near) and self._is_news(stated, near):
            self._ledger.state(stated, near=near, limit=limit)

    def _is_news(self, stated: int | None, near: bool) -> bool:
        now = self._ledger.seconds()
        with self._lock:
            news = stated not in (None, self._stated) or (near and not self._near)
            self._stated, self._near = stated or self._stated, near
            if news or now - self._written_at >= NOTE_EVERY:
                self._written_at = now
                return True
            return False


def parse_limit(value: str | None) -> int | None:
    """Requests an hour that an ``X-RateLimit-Limit`` such as ``1000`` or ``60, 60;w=3600`` states, else None."""
    found = _LIMIT.fullmatch(value or "")
    windows = _WINDOW.findall(value or "")
    if found is None or any(int(window) != 3600 for window in windows):
        return None
    return int(found.group(1)) or None
