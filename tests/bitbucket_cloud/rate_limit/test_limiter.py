"""Each request takes a permit; a listing that ran out of them goes on where it stopped."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import requests

from bitbucket_cloud import errors
from bitbucket_cloud.client.client import BitbucketClient
from bitbucket_cloud.database import Database
from bitbucket_cloud.errors import PageCursor
from bitbucket_cloud.hooks.bitbucket import BitbucketHook
from bitbucket_cloud.rate_limit.ledger import MemoryLedger
from bitbucket_compliance.core.bitbucket import CONFIGURATION

LIMITED = "Rate limit for this resource has been exceeded"
REPOSITORIES = "/repositories/acme"


class Clock:
    """A clock that stands still unless somebody waits."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 9, 0, 3, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def counted(connect: Any) -> Iterator[Callable[..., BitbucketClient]]:
    """Makes clients of the fake server; extras change the connection."""
    made: list[BitbucketClient] = []

    def make(*, clock: Clock | None = None, database: Database | None = None, **extra: Any) -> BitbucketClient:
        ledger = MemoryLedger(clock, clock.sleep) if clock else None
        made.append(BitbucketClient(connect(**extra).settings, database=database, ledger=ledger))
        return made[-1]

    yield make
    for client in made:
        client.close()


def ask(client: BitbucketClient, slug: str = "acme") -> Any:
    return client.fetch("workspace", workspace=slug)


# --- what costs a permit ------------------------------------------------------------------------------


def test_retries_429s_renewed_tokens_and_redirects_cost_a_permit_each_and_tokens_none(
    fake: Any, reply: Any, counted: Any
) -> None:
    client = counted(requests_per_hour=500)
    path = "/repositories/acme/api"
    fake.on(
        path,
        reply(500, ""),
        reply(429, LIMITED),
        reply(200, "{"),
        reply(301, "", {"Location": f"{fake.url}/2.0{path}"}),
        reply(200, {"slug": "api"}),
    )
    ask_api = {"workspace": "acme", "repo_slug": "api"}
    answer = client.fetch("repository", **ask_api)
    assert answer.requests == client.limiter.used() == 5
    fake.valid.clear()  # a 401, a new token, and the same request again
    assert client.fetch("repository", **ask_api).requests == 2
    assert client.limiter.used() == client.requests_sent == len(fake.api()) == 7
    assert (client.limiter.limit, client.limiter.left()) == (500, 493)
    assert len(fake.seen) == 9


@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 406, 409, 410, 413, 415, 418, 422, 423, 451])
def test_no_4xx_but_401_429_and_those_of_time_is_ever_repeated(fake: Any, reply: Any, client: Any, status: int) -> None:
    fake.on("/workspaces/acme", reply(status, ""))
    with pytest.raises(errors.BitbucketError):
        ask(client)
    assert len(fake.api()) == 1


def test_a_permit_of_a_request_that_got_no_answer_is_spent(fake: Any, reply: Any, counted: Any) -> None:
    client = counted(retry_attempts=2)
    fake.on("/workspaces/acme", reply(200, "{", content_length=900, reset=True))
    with pytest.raises(errors.Unreachable):
        ask(client)
    assert client.limiter.used() == 2


def test_without_permits_nothing_is_sent_and_nothing_repeated(fake: Any, reply: Any, counted: Any) -> None:
    clock = Clock()
    client = counted(clock=clock, requests_per_hour=2)
    fake.on("/workspaces/acme", reply(200, {}))
    ask(client)
    ask(client)
    with pytest.raises(errors.RateLimited, match="bitbucket_default has used 2 of the 2") as caught:
        ask(client)
    assert caught.value.requests == 0 and caught.value.cursor is None and client.limiter.left() == 0
    assert len(fake.api()) == 2
    clock.at = caught.value.resume_at
    ask(client)


def test_threads_out_of_permits_are_all_told(fake: Any, reply: Any, counted: Any) -> None:
    client = counted(clock=Clock(), requests_per_hour=20)
    fake.on("/workspaces/acme", reply(200, {}))
    refused: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(10):
                ask(client)
        except errors.RateLimited as error:
            refused.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert len(refused) >= 6 and len(fake.api()) == 20


