"""A 429 pauses the consumer: all threads, all workers, all processes; a success ends it for all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_cloud import errors
from bitbucket_cloud.client.client import BitbucketClient
from bitbucket_cloud.database import Database
from bitbucket_cloud.rate_limit.ledger import Ledger, MemoryLedger, Pause
from bitbucket_cloud.rate_limit.limiter import Pauses
from bitbucket_cloud.settings import Settings

LIMITED = "Rate limit for this resource has been exceeded"


def pauses(first: float, most: int, ledger: Ledger | None = None) -> Pauses:
    """Pauses of a client: seconds of the first one, and how many in a row are waited for."""
    return Pauses(
        Settings("bitbucket_default", rate_limit_wait=first, rate_limit_pauses=most), ledger or MemoryLedger()
    )


class Clock:
    """A clock that stands still unless somebody waits."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 9, 0, 3, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def worker(connect: Any, dsn: str) -> Iterator[Callable[..., BitbucketClient]]:
    """Makes clients that share a database, as workers in other processes do."""
    made: list[BitbucketClient] = []

    def make(**extra: Any) -> BitbucketClient:
        database = Database(lambda: psycopg.connect(dsn), "the test's Postgres")
        made.append(BitbucketClient(connect(**extra).settings, database=database))
        return made[-1]

    yield make
    for client in made:
        client.close()


def ask(client: BitbucketClient) -> Any:
    return client.fetch("workspace", workspace="acme").body


def row_of(database: Any) -> Any:
    [row] = database.execute("SELECT * FROM integration.request_budgets").fetchall()
    return row


def test_a_429_of_one_process_pauses_the_others(fake: Any, reply: Any, worker: Any) -> None:
    one, other = worker(rate_limit_wait=0.6), worker(rate_limit_wait=0.6)
    fake.on("/workspaces/acme", reply(429, LIMITED), reply(200, {}))
    with ThreadPoolExecutor(1) as threads:
        limited = threads.submit(ask, one)
        while not fake.api():
            time.sleep(0.01)
        time.sleep(0.1)
        ask(other)
        limited.result(timeout=5)
    first, *others = [seen.at for seen in fake.api()]
    assert len(others) == 2 and min(others) - first >= 0.45


def test_one_that_is_under_way_learns_at_its_next_reservation(fake: Any, reply: Any, worker: Any) -> None:
    fake.on("/workspaces/acme", reply(200, {}))
    other = worker()
    ask(other)
    other.limiter._ledger.begin_pause(0, lambda pauses: 0.5)  # as another process would
    began = time.monotonic()
    for _ in range(20):
        ask(other)
    assert time.monotonic() - began >= 0.4
    assert other.requests_sent == 21


def test_a_success_ends_the_pause_for_all_and_is_written_once(
    fake: Any, reply: Any, worker: Any, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = worker()
    written: list[float] = []
    end_pauses = client.limiter._ledger.end_pauses
    monkeypatch.setattr(client.limiter._ledger, "end_pauses", lambda ago: (written.append(ago), end_pauses(ago)))
    fake.on("/workspaces/acme", reply(429, LIMITED), reply(429, LIMITED), reply(200, {}))
    ask(client)
    assert row_of(database)["pauses_in_a_row"] == 0 and row_of(database)["paused_until"] is None
    for _ in range(5):
        ask(client)
    assert len(written) == 1


def test_an_answer_other_than_success_ends_no_row_of_pauses(fake: Any, reply: Any, worker: Any, database: Any) -> None:
    client = worker()
    fake.on("/workspaces/acme", reply(429, LIMITED), reply(404, {}))
    with pytest.raises(errors.NotFound):
        ask(client)
    assert row_of(database)["pauses_in_a_row"] == 1


def test_after_five_pauses_the_caller_is_told_when_to_come_back(
    fake: Any, reply: Any, worker: Any, database: Any
) -> None:
    fake.on("/workspaces/acme", reply(429, LIMITED))
    client = worker(rate_limit_wait=0.1)
    with pytest.raises(errors.RateLimited) as caught:
        ask(client)
    assert client.settings.rate_limit_pauses == 5 and len(fake.api()) == 6
    assert caught.value.resume_at is not None and not caught.value.retryable
    seconds = (caught.value.resume_at - datetime.now(UTC)).total_seconds()
    assert 0.1 * 2**5 * 0.8 - 0.5 < seconds <= 0.1 * 2**5 * 1.2
    row = row_of(database)
    assert row["pauses_in_a_row"] == 6
    assert abs((row["paused_until"] - caught.value.resume_at).total_seconds()) < 0.5
    # Neither this process nor another one sends anything before that.
    for each in (client, worker(rate_limit_wait=0.1)):
        with pytest.raises(errors.RateLimited, match="bitbucket_default") as again:
            ask(each)
        assert abs((row["paused_until"] - again.value.resume_at).total_seconds()) < 0.5
        assert again.value.requests == 0
    assert len(fake.api()) == 6


def over(database: Any) -> None:
    database.execute("UPDATE integration.request_budgets SET paused_at = now(), paused_until = now()")


def test_after_a_deferral_one_request_tries_and_another_429_defers_for_longer_at_once(
    fake: Any, reply: Any, worker: Any, database: Any
) -> None:
    fake.on("/workspaces/acme", reply(429, LIMITED))
    deferred = []
    for _ in range(3):
        client = worker(rate_limit_wait=0.5, rate_limit_pauses=0)
        before = len(fake.api())
        with ThreadPoolExecutor(8) as threads:
            calls = [threads.submit(ask, client) for _ in range(8)]
            refused = [call.exception(timeout=20) for call in calls]
        assert all(isinstance(error, errors.RateLimited) for error in refused)
        if deferred:
            assert client.requests_sent <= 2 and len(fake.api()) - before <= 2
        database.execute("UPDATE integration.request_budgets SET pauses_in_a_row = pauses_in_a_row + 3")
        row = row_of(database)
        deferred.append((row["paused_until"] - row["paused_at"]).total_seconds())
        over(database)
    assert deferred[0] < deferred[1] < deferred[2] <= 900
    fake.on("/workspaces/acme", reply(200, {}))
    client = worker()
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda _: ask(client), range(8))) == [{}] * 8
    assert row_of(database)["pauses_in_a_row"] == 0


