"""The rate limiter of one client: every request needs a permit, and none is sent during a pause.

Permits are reserved from the ledger in blocks, as one transaction for each request would be slow. After a 429 all
threads pause, and through the ledger all processes: Bitbucket's 429 is plain text and says nothing of when to come
back, so the first pause is 1 s, each further one twice as long, 60 s at most. When a pause ends, one request of each
process goes ahead alone; the others follow at its success. After so many pauses in a row nobody waits any more: the
caller is told when to come back.
"""

from __future__ import annotations

import contextlib
import random
import re
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from bitbucket_cloud.errors import DatabaseUnavailable, RateLimited
from bitbucket_cloud.rate_limit.ledger import PERMIT_LIFE, Booking, Ledger, Pause, Permits, consumer_of
from bitbucket_cloud.settings import ACCESS_TOKEN, Settings

#: Permits of a block: few transactions a second at full speed, few permits idle.
BLOCK_SIZE = 16
#: Seconds that a thread waits for permits, or for a long pause to end, instead of giving up.
SHORT_WAIT = 2.0
#: Seconds after which headers that stay the same are written down again; they are believed for an hour.
NOTE_EVERY = 600.0
#: Seconds of the longest pause that is waited for, and of the longest that the caller is told of.
LONGEST_PAUSE = 60.0
LONGEST_DEFERRAL = 900.0
#: Seconds up to which a Retry-After is believed: the limit's window is an hour.
LONGEST_RETRY_AFTER = 3600.0

_LIMIT = re.compile(r"\s*(\d{1,9})\s*(?:,.*)?")
_WINDOW = re.compile(r";\s*w\s*=\s*(\d+)")


@dataclass(eq=False, slots=True)
class Block:
    """Permits reserved together: their bin, when they were reserved (on the ledger's clock), how many are left."""

    bin: datetime
    born: float
    left: int


@dataclass(frozen=True)
class Entry:
    """Permission to send one request, as far as pauses are concerned.

    Attributes:
        generation: which pause came before it.
        is_probe: whether it is the one request that tries whether a pause is over.
        at: when it was given, in seconds on the ledger's clock.
    """

    generation: int
    is_probe: bool
    at: float


