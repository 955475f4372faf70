"""The request ledger: how many requests a consumer may still send in Bitbucket's rolling hour, and its pauses.

Bitbucket counts the requests of an hour for each identity (support.atlassian.com, API request limits: 1,000
an hour, measured against the user id). The ledger books a request before it is sent, so that all processes
together stay below; it never counts fewer requests than Bitbucket does.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

import psycopg

from bitbucket_cloud.database import Connection, Store, run_sql
from bitbucket_cloud.rate_limit.books import BIN, Books, BudgetRow, MemoryBooks, PostgresBooks
from bitbucket_cloud.settings import ACCESS_TOKEN, Settings

T = TypeVar("T")

#: Seconds for which a booked request may be sent.
PERMIT_LIFE = 10.0
#: Seconds that a request may take until Bitbucket counts it.
TRAVEL = 10.0
#: Seconds for which a bin counts: its last request may reach Bitbucket a bin, a permit's life and a journey
#: after its start, and stays there for an hour.
WINDOW = 3600.0 + BIN + PERMIT_LIFE + TRAVEL
#: How long the limit is believed that Bitbucket's headers state.
STATED_FOR = timedelta(hours=1)
#: What NearLimit says to be used already: "less than 20 % is left".
NEAR_LIMIT = 0.8
#: Seconds between two prunings.
PRUNE_EVERY = 3600.0


@dataclass(frozen=True)
class Permits:
    """Requests booked together and not sent: their bin and how many."""

    bin: datetime
    requests: int


@dataclass(frozen=True)
class Pause:
    """A consumer's pause after 429s: seconds until its end (0 where it is over), pauses since the last success."""

    seconds: float
    in_a_row: int


@dataclass(frozen=True)
class Use:
    """Requests of the last rolling hour, booked ones included, and the limit (None: there is none)."""

    used: int
    limit: int | None


@dataclass(frozen=True)
class Booking:
    """What a reservation brought.

    Attributes:
        permits: the requests that may be sent within ``PERMIT_LIFE`` seconds; may be none.
        use: what is used, these included.
        pause: the consumer's pause.
        next_in: seconds until the next request is free; 0 where some were granted.
        resume_in: seconds until a quarter of the limit, 250 at most, is free.
    """

    permits: Permits
    use: Use
    pause: Pause
    next_in: float = 0.0
    resume_in: float = 0.0


def consumer_of(settings: Settings) -> str:
    """Whom Bitbucket counts: API host with OAuth key, or with a short hash of the access token; no secret."""
    host = urlsplit(settings.api_url).netloc
    if settings.auth == ACCESS_TOKEN:
        return f"{host}/token:{hashlib.sha256(settings.password.encode()).hexdigest()[:16]}"
    return f"{host}/oauth:{settings.login}"


