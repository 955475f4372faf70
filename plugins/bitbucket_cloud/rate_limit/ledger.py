"""The request ledger: how many requests a consumer has sent in Bitbucket's rolling hour, and its pauses after a 429.

Bitbucket counts the requests of an hour for each identity (support.atlassian.com, API request limits: 1,000 an hour,
measured against the user id). A request is booked before it is sent, so that all processes together stay below the
limit; the ledger never counts fewer requests than Bitbucket does.

Spenders share an hour. Each says on whose behalf it sends (a name) and how many requests it still means to send, once
it knows. What each may have of the rolling hour is the max-min fair share of what it has sent and still means to
send: small demands are met whole, what is left is split evenly among the larger ones. What somebody does not need is
free for the others, and nobody is held below its share. Requests without a spender are held by the limit alone.

Requests for tokens go to another host, which does
not count them, and are not booked: a token can be refreshed when no request is left.
"""

from __future__ import annotations

import json
import math
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psycopg

from bitbucket_cloud.database import Connection, Database, one_row
from bitbucket_cloud.settings import Settings

T = TypeVar("T")
Clock = Callable[[], datetime]
Sleep = Callable[[float], None]

#: Seconds of a bin: requests are counted by the ten seconds in which they were booked.
BIN = 10
#: Seconds for which a booked request may be sent.
PERMIT_LIFE = 10.0
#: Seconds that a request may take until Bitbucket counts it.
TRAVEL = 10.0
#: Seconds for which a bin counts: its last request may be booked a bin after its start, sent a permit's life later and
#: counted a journey after that, and Bitbucket counts it for an hour.
WINDOW = 3600.0 + BIN + PERMIT_LIFE + TRAVEL
#: How long the limit is believed that Bitbucket's headers state.
STATED_FOR = timedelta(hours=1)
#: What NearLimit says to be used already: "less than 20 % is left".
NEAR_LIMIT = 0.8
#: How long the share of a spender that shows no sign of life is kept for it.
ALIVE = timedelta(minutes=90)
#: Seconds until a spender that has had its share looks whether there is more for it.
LOOK_AGAIN = 300.0
#: Seconds between two deletions of old bins.
PRUNE_EVERY = 3600.0

_SQL = Path(__file__).parent


@dataclass(frozen=True)
class Permits:
    """Requests that were booked together and not sent: the start of their bin, how many, and for whom."""

    bin: datetime
    requests: int
    spender: str = ""


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
    return f"{urlsplit(settings.api_url).netloc}/{settings.key}"


@dataclass
class _Spender:
    """What is known of a spender.

    Attributes:
        seen_at: when it last asked for requests.
        wanted: requests that it still means to send; None: not known yet, taken for more than there are.
        bins: what it booked, by the start of the bin, of the bins that still count.
    """

    seen_at: datetime
    wanted: int | None = None
    bins: dict[datetime, int] = field(default_factory=dict)

    @property
    def sent(self) -> int:
        return sum(self.bins.values())

    @property
    def demand(self) -> float:
        """Of the rolling hour: what it sent and still means to send."""
        return math.inf if self.wanted is None else self.sent + self.wanted