def test_429s_of_requests_that_left_together_are_one_pause(worker: Any, database: Any) -> None:
    one, other = worker().limiter._ledger, worker().limiter._ledger
    one.reserve(1, None)
    first = one.begin_pause(0.2, lambda pauses: 10.0)
    second = other.begin_pause(0.3, lambda pauses: 20.0)
    assert (first.in_a_row, second.in_a_row) == (1, 1) and 9 < second.seconds <= 10
    third = other.begin_pause(0.0, lambda pauses: 20.0)
    assert (third.in_a_row, third.seconds) == (2, 20)


def test_a_success_that_left_before_the_pause_does_not_end_it(worker: Any, database: Any) -> None:
    one, other = worker().limiter._ledger, worker().limiter._ledger
    one.begin_pause(0.0, lambda pauses: 10.0)
    other.end_pauses(0.5)
    assert row_of(database)["pauses_in_a_row"] == 1
    time.sleep(0.01)
    other.end_pauses(0.0)
    assert row_of(database)["pauses_in_a_row"] == 0


def test_retry_after_is_shared(fake: Any, reply: Any, worker: Any, database: Any) -> None:
    fake.on("/workspaces/acme", reply(429, LIMITED, {"Retry-After": "1"}), reply(200, {}))
    ask(worker())
    first, second = [seen.at for seen in fake.api()]
    assert second - first >= 1


def test_a_retry_after_of_more_than_a_minute_is_told_instead_of_waited_out(fake: Any, reply: Any, worker: Any) -> None:
    fake.on("/workspaces/acme", reply(429, LIMITED, {"Retry-After": "1200"}))
    with pytest.raises(errors.RateLimited) as caught:
        ask(worker())
    assert 1190 < (caught.value.resume_at - datetime.now(UTC)).total_seconds() <= 1200
    assert len(fake.api()) == 1


def test_pauses_double_to_a_minute_and_deferrals_to_a_quarter_of_an_hour() -> None:
    pause = pauses(first=1.0, most=5)
    for number in range(1, 40):
        most = 60 if number <= 5 else 900
        expected = min(2.0 ** (number - 1), most)
        lengths = [pause.length(number) for _ in range(50)]
        assert all(expected * 0.8 <= length <= min(expected * 1.2, most) for length in lengths)
        assert len({round(length, 9) for length in lengths}) > 1  # with jitter
    assert pause.length(10**9) <= 900
    assert 48 <= pauses(first=30.0, most=5).length(5) <= 60


def test_threads_waiting_for_a_pause_are_told_when_it_becomes_a_deferral() -> None:
    pause = pauses(first=0.1, most=1)
    pause.begin(pause.enter())
    probe = pause.enter()
    refused: list[BaseException] = []

    def wait() -> None:
        try:
            pause.enter()
        except errors.RateLimited as error:
            refused.append(error)

    waiting = [threading.Thread(target=wait) for _ in range(4)]
    for thread in waiting:
        thread.start()
    pause._settings = replace(pause._settings, rate_limit_wait=10)
    assert not pause.begin(probe)
    for thread in waiting:
        thread.join(timeout=5)
    assert len(refused) == 4


def test_a_pause_that_is_over_lets_one_request_try() -> None:
    pause = pauses(first=1.0, most=5)
    early = pause.enter()
    pause.learn(Pause(0.0, 7))
    assert not pause.holds(early)
    probe = pause.enter()
    assert probe.is_probe
    pause.learn(Pause(0.0, 7))  # nothing new
    assert pause.holds(probe)
    pause.settle(probe, 200)
    assert pause.in_a_row == 0 and not pause.enter().is_probe


def test_a_pause_that_began_elsewhere_outlasts_an_answer_of_before() -> None:
    pause = pauses(first=1.0, most=5)
    pause.learn(Pause(0.0, 1))
    probe = pause.enter()
    pause.learn(Pause(0.3, 2))
    pause.settle(probe, 200)
    began = time.monotonic()
    assert pause.enter().is_probe and time.monotonic() - began >= 0.2


@given(st.floats(0, 60))
def test_a_simulation_waits_on_its_own_clock(first: float) -> None:
    clock = Clock()
    ledger = MemoryLedger(clock, clock.sleep)
    pause = pauses(first, most=5, ledger=ledger)
    began = clock.at
    assert pause.begin(pause.enter())
    assert pause.enter().is_probe
    assert first * 0.8 - 0.001 <= (clock.at - began).total_seconds() <= first * 1.2 + 0.002