class Ledger(ABC):
    """The rules of the ledger for one consumer; safe to share between threads.

    Args:
        clock: the time (aware); None for the real one. A simulation passes its own.
        sleep: waits so many seconds; None for the real one. A simulation moves its clock instead.
    """

    def __init__(
        self, clock: Callable[[], datetime] | None = None, sleep: Callable[[float], None] | None = None
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._pruned_at = -math.inf

    @abstractmethod
    def _run(self, work: Callable[[Books], T]) -> T:
        """What ``work`` returns, run as one transaction; once more where the connection broke meanwhile.

        Raises:
            StoreUnavailable: the database doesn't do its part.
        """

    @abstractmethod
    def close(self) -> None:
        """Give the connection back; the next use opens another."""

    def now(self) -> datetime:
        """The time, aware."""
        return self._clock() if self._clock else datetime.now(UTC)

    def seconds(self) -> float:
        """Seconds on a clock that only goes forward."""
        return self._clock().timestamp() if self._clock else time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        (self._sleep or time.sleep)(seconds)

    def wait_for(self, changed: threading.Condition, seconds: float | None) -> None:
        """Wait for a change, ``seconds`` at most; the caller holds the condition."""
        if self._sleep is None or seconds is None:
            changed.wait(seconds)
        else:
            # A datetime knows no less than a microsecond: less than that would move no clock.
            self._sleep(max(seconds, 0.001))

    def reserve(self, wanted: int, limit: int | None, unsent: Sequence[Permits] = ()) -> Booking:
        """Book up to ``wanted`` requests.

        Args:
            wanted: how many, at least 1.
            limit: requests an hour where Bitbucket states none; None books whatever is wanted.
            unsent: permits of earlier bookings that come back with this one.
        """
        coming_back = list(unsent)

        def work(books: Books) -> Booking:
            row = books.budget()
            while coming_back:  # emptied, so that a repeat takes nothing out twice
                permits = coming_back.pop()
                books.give_back(permits.bin, permits.requests)
            allowed = _limit(row, limit)
            used, granted, bin_ = books.book(row.moment, WINDOW, wanted, allowed)
            self._prune(books, row.moment)
            use = Use(used + granted, allowed)
            booked = Permits(bin_, granted)
            if granted or allowed is None:
                return Booking(booked, use, _pause(row))
            enough = max(1, min(allowed // 4, 250))
            waits = [_seconds_to(books.free_at(row.moment, WINDOW, n, allowed), row.moment) for n in (1, enough)]
            return Booking(booked, use, _pause(row), *waits)

        return self._run(work)

    def give_back(self, unsent: Sequence[Permits]) -> None:
        """Take permits that were never used out of the ledger again."""
        coming_back = [permits for permits in unsent if permits.requests]

        def work(books: Books) -> None:
            books.budget()
            while coming_back:
                permits = coming_back.pop()
                books.give_back(permits.bin, permits.requests)

        if coming_back:
            self._run(work)

    def use(self, limit: int | None) -> Use:
        """What is used and the limit that holds; ``limit`` as in ``reserve``."""

        def work(books: Books) -> Use:
            row = books.peek()
            return Use(books.used(WINDOW), _limit(row, limit) if row else limit)

        return self._run(work)

    def state(self, stated: int | None, *, near: bool, limit: int | None) -> None:
        """Keep what Bitbucket's headers say.

        Args:
            stated: requests an hour, or None where it says nothing.
            near: whether less than a fifth is left: other programs use the same token, and count from now on.
            limit: as in ``reserve``.
        """

        def work(books: Books) -> None:
            row = books.budget()
            if stated is not None:
                books.state_limit(row.moment, stated)
            allowed = limit if limit is None else stated or _limit(row, limit)
            others = math.ceil(NEAR_LIMIT * allowed) - books.used(WINDOW) if near and allowed else 0
            if others > 0:
                books.book(row.moment, WINDOW, others, None)

        self._run(work)

    def limited(self, ago: float, length: Callable[[int], float]) -> Pause:
        """A request was answered with 429: the pause that holds now for all processes.

        Args:
            ago: seconds since that request left. One that left before the present pause began starts no other.
            length: seconds of a pause by its number in the row, from 1.
        """

        def work(books: Books) -> Pause:
            row = books.budget()
            left_at = row.moment - timedelta(seconds=ago)
            if row.pauses_in_a_row and row.paused_at is not None and left_at < row.paused_at:
                return _pause(row)
            pauses = row.pauses_in_a_row + 1
            seconds = length(pauses)
            books.pause(row.moment, row.moment + timedelta(seconds=seconds), pauses)
            return Pause(seconds, pauses)

        return self._run(work)

    def recovered(self, ago: float) -> None:
        """A request that left ``ago`` seconds ago succeeded: pauses that began before are over and forgotten."""
        self._run(lambda books: books.end_pause(ago))

    def _prune(self, books: Books, moment: datetime) -> None:
        if self.seconds() - self._pruned_at > PRUNE_EVERY:
            books.prune(moment)
            self._pruned_at = self.seconds()


class MemoryLedger(Ledger):
    """A ledger of this process alone, for a client without a store."""

    def __init__(
        self, clock: Callable[[], datetime] | None = None, sleep: Callable[[float], None] | None = None
    ) -> None:
        super().__init__(clock, sleep)
        self._books = MemoryBooks()

    def _run(self, work: Callable[[Books], T]) -> T:
        with self._books.lock:
            self._books.now = self.now()
            return work(self._books)

    def close(self) -> None:
        """Nothing to give back."""


class PostgresLedger(Ledger):
    """The ledger that all processes share.

    Args:
        store: its Postgres.
        consumer: whose requests, as ``consumer_of`` writes it.
        clock: as in ``Ledger``; without one the database's clock decides.
        sleep: as in ``Ledger``.
    """

    def __init__(
        self,
        store: Store,
        consumer: str,
        clock: Callable[[], datetime] | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        super().__init__(clock, sleep)
        self._store = store
        self._consumer = consumer
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._closing: Callable[[], object] | None = None

    def _run(self, work: Callable[[Books], T]) -> T:
        with self._lock, self._store.errors():
            try:
                return self._once(work)
            except psycopg.OperationalError:
                if self._connection is None or not self._connection.closed:
                    raise
                # It broke, as after a restart of the server: a fresh one, once.
                self.close()
                return self._once(work)

    def _once(self, work: Callable[[Books], T]) -> T:
        connection = self._open()
        with connection.transaction():
            return work(PostgresBooks(connection, self._consumer, self._clock() if self._clock else None))

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = self._store.connect()
            # Also where nobody closes the client, at the end of the process at the latest.
            self._closing = weakref.finalize(self, self._connection.close)
            with self._connection.transaction():
                run_sql(self._connection, "ledger_session.sql")
        return self._connection

    def close(self) -> None:
        """Give the connection back; the next use opens another."""
        if self._closing is not None:
            self._closing()
        self._connection = self._closing = None


def _limit(row: BudgetRow, limit: int | None) -> int | None:
    """The limit that Bitbucket stated within the last hour, else the connection's own; None switches both off."""
    if limit is not None and row.stated_limit is not None and row.stated_at is not None:
        return row.stated_limit if row.stated_at > row.moment - STATED_FOR else limit
    return limit


def _pause(row: BudgetRow) -> Pause:
    return Pause(_seconds_to(row.paused_until, row.moment), row.pauses_in_a_row)


def _seconds_to(when: datetime | None, moment: datetime) -> float:
    return max(0.0, (when - moment).total_seconds()) if when is not None else 0.0
