"""The ledger never counts fewer requests than Bitbucket does, whoever sends them, and loses no permit."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitbucket_cloud import errors
from bitbucket_cloud.database import Database
from bitbucket_cloud.rate_limit import limiter as limiter_module
from bitbucket_cloud.rate_limit.ledger import (
    PERMIT_LIFE,
    TRAVEL,
    WINDOW,
    Ledger,
    MemoryLedger,
    PostgresLedger,
    consumer_of,
)
from bitbucket_cloud.rate_limit.limiter import BLOCK_SIZE, RateLimiter
from bitbucket_cloud.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
CONSUMER = "api.bitbucket.org/oauth:key"


class Clock:
    """A clock that stands still unless somebody waits."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 9, 0, 3, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def database_at(dsn: str) -> Database:
    return Database(lambda: psycopg.connect(dsn), "the test's Postgres")


def a_limiter(ledger: Ledger, limit: int) -> RateLimiter:
    return RateLimiter(Settings("bitbucket_default", requests_per_hour=limit), ledger)


@pytest.fixture
def ledgers(dsn: str) -> Iterator[Callable[..., PostgresLedger]]:
    """Makes ledgers on the fresh database; closes them."""
    made: list[PostgresLedger] = []

    def make(clock: Clock | None = None, consumer: str = CONSUMER) -> PostgresLedger:
        made.append(PostgresLedger(database_at(dsn), consumer, clock, clock.sleep if clock else None))
        return made[-1]

    yield make
    for ledger in made:
        ledger.close()


# --- the rolling hour ---------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.floats(0, 900) | st.floats(0, 12),  # seconds until then
        st.integers(0, 2),  # which process
        st.integers(1, 25),  # how many requests it wants
        st.floats(0, TRAVEL),  # how long they are under way
    ),
    max_size=60,
)


def never_more(limiters: list[RateLimiter], clock: Clock, limit: int, plan: list[Any]) -> None:
    """Send by the plan and count as Bitbucket does; and come back when told to."""
    arrivals: list[datetime] = []

    def send(limiter: RateLimiter, journey: float) -> bool:
        try:
            limiter.take()
        except errors.RateLimited as refused:
            assert refused.resume_at is not None and refused.resume_at > clock.at
            return False
        arrivals.append(clock.at + timedelta(seconds=journey))
        return True

    for seconds, number, wanted, journey in plan:
        clock.sleep(seconds)
        for _ in range(wanted):
            if not send(limiters[number % len(limiters)], journey):
                break
    arrivals.sort()
    first = 0
    for last, arrival in enumerate(arrivals):
        while arrivals[first] <= arrival - timedelta(hours=1):
            first += 1
        assert last - first + 1 <= limit


@pytest.mark.slow
@given(limit=st.integers(1, 60), plan=steps)
def test_threads_of_one_process_never_send_more_than_the_limit_in_any_hour(limit: int, plan: list[Any]) -> None:
    clock = Clock()
    ledger = MemoryLedger(clock, clock.sleep)
    never_more([a_limiter(ledger, limit), a_limiter(ledger, limit)], clock, limit, plan)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 60), plan=steps)
def test_several_processes_never_send_more_than_the_limit_in_any_hour(
    ledgers: Callable[..., PostgresLedger], limit: int, plan: list[Any]
) -> None:
    clock, consumer = Clock(), str(uuid.uuid4())
    three = [ledgers(clock, consumer) for _ in range(3)]
    never_more([a_limiter(ledger, limit) for ledger in three], clock, limit, plan)
    for ledger in three:
        ledger.close()


