"""Rate limits, stumbling servers and broken bodies are waited out; threads don't mix answers."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Any

import pytest

from bitbucket_cloud import errors
from bitbucket_cloud.rate_limit.ledger import Ledger, MemoryLedger
from bitbucket_cloud.rate_limit.limiter import Pauses, parse_retry_after
from bitbucket_cloud.settings import Settings

LIMITED = "Rate limit for this resource has been exceeded"


def pauses(first: float, most: int, ledger: Ledger | None = None) -> Pauses:
    """Pauses of a client: seconds of the first one, and how many in a row are waited for."""
    return Pauses(
        Settings("bitbucket_default", rate_limit_wait=first, rate_limit_pauses=most), ledger or MemoryLedger()
    )


def ask(client: Any) -> Any:
    return client.fetch("workspace", workspace="acme")


def test_a_429_is_waited_out_and_does_not_use_up_attempts(fake: Any, connect: Any, reply: Any) -> None:
    fake.on("/workspaces/acme", *[reply(429, LIMITED)] * 3, reply(200, {"ok": 1}))
    answer = ask(connect(retry_attempts=1).get_conn())
    assert (answer.body, answer.requests) == ({"ok": 1}, 4)
    at = [seen.at for seen in fake.api()]
    waits = [later - earlier for earlier, later in pairwise(at)]
    assert waits[0] >= 0.016 and waits[1] >= 0.032 and waits[2] >= 0.064  # 20 ms doubled, less the jitter


def test_a_429_that_stays_becomes_rate_limited(fake: Any, connect: Any, reply: Any) -> None:
    fake.on("/workspaces/acme", reply(429, LIMITED))
    client = connect(rate_limit_pauses=3, rate_limit_wait=0.001).get_conn()
    with pytest.raises(errors.RateLimited, match="bitbucket_default") as caught:
        ask(client)
    assert caught.value.requests == 4 and caught.value.status == 429
    fake.on("/workspaces/acme", reply(200, {}))
    ask(client)  # and it is over at the first success


def test_retry_after_is_honoured(fake: Any, connect: Any, reply: Any) -> None:
    fake.on("/workspaces/acme", reply(429, LIMITED, {"Retry-After": "0.3"}), reply(200, {}))
    began = time.monotonic()
    ask(connect(rate_limit_wait=0).get_conn())
    assert time.monotonic() - began >= 0.3


def test_retry_after_is_read_as_seconds_or_date() -> None:
    assert parse_retry_after("120") == 120
    soon = parse_retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=60)))
    assert soon is not None and 55 < soon <= 60
    for nothing in (None, "", "soon", "-5", "nan", "inf"):
        assert parse_retry_after(nothing) is None


def test_a_pause_holds_all_threads_and_one_request_tries_first(fake: Any, connect: Any, reply: Any) -> None:
    limited = threading.Event()

    def answer(seen: Any) -> Any:
        return reply(429, LIMITED) if limited.is_set() else reply(200, {})

    fake.call("/workspaces/acme", answer)
    client = connect(rate_limit_wait=0.2).get_conn()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: ask(client), range(8)))
        limited.set()
        before = len(fake.api())
        calls = [threads.submit(ask, client) for _ in range(8)]
        time.sleep(0.14)
        held = len(fake.api()) - before
        assert 1 <= held <= 8  # each thread had at most one under way when the pause began
        time.sleep(0.2)
        assert len(fake.api()) - before <= held + 1  # the one that tried
        limited.clear()
        for call in calls:
            assert call.result(timeout=10).body == {}
    assert len(fake.api()) - before <= held + 3 + 8


def test_eight_answers_of_429_are_one_pause_not_eight() -> None:
    pause = pauses(first=0.01, most=8)
    entries = [pause.enter() for _ in range(8)]
    assert all(pause.begin(entry) for entry in entries)
    assert pause.in_a_row == 1


def test_a_success_that_left_before_the_pause_does_not_end_it() -> None:
    pause = pauses(first=0.2, most=8)
    early, late = pause.enter(), pause.enter()
    pause.begin(late)
    pause.settle(early, 200)
    began = time.monotonic()
    probe = pause.enter()
    assert time.monotonic() - began > 0.1 and probe.is_probe
    pause.settle(probe, 200)
    assert pause.in_a_row == 0 and not pause.enter().is_probe


def test_a_probe_without_an_answer_lets_the_next_request_try() -> None:
    pause = pauses(first=0, most=8)
    pause.begin(pause.enter())
    pause.settle(pause.enter(), None)
    assert pause.enter().is_probe


def test_pauses_end_at_a_minute() -> None:
    assert 45 <= pauses(first=1, most=100).length(50) <= 60


@pytest.mark.parametrize(
    "broken",
    [
        {"status": 500},
        {"status": 503, "body": "<html>"},
        {"body": '{"values": [1, 2'},
        {"body": ""},
        {"body": '{"ok": 2}', "content_length": 5000},
        {"body": '{"ok": 2}', "content_length": 5000, "reset": True},
        {"body": "not gzip", "headers": {"Content-Encoding": "gzip"}},
    ],
)
def test_what_breaks_once_is_cured(fake: Any, client: Any, reply: Any, broken: dict[str, Any]) -> None:
    fake.on("/workspaces/acme", reply(**broken), reply(200, {"ok": 1}))
    answer = ask(client)
    assert (answer.body, answer.requests) == ({"ok": 1}, 2)
    assert client.requests_sent == 2


def test_what_stays_broken_costs_five_requests(fake: Any, client: Any, reply: Any) -> None:
    fake.on("/workspaces/acme", reply(200, '{"a": ', content_length=900))
    with pytest.raises(errors.Unreachable, match="broke off") as caught:
        ask(client)
    assert caught.value.requests == 5


def test_a_hundred_requests_over_eight_threads_get_their_own_answers(fake: Any, connect: Any, reply: Any) -> None:
    for number in range(100):
        kind = number % 10
        good = reply(200, {"slug": f"r{number}"}, delay=0.005)
        bad = {
            0: [reply(500, "")],
            1: [reply(200, '{"slug": "other', content_length=400, reset=True)],
            2: [reply(429, LIMITED)],
            3: [reply(200, '{"slug": ')],
        }.get(kind, [])
        fake.on(f"/repositories/acme/r{number}", *bad, good)
    client = connect(connections=8).get_conn()

    def read(number: int) -> tuple[str, int]:
        answer = client.fetch("repository", workspace="acme", repo_slug=f"r{number}")
        return answer.body["slug"], answer.requests

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(read, range(100)))
    assert [slug for slug, _ in answers] == [f"r{number}" for number in range(100)]
    assert sum(requests for _, requests in answers) == client.requests_sent == len(fake.api()) == 140
    assert client.granted_scopes is not None


def test_connections_are_kept_alive_and_never_more_than_configured(fake: Any, connect: Any, reply: Any) -> None:
    fake.on("/workspaces/acme", reply(200, {}, delay=0.01))
    client = connect(connections=3).get_conn()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: ask(client), range(40)))
    assert client.connections == 3
    assert len(fake.ports) <= 3 + 1, "one for tokens, which another host gives out"


CHECKS = "/repositories/acme/app/pullrequests/1/mergeability/checks"


def ask_for_checks(client: Any) -> Any:
    return client.fetch("pull_request_merge_checks", workspace="acme", repo_slug="app", pull_request_id="1")


def test_a_429_of_an_endpoint_with_a_limit_of_its_own_is_waited_out_and_pauses_nobody_else(
    fake: Any, connect: Any, reply: Any
) -> None:
    fake.on(CHECKS, *[reply(429, LIMITED)] * 3, reply(200, {"ok": 1}))
    client = connect(retry_attempts=1).get_conn()
    answer = ask_for_checks(client)
    assert (answer.body, answer.requests) == ({"ok": 1}, 4)
    assert client.limiter.pauses.in_a_row == 0


def test_one_that_stays_is_an_error_of_that_endpoint_alone(fake: Any, connect: Any, reply: Any) -> None:
    fake.on(CHECKS, reply(429, LIMITED))
    fake.on("/workspaces/acme", reply(200, {"ok": 1}))
    client = connect(rate_limit_pauses=2, rate_limit_wait=0.001).get_conn()
    with pytest.raises(errors.EndpointLimited, match="of that alone") as caught:
        ask_for_checks(client)
    assert caught.value.requests == 3 and caught.value.status == 429
    assert ask(client).body == {"ok": 1}


def test_it_waits_with_all_others_where_all_are_limited(fake: Any, connect: Any, reply: Any) -> None:
    fake.on(CHECKS, reply(429, LIMITED))
    fake.on("/workspaces/acme", reply(429, LIMITED))
    client = connect(rate_limit_pauses=2, rate_limit_wait=0.001).get_conn()
    with pytest.raises(errors.RateLimited):
        ask(client)
    with pytest.raises(errors.RateLimited):
        ask_for_checks(client)