def test_clients_of_one_database_share_the_hour_and_closing_gives_back(
    fake: Any, reply: Any, counted: Any, dsn: str
) -> None:
    database = Database(lambda: psycopg.connect(dsn), "the test's Postgres")
    fake.on("/workspaces/acme", reply(200, {}))
    with counted(database=database) as first:
        for _ in range(3):
            ask(first)
        assert first.limiter.left() == 997
    second = counted(database=database)
    assert (second.limiter.used(), second.limiter.left()) == (3, 997)
    assert (
        second.limiter.consumer == first.limiter.consumer == fake.url.removeprefix("http://") + "/oauth:oauth-key-0001"
    )


def test_the_hook_counts_in_the_postgres_it_is_given(fake: Any, reply: Any, connect: Any, database: Any) -> None:
    fake.on("/workspaces/acme", reply(200, {}))
    connect()
    with BitbucketHook(configuration=CONFIGURATION).get_conn() as client:
        ask(client)
    rows = database.execute("SELECT consumer, requests FROM integration.request_use").fetchall()
    assert rows == [{"consumer": client.limiter.consumer, "requests": 1}]


def test_without_its_ledger_the_client_sends_nothing(fake: Any, counted: Any) -> None:
    client = counted(
        database=Database(lambda: psycopg.connect("postgresql://n@127.0.0.1:1/n"), "Airflow connection pg")
    )
    with pytest.raises(errors.DatabaseUnavailable, match="Airflow connection pg"):
        ask(client)
    assert fake.api() == []


# --- listings that were broken off --------------------------------------------------------------------


def pages(fake: Any, reply: Any, count: int = 4) -> None:
    """Pages of two objects each."""

    def answer(seen: Any) -> Any:
        number = int((seen.query.get("page") or ["0"])[0])
        body: dict[str, Any] = {"values": [{"id": 2 * number}, {"id": 2 * number + 1}], "size": 2 * count}
        if number + 1 < count:
            body["next"] = f"{fake.url}/2.0{REPOSITORIES}?page={number + 1}"
        return reply(200, body)

    fake.call(REPOSITORIES, answer)


def ids(values: list[dict[str, Any]]) -> list[int]:
    return [value["id"] for value in values]


def test_a_listing_that_ran_out_of_permits_goes_on_where_it_stopped(fake: Any, reply: Any, counted: Any) -> None:
    pages(fake, reply)
    clock = Clock()
    client = counted(clock=clock, requests_per_hour=1)
    start: PageCursor | None = None
    for read in (2, 4, 6):
        with pytest.raises(errors.RateLimited) as caught:
            client.paginate("repositories", workspace="acme", start=start)
        start = caught.value.cursor
        assert start is not None and ids(start.values) == list(range(read))
        assert caught.value.requests == 1
        clock.at = caught.value.resume_at
    listing = client.paginate("repositories", workspace="acme", start=start)
    assert ids(listing.values) == list(range(8))
    assert (listing.size, listing.requests) == (8, 1)
    assert len(fake.api()) == 4  # no page was asked for twice


def test_pages_give_what_was_read_first_and_it_costs_nothing(fake: Any, reply: Any, counted: Any) -> None:
    pages(fake, reply)
    start = PageCursor([{"id": 0}, {"id": 1}], f"{fake.url}/2.0{REPOSITORIES}?page=1")
    got = list(counted().pages("repositories", workspace="acme", start=start))
    assert [(ids(page.values), page.requests) for page in got] == [([0, 1], 0), ([2, 3], 1), ([4, 5], 1), ([6, 7], 1)]
    alone = counted().pages("repositories", workspace="acme", start=PageCursor([], start.next_link))
    assert ids(next(alone).values) == [2, 3]


def test_what_was_read_stays_as_it_was_when_it_breaks_off_again(fake: Any, reply: Any, counted: Any) -> None:
    pages(fake, reply)
    start = PageCursor([{"id": 0}, {"id": 1}], f"{fake.url}/2.0{REPOSITORIES}?page=1")
    client = counted(clock=Clock(), requests_per_hour=1)
    ask_again = [caught.cursor for caught in (refusal(client, start), refusal(client, start))]
    assert ids(ask_again[0].values) == [0, 1, 2, 3]
    assert ask_again[1] == start and ids(start.values) == [0, 1]