@given(limit=st.integers(1, 2000), gaps=st.lists(st.floats(1, 300), min_size=1, max_size=40), data=st.data())
def test_at_the_time_told_a_quarter_of_the_limit_is_free(limit: int, gaps: list[float], data: st.DataObject) -> None:
    clock = Clock()
    ledger = MemoryLedger(clock, clock.sleep)
    for gap in gaps:
        ledger.reserve(data.draw(st.integers(1, max(1, limit // 10))), limit)
        clock.sleep(gap)
    while True:
        booking = ledger.reserve(limit, limit)
        if not booking.permits.requests:
            break
    assert 0 < booking.next_in <= booking.resume_in <= WINDOW
    clock.sleep(booking.next_in)
    assert ledger.use(limit).used < limit
    clock.sleep(booking.resume_in - booking.next_in)
    assert limit - ledger.use(limit).used >= max(1, min(limit // 4, 250))


def test_memory_and_postgres_count_alike(ledgers: Callable[..., PostgresLedger]) -> None:
    clock = Clock()
    both: list[Ledger] = [ledgers(clock), MemoryLedger(clock)]
    for seconds, wanted in ((0, 30), (4, 30), (95, 30), (1200, 30), (2500, 50), (900, 200), (10, 1)):
        clock.sleep(seconds)
        one, other = (ledger.reserve(wanted, 100) for ledger in both)
        assert one == other
    assert both[0].use(100) == both[1].use(100)


def test_many_threads_of_many_processes_get_no_more_than_the_limit(ledgers: Callable[..., PostgresLedger]) -> None:
    several = [ledgers() for _ in range(6)]

    def reserve(number: int) -> int:
        return several[number % 6].reserve(3, 100).permits.requests

    with ThreadPoolExecutor(12) as threads:
        assert sum(threads.map(reserve, range(120))) == 100


SENDER = """
import json, sys
import psycopg
from bitbucket_cloud.client.client import BitbucketClient
from bitbucket_cloud.errors import RateLimited
from bitbucket_cloud.settings import Settings
from bitbucket_cloud.database import Database

url, dsn = sys.argv[1:]
settings = Settings("bitbucket_default", url, url, login="oauth-key-0001", password="s3cret/with+odd=chars",
                    requests_per_hour=50)
with BitbucketClient(settings, database=Database(lambda: psycopg.connect(dsn), "test")) as client:
    try:
        while True:
            client.get("workspace", workspace="acme")
    except RateLimited as refused:
        print(client.requests_sent, refused)
"""


def test_two_processes_with_a_limit_of_50_send_50(fake: Any, reply: Any, dsn: str) -> None:
    fake.on("/workspaces/acme", reply(200, {}, delay=0.01))
    command = [sys.executable, "-c", SENDER, fake.url, dsn]
    both = [
        subprocess.Popen(command, cwd=ROOT, env={"PYTHONPATH": "include:plugins"}, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert len(fake.api()) == 50
    assert sum(int(line.split()[0]) for line in said) == 50
    assert all("used 50 of the 50 requests" in line for line in said)


# --- permits ------------------------------------------------------------------------------------------


def test_unused_permits_are_given_back_at_the_end(ledgers: Callable[..., PostgresLedger]) -> None:
    ledger = ledgers()
    limiter = a_limiter(ledger, 1000)
    for _ in range(5):
        limiter.take()
    assert (ledger.use(1000).used, limiter.used(), limiter.left()) == (BLOCK_SIZE, 5, 995)
    limiter.close()
    assert ledger.use(1000).used == 5


def test_permits_grow_too_old_and_come_back_with_the_next_reservation(ledgers: Callable[..., PostgresLedger]) -> None:
    clock = Clock()
    ledger = ledgers(clock)
    limiter = a_limiter(ledger, 1000)
    limiter.take()
    clock.sleep(PERMIT_LIFE)
    limiter.take()
    assert ledger.use(1000).used == 1 + BLOCK_SIZE
    limiter.close()
    assert ledger.use(1000).used == 2


def test_permits_put_back_are_used_or_given_back(ledgers: Callable[..., PostgresLedger]) -> None:
    clock = Clock()
    ledger = ledgers(clock)
    limiter = a_limiter(ledger, 1000)
    block = limiter.take()
    clock.sleep(PERMIT_LIFE + 1)
    limiter.take()  # the first block goes back meanwhile
    limiter.put_back(block)
    limiter.close()
    assert ledger.use(1000).used == 1


@given(steps)
def test_after_the_end_the_ledger_holds_what_was_sent(plan: list[Any]) -> None:
    clock = Clock()
    ledger = MemoryLedger(clock, clock.sleep)
    two = [a_limiter(ledger, 10**6), a_limiter(ledger, 10**6)]
    sent = 0
    for seconds, number, wanted, _ in plan:
        clock.sleep(min(seconds, 20))
        for _ in range(wanted):
            two[number % 2].take()
            sent += 1
    for limiter in two:
        limiter.close()
    assert ledger.use(None).used == sent


def test_towards_the_end_no_process_sits_on_what_another_could_use(ledgers: Callable[..., PostgresLedger]) -> None:
    limiter = a_limiter(ledgers(), 100)
    for _ in range(90):
        limiter.take()
    assert ledgers().use(100).used <= 94


def test_a_thousand_requests_cost_some_sixty_reservations() -> None:
    reservations = []

    class Counting(MemoryLedger):
        def reserve(self, *args: Any) -> Any:
            reservations.append(args)
            return super().reserve(*args)

    limiter = a_limiter(Counting(), 0)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: limiter.take(), range(1000)))
    assert len(reservations) <= 70


def test_while_one_thread_reserves_the_others_go_on_with_the_rest() -> None:
    slow = threading.Event()

    class Slow(MemoryLedger):
        def reserve(self, *args: Any) -> Any:
            slow.wait(5)
            return super().reserve(*args)

    slow.set()
    limiter = a_limiter(Slow(), 0)
    for _ in range(BLOCK_SIZE // 2):
        limiter.take()
    slow.clear()
    with ThreadPoolExecutor(1) as threads:
        reserving = threads.submit(limiter.take)
        time.sleep(0.05)
        began = time.monotonic()
        for _ in range(BLOCK_SIZE // 2 - 1):
            limiter.take()
        assert time.monotonic() - began < 1 and not reserving.done()
        slow.set()
        reserving.result(timeout=5)


def test_nothing_grows_with_the_number_of_requests() -> None:
    clock = Clock()
    ledger = MemoryLedger(clock, clock.sleep)
    limiter = a_limiter(ledger, 0)
    for _ in range(1200):
        limiter.take()
        clock.sleep(11)
    assert len(ledger._consumer.bins) < 3 * 3600 / 10
    assert len(limiter._blocks) <= 3


def test_permits_that_come_within_two_seconds_are_waited_for() -> None:
    clock = Clock()
    ledger = MemoryLedger(clock, clock.sleep)
    first, limiter = clock.at, a_limiter(ledger, 4)
    for _ in range(4):
        limiter.take()
    clock.sleep(WINDOW - 60)
    with pytest.raises(errors.RateLimited) as caught:
        limiter.take()
    assert not caught.value.retryable
    start = first.replace(second=0)  # of the bin
    assert caught.value.resume_at == start + timedelta(seconds=WINDOW)
    clock.at = caught.value.resume_at - timedelta(seconds=1.5)
    limiter.take()
    assert clock.at >= caught.value.resume_at


def test_the_message_says_how_many_which_connection_and_when() -> None:
    clock = Clock()
    limiter = a_limiter(MemoryLedger(clock, clock.sleep), 1)
    limiter.take()
    with pytest.raises(errors.RateLimited) as caught:
        limiter.take()
    assert str(caught.value) == (
        "Airflow connection bitbucket_default has used 1 of the 1 requests it may send in an hour; "
        "it can go on at 2026-03-01 10:00:30 UTC"
    )


def test_without_a_limit_counting_goes_on(ledgers: Callable[..., PostgresLedger]) -> None:
    limiter = a_limiter(ledgers(), 0)
    for _ in range(100):
        limiter.take()
    assert (limiter.limit, limiter.left(), limiter.used()) == (None, None, 100)


# --- what the token's headers say ---------------------------------------------------------------------


def test_a_stated_limit_is_shared_and_believed_for_an_hour(ledgers: Callable[..., PostgresLedger]) -> None:
    clock = Clock()
    ledgers(clock).note_limit(5000, is_near=False, own_limit=1000)
    other = ledgers(clock)
    assert other.use(1000).limit == 5000
    assert other.use(None).limit is None  # switched off stays off
    clock.sleep(3599)
    assert other.reserve(1, 1000).use.limit == 5000
    clock.sleep(1)
    assert other.reserve(1, 1000).use.limit == other.use(1000).limit == 1000


def test_near_limit_counts_the_requests_of_other_programs(ledgers: Callable[..., PostgresLedger]) -> None:
    for clock, ledger in ((c := Clock(), ledgers(c)), (c := Clock(), MemoryLedger(c))):
        ledger.reserve(100, 1000)
        ledger.note_limit(1000, is_near=True, own_limit=1000)
        ledger.note_limit(1000, is_near=True, own_limit=1000)
        assert ledger.use(1000).used == 800
        ledger.reserve(50, 1000)
        ledger.note_limit(None, is_near=True, own_limit=1000)
        assert ledger.use(1000).used == 850
        clock.sleep(WINDOW + 10)
        assert ledger.use(1000).used == 0


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        ("1000", 1000),
        (" 5000 ", 5000),
        ("60, 60;w=3600", 60),
        ("60, 60; w=60", None),
        ("0", None),
        ("-5", None),
        ("many", None),
        ("", None),
        (None, None),
        ("9" * 30, None),
    ],
)
def test_a_limit_is_read_where_it_is_one_of_an_hour(value: str | None, limit: int | None) -> None:
    assert limiter_module.parse_limit(value) == limit


# --- the database -------------------------------------------------------------------------------------


def test_a_connection_that_broke_is_opened_again(ledgers: Callable[..., PostgresLedger], database: Any) -> None:
    ledger = ledgers()
    ledger.reserve(1, 100)
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert ledger.reserve(1, 100).use.used == 2


def test_permits_that_come_back_are_never_taken_out_twice(
    ledgers: Callable[..., PostgresLedger], monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = ledgers()
    held = ledger.reserve(10, 100).permits
    ledger.reserve(10, 100)
    once = ledger._once
    calls: list[int] = []

    def breaks_after_the_commit(work: Any) -> Any:
        result = once(work)
        if not calls:
            calls.append(1)
            ledger._open().close()
            raise psycopg.OperationalError("broke")
        return result

    monkeypatch.setattr(ledger, "_once", breaks_after_the_commit)
    ledger.give_back([held])
    assert ledger.use(100).used == 10


def test_without_its_database_the_ledger_says_so() -> None:
    database = Database(lambda: psycopg.connect("postgresql://nobody@127.0.0.1:1/nothing"), "Airflow connection pg")
    ledger = PostgresLedger(database, CONSUMER)
    with pytest.raises(errors.DatabaseUnavailable, match="Airflow connection pg"):
        ledger.reserve(1, 100)
    a_limiter(ledger, 100).close()


def test_a_connection_nobody_closed_is_closed_with_its_ledger(dsn: str, database: Any) -> None:
    ledger = PostgresLedger(database_at(dsn), CONSUMER)
    ledger.reserve(1, 100)
    del ledger
    for _ in range(50):
        rows = database.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        ).fetchall()
        if not rows:
            break
        time.sleep(0.1)
    assert rows == []


def test_bins_are_kept_for_a_day(ledgers: Callable[..., PostgresLedger], database: Any) -> None:
    clock = Clock()
    ledgers(clock, "another").reserve(7, None)
    ledgers(clock).reserve(5, None)
    clock.sleep(24.9 * 3600)
    ledgers(clock).reserve(1, None)
    assert len(database.execute("SELECT 1 FROM integration.request_ledger").fetchall()) == 3
    clock.sleep(0.2 * 3600)
    ledgers(clock).reserve(1, None)
    rows = database.execute("SELECT consumer, requests FROM integration.request_ledger").fetchall()
    assert rows == [{"consumer": CONSUMER, "requests": 1}] * 2


def test_the_view_shows_the_last_hour(ledgers: Callable[..., PostgresLedger], database: Any) -> None:
    ledger = ledgers()
    ledger.reserve(5, 1000)
    ledger.note_limit(4000, is_near=False, own_limit=1000)
    ledger.begin_pause(0, lambda pauses: 30.0)
    [row] = database.execute("SELECT * FROM integration.request_use").fetchall()
    assert (row["consumer"], row["requests"], row["stated_limit"]) == (CONSUMER, 5, 4000)
    assert row["pauses_in_a_row"] == 1 and 25 < (row["paused_until"] - datetime.now(UTC)).total_seconds() <= 31
    database.execute("UPDATE integration.request_ledger SET bin = bin - interval '2 hours'")
    database.execute("UPDATE integration.request_budgets SET stated_at = stated_at - interval '2 hours'")
    [row] = database.execute("SELECT * FROM integration.request_use").fetchall()
    assert (row["requests"], row["stated_limit"]) == (0, None)


def test_pipeline_and_console_write_one_ledger_and_readers_do_not(dsn: str, database: Any) -> None:
    pipeline = Database(lambda: psycopg.connect(dsn, options="-c role=compliance_pipeline"), "as the pipeline")
    ledger = PostgresLedger(pipeline, CONSUMER)
    held = ledger.reserve(2, 100)
    ledger.give_back([held.permits])
    ledger.note_limit(500, is_near=True, own_limit=100)
    ledger.begin_pause(0, lambda pauses: 1.0)
    ledger.end_pauses(0)
    assert ledger.use(100).used == 400
    ledger.close()
    with psycopg.connect(dsn, options="-c role=compliance_console", autocommit=True) as console:
        assert console.execute("SELECT requests FROM integration.request_use").fetchone() == (400,)
        assert console.execute("SELECT sum(requests) FROM integration.request_ledger").fetchone() == (400,)
        console.execute("UPDATE integration.request_ledger SET requests = requests")
        console.execute("SET ROLE compliance_reader")
        for statement in ("DELETE FROM integration.request_ledger", "DELETE FROM integration.request_budgets"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                console.execute(statement)


def test_every_column_of_the_budget_is_described(database: Any) -> None:
    rows = database.execute(
        "SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
        " WHERE relname IN ('request_ledger', 'request_budgets', 'request_use') AND attnum > 0"
        " AND (col_description(attrelid, attnum) IS NULL OR obj_description(attrelid, 'pg_class') IS NULL)"
    ).fetchall()
    assert rows == []


def test_a_consumer_is_named_without_its_secret() -> None:
    oauth = Settings("c", login="the-key", password="the-secret")
    token = Settings("c", api_url="https://api.bitbucket.org", auth="access_token", password="the-secret")
    assert consumer_of(oauth) == "api.bitbucket.org/oauth:the-key"
    # The first half of a half of SHA-256: enough to tell tokens apart, nothing to sign in with.
    assert consumer_of(token) == "api.bitbucket.org/token:" + consumer_of(token)[-16:]
    assert "secret" not in consumer_of(oauth) + consumer_of(token)
    assert consumer_of(token) != consumer_of(Settings("c", auth="access_token", password="another"))
    assert consumer_of(Settings("c", api_url="http://127.0.0.1:99", login="k")) == "127.0.0.1:99/oauth:k"


def test_lengths_of_pauses_come_from_the_number_in_the_row(ledgers: Callable[..., PostgresLedger]) -> None:
    ledger = ledgers()
    numbers = [ledger.begin_pause(0, lambda pauses: float(pauses)) for _ in range(4)]
    assert [pause.in_a_row for pause in numbers] == [1, 2, 3, 4]
    assert all(later.seconds > earlier.seconds for earlier, later in pairwise(numbers))
