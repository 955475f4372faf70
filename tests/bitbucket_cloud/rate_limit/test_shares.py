"""Spenders share a consumer's hour: small demands are met whole, the rest is split evenly, nothing is left unused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_cloud.errors import RateLimited
from bitbucket_cloud.rate_limit.ledger import ALIVE, LOOK_AGAIN, WINDOW, Ledger, MemoryLedger, Permits, PostgresLedger
from bitbucket_cloud.rate_limit.limiter import RateLimiter
from bitbucket_cloud.settings import Settings
from tests.bench.fairness import SCENES, SMALL, longest, simulate
from tests.vaulting import database_at


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 5, 4, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def go(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "postgres"])
def ledger(request: pytest.FixtureRequest, clock: Clock) -> Ledger:
    if request.param == "memory":
        return MemoryLedger(clock)
    return PostgresLedger(database_at(request.getfixturevalue("dsn")), "c", clock)


def granted(ledger: Ledger, spender: str, wanted: int, limit: int = 100) -> int:
    return ledger.reserve(wanted, limit, (), spender).permits.requests


def test_small_demands_are_met_whole_and_the_rest_is_split_evenly(ledger: Ledger) -> None:
    ledger.expect_all({"small": 10, "large": 1000, "other": 1000})
    assert granted(ledger, "large", 100) == 45
    booking = ledger.reserve(16, 100, (), "large")
    assert booking.permits.requests == 0 and booking.use.used == 45 and 0 < booking.next_in <= LOOK_AGAIN
    assert granted(ledger, "small", 10) == 10
    assert granted(ledger, "other", 100) == 45


def test_what_a_spender_does_not_need_is_free_for_the_others(ledger: Ledger, clock: Clock) -> None:
    assert granted(ledger, "alone", 60) == 60
    ledger.expect_all({"alone": 1000, "other": 1000})
    assert granted(ledger, "alone", 16) == 0
    ledger.expect("other", 0)
    assert granted(ledger, "alone", 16) == 16
    ledger.expect("other", 1000)
    clock.go(ALIVE.total_seconds() + 1)
    assert granted(ledger, "alone", 100) == 100, "nothing is kept for one that shows no sign of life"


def test_a_spender_whose_demand_is_not_known_has_an_even_share(ledger: Ledger) -> None:
    ledger.expect_all({"known": 1000, "unknown": None})
    assert granted(ledger, "known", 100) == 50
    assert granted(ledger, "unknown", 100) == 50


def test_requests_of_nobody_are_held_by_the_limit_alone_and_come_off_what_is_shared(ledger: Ledger) -> None:
    ledger.expect_all({"one": 1000, "other": 1000})
    assert granted(ledger, "", 40) == 40
    assert granted(ledger, "one", 100) == 30
    assert granted(ledger, "", 100) == 30
    assert granted(ledger, "other", 1) == 0, "the limit holds whatever the shares are"


def test_permits_that_come_back_are_the_spenders_again(ledger: Ledger, clock: Clock) -> None:
    ledger.expect_all({"one": 50, "other": 1000})
    booking = ledger.reserve(50, 100, (), "one")
    assert booking.permits == Permits(booking.permits.bin, 50, "one")
    ledger.give_back([booking.permits])
    assert granted(ledger, "other", 100) == 50, "it still means to send 50"
    assert granted(ledger, "one", 50) == 50
    clock.go(WINDOW)
    assert granted(ledger, "other", 100) == 100


@given(st.lists(st.integers(0, 300), min_size=1, max_size=8), st.data())
def test_whoever_asks_first_all_of_them_get_their_max_min_fair_share(demands: list[int], data: st.DataObject) -> None:
    ledger = MemoryLedger(Clock())
    names = [f"s{number}" for number in range(len(demands))]
    ledger.expect_all(dict(zip(names, demands, strict=True)))
    got = dict.fromkeys(names, 0)
    for name in data.draw(st.permutations(names)):
        while got[name] < demands[names.index(name)]:
            more = granted(ledger, name, min(16, demands[names.index(name)] - got[name]), 200)
            if not more:
                break
            got[name] += more
    assert sum(got.values()) <= 200
    # Nobody who wanted more has less than another one, but for the requests that don't divide evenly.
    unmet = [got[name] for name, demand in zip(names, demands, strict=True) if got[name] < demand]
    assert all(share >= max(got.values()) - 1 for share in unmet)
    if unmet:
        assert sum(got.values()) > 200 - len(demands)


def test_the_limiter_says_whose_share_is_used_up_and_when_to_come_back(clock: Clock) -> None:
    ledger = MemoryLedger(clock, clock.go)
    ledger.expect_all({"acme": 1000, "beta": 1000})
    limiter = RateLimiter(Settings("bitbucket_default", login="k", requests_per_hour=20, spender="acme"), ledger)
    limiter.expect(1000)
    for _ in range(10):
        limiter.acquire()
    with pytest.raises(RateLimited, match="acme has had its share of the 20 requests") as refused:
        limiter.acquire()
    assert clock.now < refused.value.resume_at <= clock.now + timedelta(seconds=LOOK_AGAIN)


def test_in_the_simulation_no_small_workspace_waits_for_a_large_one() -> None:
    demands = SCENES["45 small and 5 large"]
    without, fair = (simulate(demands, shares=shares) for shares in (False, True))
    assert longest(without, SMALL) > 0.5 > 0.1 > longest(fair, SMALL)
    large = max(demands)
    assert longest(fair, large) < 1.15 * longest(without, large), "sharing costs little of the hour"