def refusal(client: BitbucketClient, start: PageCursor) -> Any:
    with pytest.raises(errors.RateLimited) as caught:
        client.paginate("repositories", workspace="acme", start=start)
    return caught.value


def test_a_429_in_the_middle_of_a_listing_carries_what_was_read(fake: Any, reply: Any, counted: Any) -> None:
    link = f"{fake.url}/2.0{REPOSITORIES}?pagelen=100&page=1"
    fake.on(REPOSITORIES, reply(200, {"values": [{"id": 0}], "next": link}), reply(429, LIMITED))
    with pytest.raises(errors.RateLimited) as caught:
        counted(rate_limit_pauses=1).paginate("repositories", workspace="acme")
    assert caught.value.cursor == PageCursor([{"id": 0}], link, 1)
    assert (caught.value.requests, caught.value.status) == (3, 429)


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/2.0/repositories/acme?page=1",
        "{url}/2.0/workspaces/acme/members?page=1",
        "{url}/2.0/../admin",
        "{url}/1.0/repositories/acme",
        "",
        "no link at all",
    ],
)
def test_a_start_that_leads_elsewhere_is_refused(fake: Any, counted: Any, elsewhere: str) -> None:
    start = PageCursor([], elsewhere.format(url=fake.url))
    with pytest.raises(errors.EndpointNotAllowed):
        counted().paginate("repositories", workspace="acme", start=start)
    assert fake.api() == []


def test_a_start_that_leads_back_to_itself_is_a_loop(fake: Any, reply: Any, counted: Any) -> None:
    link = f"{fake.url}/2.0{REPOSITORIES}?pagelen=100&page=1"
    fake.on(REPOSITORIES, reply(200, {"values": [], "next": link}))
    with pytest.raises(errors.UnreadableBody, match="already read"):
        counted().paginate("repositories", workspace="acme", start=PageCursor([], link))
    assert len(fake.api()) == 1


# --- access tokens ------------------------------------------------------------------------------------


def token_client(fake: Any, counted: Any, **extra: Any) -> BitbucketClient:
    fake.check_tokens = False
    made: BitbucketClient = counted(fields={"login": None, "password": "an-access-token"}, **extra)
    return made


def test_the_headers_of_an_access_token_replace_the_configured_limit(fake: Any, reply: Any, counted: Any) -> None:
    fake.on("/workspaces/acme", reply(200, {}, {"X-RateLimit-Limit": "4000", "X-RateLimit-NearLimit": "false"}))
    client = token_client(fake, counted)
    assert client.limiter.limit == 1000
    ask(client)
    assert (client.limiter.limit, client.limiter.left()) == (4000, 3999)


def test_near_limit_is_taken_for_four_fifths_used_once(fake: Any, reply: Any, counted: Any) -> None:
    headers = {"X-RateLimit-Limit": "1000, 1000;w=3600", "X-RateLimit-NearLimit": "true"}
    fake.on("/workspaces/acme", reply(200, {}, headers))
    client = token_client(fake, counted)
    for _ in range(40):
        ask(client)
    # Booked at the first answer; the fifteen other permits of its block were among the four fifths.
    assert 800 + 40 - 16 <= client.limiter.used() <= 800 + 40