@dataclass
class _Consumer:
    """What is kept of one consumer, as it was read at ``moment``.

    Attributes:
        bins: requests by the start of their bin, of the bins that still count.
        stated_limit, stated_at: requests an hour as Bitbucket's headers stated them, and when.
        paused_at, paused_until: the newest pause.
        pauses_in_a_row: pauses since the last success.
        spenders: those who said on whose behalf they send, by name.
    """

    moment: datetime
    bins: dict[datetime, int] = field(default_factory=dict)
    stated_limit: int | None = None
    stated_at: datetime | None = None
    paused_at: datetime | None = None
    paused_until: datetime | None = None
    pauses_in_a_row: int = 0
    spenders: dict[str, _Spender] = field(default_factory=dict)

    def copy(self) -> _Consumer:
        spenders = {name: replace(one, bins=dict(one.bins)) for name, one in self.spenders.items()}
        return replace(self, bins=dict(self.bins), spenders=spenders)

    def spender(self, name: str) -> _Spender:
        """That of a name, which shows a sign of life."""
        found = self.spenders.setdefault(name, _Spender(self.moment))
        found.seen_at = self.moment
        return found

    def allowance(self, name: str, limit: int, wanted: int) -> int:
        """How many more requests of the rolling hour a spender may book, as far as its share goes; may be below 0."""
        own = self.spender(name)
        live = {other: one for other, one in self.spenders.items() if one.seen_at > self.moment - ALIVE}
        left: float = limit - (self.used - sum(one.sent for one in live.values()))
        own_demand = max(own.demand, own.sent + wanted)
        demands = sorted([own_demand, *(one.demand for other, one in live.items() if other != name)])
        for number, demand in enumerate(demands):
            level = left / (len(demands) - number)
            if demand > level:
                return int(min(own_demand, max(level, 1.0))) - own.sent
            left -= demand
        return int(own_demand) - own.sent

    @property
    def used(self) -> int:
        return sum(self.bins.values())

    @property
    def pause(self) -> Pause:
        left = (self.paused_until - self.moment).total_seconds() if self.paused_until else 0.0
        return Pause(max(0.0, left), self.pauses_in_a_row)

    def limit(self, own: int | None) -> int | None:
        """The limit that Bitbucket stated within the last hour, else the connection's own; None switches both off."""
        if own is not None and self.stated_limit is not None and self.stated_at is not None:
            return self.stated_limit if self.stated_at > self.moment - STATED_FOR else own
        return own

    def seconds_until_share_changes(self, name: str) -> float:
        """Until what a spender booked first counts no longer; sooner, for the others may need less meanwhile."""
        ends = [
            (start - self.moment).total_seconds() + WINDOW for start, sent in self.spender(name).bins.items() if sent
        ]
        return max(1.0, min([LOOK_AGAIN, *ends]))

    def book(self, requests: int, spender: str = "") -> Permits:
        start = datetime.fromtimestamp(self.moment.timestamp() // BIN * BIN, UTC)
        if requests:
            self.bins[start] = self.bins.get(start, 0) + requests
            if spender:
                one = self.spender(spender)
                one.bins[start] = one.bins.get(start, 0) + requests
                one.wanted = None if one.wanted is None else max(0, one.wanted - requests)
        return Permits(start, requests, spender)

    def give_back(self, unsent: list[Permits]) -> None:
        """Take permits out of their bins again; the list is emptied, so that a repeat takes nothing out twice."""
        while unsent:
            permits = unsent.pop()
            if permits.bin in self.bins:
                self.bins[permits.bin] = max(0, self.bins[permits.bin] - permits.requests)
            one = self.spenders.get(permits.spender)
            if one is not None and permits.bin in one.bins:
                one.bins[permits.bin] = max(0, one.bins[permits.bin] - permits.requests)
                one.wanted = None if one.wanted is None else one.wanted + permits.requests

    def seconds_until_free(self, requests: int, limit: int) -> float:
        """Until so many requests are free, if no others are booked; 0 where they are already."""
        used = self.used
        for start in sorted(self.bins):
            used -= self.bins[start]
            if used <= limit - requests:
                return max(0.0, (start - self.moment).total_seconds() + WINDOW)
        return 0.0

    def forget_old_bins(self) -> None:
        first = self.moment - timedelta(seconds=WINDOW)
        self.bins = {start: requests for start, requests in self.bins.items() if start > first}
        for one in self.spenders.values():
            one.bins = {start: requests for start, requests in one.bins.items() if start > first}


class Ledger(ABC):
    """The rules of the ledger for one consumer; safe to share between threads. All methods raise DatabaseUnavailable.

    Args:
        clock: the time (aware); None for the real one. A simulation passes its own.
        sleep: waits so many seconds; None for the real one. A simulation moves its clock instead.
    """

    def __init__(self, clock: Clock | None = None, sleep: Sleep | None = None) -> None:
        self._clock = clock
        self._sleep = sleep

    @abstractmethod
    def _change(self, work: Callable[[_Consumer], T]) -> T:
        """What ``work`` returns, its changes kept; run a second time where the database connection broke meanwhile."""

    @abstractmethod
    def _look(self) -> _Consumer:
        """The consumer now; changes of it are not kept."""

    @abstractmethod
    def close(self) -> None:
        """Give the database connection back; the next use opens another."""

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
            # A datetime counts microseconds: a shorter wait would not move the clock.
            self._sleep(max(seconds, 0.001))

    def reserve(self, wanted: int, own_limit: int | None, unsent: Sequence[Permits] = (), spender: str = "") -> Booking:
        """Book up to ``wanted`` requests.

        Args:
            wanted: how many, at least 1.
            own_limit: requests an hour where Bitbucket states none; None books whatever is wanted.
            unsent: permits of earlier bookings that come back with this one.
            spender: on whose behalf; no more than its share is booked.
        """
        coming_back = list(unsent)

        def work(consumer: _Consumer) -> Booking:
            consumer.give_back(coming_back)
            limit = consumer.limit(own_limit)
            free = wanted if limit is None else max(0, min(wanted, limit - consumer.used))
            share = consumer.allowance(spender, limit, wanted) if spender and limit is not None else wanted
            granted = max(0, min(free, share))
            permits = consumer.book(granted, spender)
            use = Use(consumer.used, limit)
            if granted or limit is None:
                return Booking(permits, use, consumer.pause)
            if share <= 0 < free:
                again = consumer.seconds_until_share_changes(spender)
                return Booking(permits, use, consumer.pause, again, again)
            quarter = max(1, min(limit // 4, 250))
            if spender and (still := consumer.spender(spender).wanted) is not None:
                quarter = max(1, min(quarter, still))
            waits = [consumer.seconds_until_free(requests, limit) for requests in (1, quarter)]
            return Booking(permits, use, consumer.pause, *waits)

        return self._change(work)

    def expect(self, spender: str, requests: int) -> None:
        """Keep how many requests a spender still means to send, from now on."""
        self.expect_all({spender: requests})

    def expect_all(self, expected: Mapping[str, int | None]) -> None:
        """The same of several; None: it is not known, and an even share is kept."""

        def work(consumer: _Consumer) -> None:
            for spender, requests in expected.items():
                consumer.spender(spender).wanted = requests

        self._change(work)

    def give_back(self, unsent: Sequence[Permits]) -> None:
        """Take permits that were never used out of the ledger again."""
        coming_back = [permits for permits in unsent if permits.requests]
        if coming_back:
            self._change(lambda consumer: consumer.give_back(coming_back))

    def use(self, own_limit: int | None) -> Use:
        """What is used and the limit that holds; ``own_limit`` as in ``reserve``."""
        consumer = self._look()
        return Use(consumer.used, consumer.limit(own_limit))

    def note_limit(self, stated: int | None, *, is_near: bool, own_limit: int | None) -> None:
        """Keep what Bitbucket's headers say.

        Args:
            stated: requests an hour, or None where it says nothing.
            is_near: whether less than a fifth is left: other programs use the same token, and count from now on.
            own_limit: as in ``reserve``.
        """

        def work(consumer: _Consumer) -> None:
            if stated is not None:
                consumer.stated_limit, consumer.stated_at = stated, consumer.moment
            limit = consumer.limit(own_limit)
            if is_near and limit:
                consumer.book(max(0, math.ceil(NEAR_LIMIT * limit) - consumer.used))

        self._change(work)

    def begin_pause(self, ago: float, length: Callable[[int], float]) -> Pause:
        """A request was answered with 429: the pause that holds now for all processes.

        Args:
            ago: seconds since that request left. One that left before the present pause began starts no other.
            length: seconds of a pause by its number in the row, from 1.
        """

        def work(consumer: _Consumer) -> Pause:
            left_at = consumer.moment - timedelta(seconds=ago)
            if consumer.pauses_in_a_row and consumer.paused_at is not None and left_at < consumer.paused_at:
                return consumer.pause
            consumer.pauses_in_a_row += 1
            seconds = length(consumer.pauses_in_a_row)
            consumer.paused_at = consumer.moment
            consumer.paused_until = consumer.moment + timedelta(seconds=seconds)
            return Pause(seconds, consumer.pauses_in_a_row)

        return self._change(work)

    def end_pauses(self, ago: float) -> None:
        """A request that left ``ago`` seconds ago succeeded: the pauses that began before are over and forgotten."""

        def work(consumer: _Consumer) -> None:
            if consumer.paused_at is not None and consumer.paused_at <= consumer.moment - timedelta(seconds=ago):
                consumer.paused_until, consumer.pauses_in_a_row = None, 0

        self._change(work)


def _bins(starts: Sequence[int], requests: Sequence[int]) -> dict[datetime, int]:
    """Requests by the start of their bin, from starts in seconds since 1970."""
    return dict(zip((datetime.fromtimestamp(start, UTC) for start in starts), requests, strict=True))


def _spender(seen_at: str, wanted: int | None, bins: Sequence[int], requests: Sequence[int]) -> _Spender:
    return _Spender(datetime.fromisoformat(seen_at).astimezone(UTC), wanted, _bins(bins, requests))


class MemoryLedger(Ledger):
    """A ledger of this process alone, for a client without a database."""

    def __init__(self, clock: Clock | None = None, sleep: Sleep | None = None) -> None:
        super().__init__(clock, sleep)
        self._lock = threading.Lock()
        self._consumer = _Consumer(self.now())

    def _change(self, work: Callable[[_Consumer], T]) -> T:
        with self._lock:
            self._consumer.moment = self.now()
            self._consumer.forget_old_bins()
            return work(self._consumer)

    def _look(self) -> _Consumer:
        return self._change(_Consumer.copy)

    def close(self) -> None:
        """Nothing to give back."""


class PostgresLedger(Ledger):
    """The ledger that all processes share: the tables ``request_ledger`` (bins) and ``request_budgets``.

    Without ``clock`` the database's clock decides; ``consumer`` is written as by ``consumer_of``.
    """

    def __init__(
        self, database: Database, consumer: str, clock: Clock | None = None, sleep: Sleep | None = None
    ) -> None:
        super().__init__(clock, sleep)
        self._database = database
        self._name = consumer
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._closing: Callable[[], object] | None = None
        self._pruned_at = -math.inf

    def _change(self, work: Callable[[_Consumer], T]) -> T:
        def changed(connection: Connection) -> T:
            # In a statement of its own: the next one then sees what was committed while this one waited.
            self._run(connection, "lock.sql")
            consumer = self._read(connection)
            before = consumer.copy()
            result = work(consumer)
            if consumer != before:
                self._save(connection, before, consumer)
            self._prune(connection)
            return result

        return self._transaction(changed)

    def _look(self) -> _Consumer:
        return self._transaction(self._read)

    def _read(self, connection: Connection) -> _Consumer:
        row = dict(one_row(self._run(connection, "read.sql", window=WINDOW)))
        spenders = {name: _spender(**one) for name, one in row.pop("spenders").items()}
        bins = _bins(row.pop("bins"), row.pop("requests"))
        consumer = _Consumer(bins=bins, spenders=spenders, **row)
        consumer.forget_old_bins()
        return consumer

    def _save(self, connection: Connection, before: _Consumer, after: _Consumer) -> None:
        changed = {start: count for start, count in after.bins.items() if count != before.bins.get(start)}
        row = {name: value for name, value in vars(after).items() if name not in ("bins", "moment", "spenders")}
        spenders = [
            {
                "spender": name,
                "seen_at": one.seen_at.isoformat(),
                "wanted": one.wanted,
                "bins": [int(start.timestamp()) for start in one.bins],
                "requests": list(one.bins.values()),
            }
            for name, one in after.spenders.items()
            if one != before.spenders.get(name)
        ]
        self._run(
            connection,
            "save.sql",
            bins=list(changed),
            requests=list(changed.values()),
            spenders=json.dumps(spenders),
            **row,
        )

    def _prune(self, connection: Connection) -> None:
        if self.seconds() - self._pruned_at > PRUNE_EVERY:
            self._run(connection, "prune.sql")
            self._pruned_at = self.seconds()

    def _run(self, connection: Connection, name: str, **parameters: Any) -> psycopg.Cursor[dict[str, Any]]:
        now = self._clock() if self._clock else None
        return self._database.run(connection, _SQL / name, consumer=self._name, now=now, **parameters)

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        with self._lock, self._database.errors():
            try:
                return self._once(work)
            except psycopg.OperationalError:
                if self._connection is None or not self._connection.closed:
                    raise
                # It broke, as after a restart of the server: a fresh one, once.
                self.close()
                return self._once(work)

    def _once(self, work: Callable[[Connection], T]) -> T:
        connection = self._open()
        with connection.transaction():
            return work(connection)

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = self._database.connect()
            # Also where nobody closes the client, at the end of the process at the latest.
            self._closing = weakref.finalize(self, self._connection.close)
            with self._connection.transaction():
                self._run(self._connection, "session.sql")
        return self._connection

    def close(self) -> None:
        """Give the database connection back; the next use opens another."""
        if self._closing is not None:
            self._closing()
        self._connection = self._closing = None