class RateLimiter:
    """What a client may still send in the rolling hour; shared by its threads."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self.consumer = consumer_of(settings)
        self.pauses = Pauses(settings, ledger)
        self._conn_id = settings.conn_id
        self._own_limit = settings.requests_per_hour or None
        self._spender = settings.spender
        self._ledger = ledger
        self._is_told_limit = settings.auth == ACCESS_TOKEN
        self._stated: int | None = None
        self._is_near = False
        self._noted_at = 0.0
        self._lock = threading.Lock()
        self._refilling = threading.Lock()
        self._blocks: deque[Block] = deque()
        #: Requests left in the hour at the last reservation; None: no limit.
        self._left = self._own_limit
        #: Permits in stock at which the next block is reserved, while other threads go on with the rest.
        self._low = 0

    @property
    def limit(self) -> int | None:
        """Requests an hour: as Bitbucket stated them within the last hour, else the connection's; None: no limit.

        Raises:
            DatabaseUnavailable: the ledger can't be read.
        """
        return self._ledger.use(self._own_limit).limit

    def used(self) -> int:
        """Requests of this consumer in the last rolling hour, all processes together; raises as ``limit`` does."""
        return max(0, self._ledger.use(self._own_limit).used - self._in_stock())

    def left(self) -> int | None:
        """Requests that may be sent now; None: no limit. Raises as ``limit`` does."""
        use = self._ledger.use(self._own_limit)
        return None if use.limit is None else max(0, use.limit - use.used + self._in_stock())

    def expect(self, requests: int) -> None:
        """Say how many requests the client's spender still means to send: its share of the hour follows from that.

        Raises:
            DatabaseUnavailable: the ledger can't be reached.
        """
        if self._spender:
            self._ledger.expect(self._spender, requests)

    def acquire(self) -> Entry:
        """Wait until a request may be sent, and spend a permit on it; the entry is passed to ``settle`` afterwards.

        Raises:
            RateLimited: the hour's requests are used up, or the pause is too long to wait for.
            DatabaseUnavailable: the ledger can't be reached.
        """
        while True:
            entry = self.pauses.enter()
            try:
                block = self.take()
            except BaseException:
                self.pauses.settle(entry, None)
                raise
            if self.pauses.holds(entry):
                return entry
            # A pause began meanwhile, here or in another process.
            self.put_back(block)
            self.pauses.settle(entry, None)

    def settle(self, entry: Entry, status: int | None, headers: Mapping[str, str]) -> bool:
        """Learn from the end of a request.

        Args:
            entry: as ``acquire`` gave it.
            status: of the answer; None where there was none.
            headers: of the answer.

        Returns:
            Whether it may be sent again after the pause: False for a 429 that is not worth waiting for.
        """
        goes_on = True
        if status == 429:
            goes_on = self.pauses.begin(entry, parse_retry_after(headers.get("Retry-After")))
        else:
            self.pauses.settle(entry, status)
        self.note(headers)
        return goes_on

    def note(self, headers: Mapping[str, str]) -> None:
        """Learn the limit from the headers of an answer; written to the ledger when they say something new.

        Only access tokens get such headers. Source: Atlassian, "Introducing scaled rate limits" (X-RateLimit-Limit,
        -NearLimit).
        """
        stated = parse_limit(headers.get("X-RateLimit-Limit"))
        is_near = headers.get("X-RateLimit-NearLimit", "").strip().lower() == "true"
        if not self._is_told_limit or (stated is None and not is_near):
            return
        now = self._ledger.seconds()
        with self._lock:
            is_news = stated not in (None, self._stated) or (is_near and not self._is_near)
            is_due = is_news or now - self._noted_at >= NOTE_EVERY
            self._stated, self._is_near = stated or self._stated, is_near
            self._noted_at = now if is_due else self._noted_at
        if is_due:
            self._ledger.note_limit(stated, is_near=is_near, own_limit=self._own_limit)

    def take(self) -> Block:
        """Spend a permit: the block it comes from. Waits ``SHORT_WAIT`` seconds at most; raises as ``acquire``."""
        block, is_low = self._take_from_stock()
        if block is None:
            with self._refilling:
                return self._wait_for_one()
        if is_low and self._refilling.acquire(blocking=False):
            try:
                self._refill()
            finally:
                self._refilling.release()
        return block

    def put_back(self, block: Block) -> None:
        """Return a permit of ``take`` that wasn't used."""
        with self._lock:
            block.left += 1
            if block not in self._blocks:
                self._blocks.append(block)

    def close(self) -> None:
        """Give back the permits that weren't used, and the connection to the ledger."""
        with self._lock:
            unsent = [Permits(block.bin, block.left, self._spender) for block in self._blocks]
            self._blocks.clear()
        # Without the ledger they stay counted: too many are safe.
        with contextlib.suppress(DatabaseUnavailable):
            self._ledger.give_back(unsent)
        self._ledger.close()

    def _in_stock(self) -> int:
        with self._lock:
            return sum(block.left for block in self._blocks)

    def _take_from_stock(self) -> tuple[Block | None, bool]:
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
            block, _ = self._take_from_stock()
            if block is not None:
                return block
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
        booking = self._ledger.reserve(
            self._wanted(), self._own_limit, self._take_old(born - PERMIT_LIFE), self._spender
        )
        granted, use = booking.permits.requests, booking.use
        with self._lock:
            if granted:
                self._blocks.append(Block(booking.permits.bin, born, granted))
            self._left = None if use.limit is None else max(0, use.limit - use.used)
            self._low = granted // 2 if granted == BLOCK_SIZE else 0
        self.pauses.learn(booking.pause)
        return booking

    def _wanted(self) -> int:
        """Fewer permits at a time towards the end, so that no process keeps what another could use."""
        return BLOCK_SIZE if self._left is None else max(1, min(BLOCK_SIZE, self._left // 4))

    def _take_old(self, oldest: float) -> list[Permits]:
        """Permits too old to be used, taken out of the stock."""
        with self._lock:
            old = [block for block in self._blocks if block.born <= oldest and block.left]
            self._blocks = deque(block for block in self._blocks if block.born > oldest and block.left)
            unsent = [Permits(block.bin, block.left, self._spender) for block in old]
            for block in old:
                block.left = 0
            return unsent

    def _used_up(self, booking: Booking) -> RateLimited:
        resume_at = self._ledger.now() + timedelta(seconds=booking.resume_in)
        if booking.use.limit is not None and booking.use.used < booking.use.limit:
            return RateLimited(
                f"{self._spender} has had its share of the {booking.use.limit} requests that Airflow connection "
                f"{self._conn_id} may send in an hour; the rest is kept for others who share them; it asks again at "
                f"{resume_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
                resume_at=resume_at,
            )
        return RateLimited(
            f"Airflow connection {self._conn_id} has used {booking.use.used} of the {booking.use.limit} requests it "
            f"may send in an hour; it can go on at {resume_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
            resume_at=resume_at,
        )


class Pauses:
    """The pauses after 429s. Every request enters before it is sent and is settled afterwards."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings = settings
        self._ledger = ledger
        self._changed = threading.Condition()
        self._generation = 0
        #: Pauses since the last success, as far as this client knows.
        self.in_a_row = 0
        self._until = 0.0
        self._is_closed = False
        self._is_probing = False

    @property
    def resume_at(self) -> datetime:
        """When the pause ends, or ended."""
        return self._ledger.now() + timedelta(seconds=self._seconds_left())

    def enter(self) -> Entry:
        """Wait until a request may be sent.

        Raises:
            RateLimited: the pause is too long to wait for.
        """
        with self._changed:
            while self._is_closed:
                left = self._seconds_left()
                if left <= 0 and not self._is_probing:
                    self._is_probing = True
                    return Entry(self._generation, is_probe=True, at=self._ledger.seconds())
                if left > SHORT_WAIT and self._is_deferral(left):
                    raise self._refusal()
                self._ledger.wait_for(self._changed, left if left > 0 else None)
            return Entry(self._generation, is_probe=False, at=self._ledger.seconds())

    def holds(self, entry: Entry) -> bool:
        """Whether no pause began since an entry was given."""
        return entry.generation == self._generation

    def learn(self, shared: Pause) -> None:
        """Take over what the ledger says of the consumer's pause: another process may have begun one.

        After a pause that has ended without a success the next request is the one to try.
        """
        with self._changed:
            is_longer = shared.seconds > max(self._seconds_left(), 0.0) + 0.05
            if is_longer or (shared.in_a_row and not self.in_a_row and not self._is_closed):
                self._begin(shared)

    def begin(self, entry: Entry, retry_after: float | None = None) -> bool:
        """Settle a request that was answered with 429; False where the caller should give up.

        A request that left before the present pause began says nothing new and starts no other.
        """
        with self._changed:
            if entry.is_probe:
                self._is_probing = False
            try:
                if entry.generation != self._generation:
                    return True
                ago = self._ledger.seconds() - entry.at
                self._begin(self._ledger.begin_pause(ago, lambda number: self.length(number, retry_after)))
                return not self._is_deferral(self._seconds_left())
            finally:
                self._changed.notify_all()

    def settle(self, entry: Entry, status: int | None) -> None:
        """Settle a request that had any other end: its status, or None where no answer came.

        Any answer but 429 ends the pause; no answer says nothing, and the next request is the one to try.
        """
        with self._changed:
            if entry.is_probe:
                self._is_probing = False
                # A pause that another process began meanwhile goes on.
                self._is_closed = status is None or entry.generation != self._generation
            is_success = status is not None and 200 <= status < 300
            self._changed.notify_all()
            if is_success and self.in_a_row and entry.generation == self._generation:
                self.in_a_row = 0
                self._ledger.end_pauses(self._ledger.seconds() - entry.at)

    def length(self, number: int, retry_after: float | None = None) -> float:
        """Seconds of a pause by its number in the row, from 1."""
        if retry_after is not None:
            return min(max(retry_after, 0.0), LONGEST_RETRY_AFTER)
        longest = LONGEST_PAUSE if number <= self._settings.rate_limit_pauses else LONGEST_DEFERRAL
        length: float = min(self._settings.rate_limit_wait * 2 ** min(number - 1, 30), longest)
        return min(length * random.uniform(0.8, 1.2), longest)  # noqa: S311 - spreads load, guards nothing

    def _begin(self, pause: Pause) -> None:
        self._generation += 1
        self._is_closed = True
        self._until = self._ledger.seconds() + pause.seconds
        self.in_a_row = pause.in_a_row

    def _seconds_left(self) -> float:
        return self._until - self._ledger.seconds()

    def _is_deferral(self, left: float) -> bool:
        return self.in_a_row > self._settings.rate_limit_pauses or left > LONGEST_PAUSE

    def _refusal(self) -> RateLimited:
        resume_at = self.resume_at
        return RateLimited(
            f"Bitbucket keeps limiting the rate of Airflow connection {self._settings.conn_id}, which pauses until "
            f"{resume_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC; if this goes on, let fewer programs use its identity",
            resume_at=resume_at,
        )


def parse_limit(value: str | None) -> int | None:
    """Requests an hour that an ``X-RateLimit-Limit`` such as ``1000`` or ``60, 60;w=3600`` states, else None."""
    found = _LIMIT.fullmatch(value or "")
    windows = _WINDOW.findall(value or "")
    if found is None or any(int(window) != 3600 for window in windows):
        return None
    return int(found.group(1)) or None


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