def test_headers_that_say_the_same_are_written_once(
    fake: Any, reply: Any, counted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    client = token_client(fake, counted, clock=clock)
    written: list[Any] = []
    monkeypatch.setattr(
        client.limiter._ledger, "note_limit", lambda *args, **how: written.append((args, how["is_near"]))
    )
    plain = {"X-RateLimit-Limit": "1000", "X-RateLimit-NearLimit": "false"}
    fake.on("/workspaces/acme", reply(200, {}, plain))
    fake.on("/workspaces/other", reply(404, ""))
    fake.on("/workspaces/near", reply(200, {}, plain | {"X-RateLimit-NearLimit": "true"}))
    for _ in range(10):
        ask(client)
        with pytest.raises(errors.NotFound):
            ask(client, "other")
    assert written == [((1000,), False)]
    ask(client, "near")
    ask(client, "near")
    assert written == [((1000,), False), ((1000,), True)]
    clock.sleep(601)  # long before they are no longer believed
    ask(client, "near")
    assert len(written) == 3


def test_an_oauth_consumer_is_never_steered_by_headers(fake: Any, reply: Any, counted: Any) -> None:
    fake.on("/workspaces/acme", reply(200, {}, {"X-RateLimit-Limit": "5", "X-RateLimit-NearLimit": "true"}))
    client = counted()
    ask(client)
    assert (client.limiter.limit, client.limiter.used()) == (1000, 1)


def test_a_limit_that_is_switched_off_stays_off(fake: Any, reply: Any, counted: Any) -> None:
    fake.on("/workspaces/acme", reply(200, {}, {"X-RateLimit-Limit": "1", "X-RateLimit-NearLimit": "true"}))
    client = token_client(fake, counted, requests_per_hour=0)
    for _ in range(30):
        ask(client)
    assert (client.limiter.limit, client.limiter.left(), client.limiter.used()) == (None, None, 30)


# --- the network --------------------------------------------------------------------------------------


def test_a_request_that_never_reached_bitbucket_is_told_apart(counted: Any, fake: Any, reply: Any) -> None:
    for host in ("http://127.0.0.1:1", "https://no-such-host.invalid"):
        with pytest.raises(errors.NeverReached) as caught:
            ask(counted(fields={"host": host, "login": None, "password": "an-access-token"}, retry_attempts=3))
        assert caught.value.requests == 3  # retried as any other
    fake.on("/workspaces/acme", reply(200, "{", content_length=99, reset=True))
    with pytest.raises(errors.Unreachable) as broken:
        ask(counted(retry_attempts=1))
    assert not isinstance(broken.value, errors.NeverReached)


# --- the sandbox plays along --------------------------------------------------------------------------


def who(sandbox: Any, token: str) -> requests.Response:
    return requests.get(sandbox.url + "/2.0/user", headers={"Authorization": f"Bearer {token}"}, timeout=10)


def sandbox_headers(sandbox: Any, token: str) -> dict[str, str]:
    answer = who(sandbox, token)
    return {name.lower(): value for name, value in answer.headers.items() if name.lower().startswith("x-ratelimit")}


def test_the_sandbox_tells_access_tokens_their_limit_and_nobody_else(sandbox: Any) -> None:
    assert sandbox_headers(sandbox, "demo-token") == {}
    sandbox.state.hourly_limit = 10
    near = [sandbox_headers(sandbox, "demo-token")["x-ratelimit-nearlimit"] for _ in range(10)]
    assert near == ["false"] * 8 + ["true"] * 2
    sandbox.state.hourly_limit = 1000
    assert sandbox_headers(sandbox, "demo-token") == {
        "x-ratelimit-limit": "1000",
        "x-ratelimit-resource": "api",
        "x-ratelimit-nearlimit": "false",
    }
    key = ("demo-key", "demo-secret")
    form = {"grant_type": "client_credentials"}
    oauth = requests.post(sandbox.url + "/site/oauth2/access_token", auth=key, data=form, timeout=10).json()
    assert sandbox_headers(sandbox, oauth["access_token"]) == {}
    sandbox.state.rate_limit_headers = False
    assert sandbox_headers(sandbox, "demo-token") == {}


def test_a_burst_of_429s_is_switched_on_in_the_sandbox(sandbox: Any) -> None:
    sandbox.state.next_429 = 3
    assert [who(sandbox, "demo-token").status_code for _ in range(5)] == [429, 429, 429, 200, 200]


def test_scaled_limits_of_the_sandbox_reach_the_budget(sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.state.hourly_limit = 6000
    connection = {"conn_type": "bitbucket", "host": sandbox.url, "password": "demo-token"}
    monkeypatch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps(connection))
    with BitbucketHook().get_conn() as client:
        client.get("current_user")
        assert client.limiter.limit == 6000
