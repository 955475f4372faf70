"""Passwords are not guessed: every way to sign in refuses an address after a few refused tries."""

from __future__ import annotations

from collections.abc import Iterator

import compliance_console
import pytest
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient

from compliance_console_app.web.login_attempts import ADDRESSES, REFUSALS, SECONDS, LoginAttempts

DOORS = ("/auth/token", "/auth/token/cli", "/auth/api/v1/security/login", "/auth/login/")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def served(clock: Clock) -> FastAPI:
    """An API server whose every way to sign in takes one password."""
    app = FastAPI()

    async def sign_in(password: str = "") -> str:
        if password != "right":
            raise HTTPException(401)
        return "token"

    for path in (*DOORS, "/api/v2/dags"):
        app.add_api_route(path, sign_in, methods=["GET", "POST"])
    app.add_middleware(LoginAttempts, clock=clock)
    return app


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(clock: Clock) -> Iterator[TestClient]:
    with TestClient(served(clock), client=("192.0.2.1", 1)) as opened:
        yield opened


def guess(client: TestClient, path: str, tries: int) -> list[int]:
    return [client.post(path, params={"password": "wrong"}).status_code for _ in range(tries)]


@pytest.mark.parametrize("door", DOORS)
def test_sixty_guesses_at_one_door_are_ten(client: TestClient, door: str) -> None:
    assert guess(client, door, 60) == [401] * REFUSALS + [429] * (60 - REFUSALS)


def test_the_right_password_is_not_found_out_after_that_and_the_answer_says_when_to_come_back(
    client: TestClient, clock: Clock
) -> None:
    guess(client, DOORS[0], REFUSALS)
    refused = client.post(DOORS[0], params={"password": "right"})
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, str(int(SECONDS)))
    assert f"try again in {int(SECONDS)} seconds" in refused.json()["detail"]
    clock.now = SECONDS
    assert client.post(DOORS[0], params={"password": "right"}).status_code == 200


def test_doors_share_the_limit(client: TestClient) -> None:
    codes = [code for door in DOORS for code in guess(client, door, REFUSALS)]
    assert codes.count(401) == REFUSALS


def test_a_login_of_ones_own_between_guesses_gives_no_more_of_them(client: TestClient) -> None:
    codes = []
    for _ in range(REFUSALS + 5):
        codes += guess(client, DOORS[0], 1)
        client.post(DOORS[0], params={"password": "right"})
    assert codes.count(401) == REFUSALS


def test_many_at_once_are_no_way_around() -> None:
    """All are asked before the first is answered."""
    import anyio

    asked = 0

    async def slow(scope: object, receive: object, send: object) -> None:
        nonlocal asked
        asked += 1
        await anyio.sleep(0.05)

    limited = LoginAttempts(slow)  # type: ignore[arg-type]
    scope = {"type": "http", "method": "POST", "path": "/auth/token", "client": ("192.0.2.1", 1)}

    async def nothing(*_: object) -> None: ...

    async def attack() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(60):
                tasks.start_soon(limited, scope, nothing, nothing)

    anyio.run(attack)
    assert asked == REFUSALS


def test_whoever_signs_in_rightly_and_whatever_is_no_login_is_never_limited(client: TestClient) -> None:
    right = {client.post(DOORS[0], params={"password": "right"}).status_code for _ in range(3 * REFUSALS)}
    assert right == {200}
    assert set(guess(client, "/api/v2/dags", 3 * REFUSALS)) == {401}


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
    ],
)
def test_an_address_is_a_host_or_a_network_of_ipv6(clock: Clock, first: str, second: str, shared: bool) -> None:
    app = served(clock)
    with TestClient(app, client=(first, 1)) as one, TestClient(app, client=(second, 1)) as other:
        guess(one, DOORS[0], REFUSALS)
        assert guess(other, DOORS[0], 1) == ([429] if shared else [401])


def test_the_memory_of_addresses_has_an_end() -> None:
    limited = LoginAttempts(lambda *_: None)  # type: ignore[arg-type, return-value]
    for number in range(ADDRESSES + 10):
        limited._of(str(number))
    assert len(limited.tries) == ADDRESSES and "0" not in limited.tries


def test_airflow_puts_it_in_front_of_every_auth_manager() -> None:
    assert [each["middleware"] for each in compliance_console.ComplianceConsole.fastapi_root_middlewares] == [
        LoginAttempts
    ]
