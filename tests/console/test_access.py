"""Who gets which page: every route with every role, and what every answer carries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.responses import PlainTextResponse

from bitbucket_cloud.auth.encryption import WebhookEncryption
from compliance_console_app import permissions
from compliance_console_app.app import create_app
from compliance_console_app.permissions import auth_manager
from compliance_console_app.web.forms import MOST_BYTES, checked_form
from compliance_console_app.web.headers import SECURITY
from tests.conftest import Database
from tests.console.conftest import OpenConsole
from tests.receiving import HOOK, SECRET, Registry, signature
from tests.vaulting import KEY, WEBHOOK_KEY_VARIABLE

ROLES = ("viewer", "user", "op", "admin")
ALLOWED: dict[str, tuple[str, ...]] = {
    "sign in": ROLES,
    "read": ROLES,
    "package": ("user", "op", "admin"),
    "decide": ("user", "op", "admin"),
    "connect": ("op", "admin"),
}
GUARDS = {
    permissions.signed_in: "sign in",
    permissions.reader: "read",
    permissions.packager: "package",
    permissions.decider: "decide",
    permissions.connector: "connect",
}
STRENGTH = tuple(ALLOWED)

# Not for people: Bitbucket signs what it sends here.
SIGNED = "POST /webhooks/bitbucket"

# What asks for another permission than its kind: reading for GET, deciding for POST, connecting below /integrations.
OTHERWISE = {
    "GET /static/{name}": "sign in",
    "GET /evidence/new": "decide",
    "GET /exceptions/new": "decide",
    "GET /imports/new": "decide",
    "GET /members/print": "decide",
    "GET /members/review.csv": "decide",
    "GET /policies/change": "decide",
    "GET /integrations/callback": "connect",
    "GET /integrations/disconnect": "connect",
    "GET /integrations/purge": "connect",
    "POST /controls/packages": "package",
    "POST /integrations/sync": "decide",
}


def routes(app: FastAPI) -> list[APIRoute]:
    found = []
    for route in app.routes:
        assert isinstance(route, APIRoute), f"{route} is served without any permission"
        found.append(route)
    return found


def named(route: APIRoute) -> list[str]:
    return [f"{method} {route.path}" for method in sorted(route.methods - {"HEAD"})]


def dependencies(dependant: Dependant) -> Iterator[Any]:
    yield dependant.call
    for below in dependant.dependencies:
        yield from dependencies(below)


def guard_of(route: APIRoute) -> str | None:
    held = [GUARDS[call] for call in dependencies(route.dependant) if call in GUARDS]
    return max(held, key=STRENGTH.index) if held else None


def expected(name: str) -> str:
    method, _, path = name.partition(" ")
    if name in OTHERWISE:
        return OTHERWISE[name]
    if method == "GET":
        return "read"
    return "connect" if path.startswith("/integrations") else "decide"


NAMES = sorted(name for route in routes(create_app()) for name in named(route) if name != SIGNED)


@pytest.mark.parametrize("name", NAMES)
def test_route_asks_for_the_permission_of_its_kind(name: str) -> None:
    route = next(route for route in routes(create_app()) if name in named(route))
    assert guard_of(route) == expected(name)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("GET ")])
def test_route_that_changes_something_checks_its_form(name: str) -> None:
    route = next(route for route in routes(create_app()) if name in named(route))
    assert checked_form in dependencies(route.dependant)


def test_exceptions_from_the_rule_are_routes_that_exist() -> None:
    assert set(OTHERWISE) <= set(NAMES)


@pytest.mark.parametrize("role", [None, *ROLES])
def test_every_route_lets_in_whom_it_should(open_console: OpenConsole, role: str | None) -> None:
    console = open_console(role)
    app = console.app
    assert isinstance(app, FastAPI)
    token = open_console("admin").token("/evidence/new") if role is None else ""
    if role:
        token = form_token(console)
    for route in routes(app):
        reach_nothing(route)
    wrong = []
    for name in NAMES:
        method, _, path = name.partition(" ")
        answer = console.request(
            method,
            filled_in(path),
            data={"csrf_token": token} if method != "GET" else None,
            follow_redirects=False,
        )
        if role is None:
            wanted: tuple[int, ...] = (401,)
        elif role in ALLOWED[expected(name)]:
            wanted = (200, 422)  # let in, whatever it then misses in the address
        else:
            wanted = (403,)
        if answer.status_code not in wanted:
            wrong.append(f"{role} {name}: {answer.status_code}, wanted {wanted}")
    assert not wrong


@pytest.mark.parametrize("role", [None, *ROLES])
def test_only_a_signature_opens_the_route_of_webhooks(
    open_console: OpenConsole, database: Database, dsn: str, monkeypatch: pytest.MonkeyPatch, role: str | None
) -> None:
    """Neither a login nor a form's token matters, nor where the request comes from."""
    monkeypatch.setenv(WEBHOOK_KEY_VARIABLE, KEY)
    registry = Registry(dsn, WebhookEncryption(KEY))
    registry.hook(HOOK, registry.secret(SECRET))
    console = open_console(role)
    body = b'{"repository": null}'
    headers = {"X-Hook-UUID": HOOK, "X-Event-Key": "repo:updated", "Origin": "http://elsewhere.test"}
    path = SIGNED.partition(" ")[2]
    refused = console.post(path, content=body, headers=headers)
    assert (refused.status_code, refused.text) == (401, "unknown webhook, or no valid signature\n")
    assert database.execute("SELECT 1 FROM integration.webhook_events").fetchall() == []
    taken = console.post(path, content=body, headers=headers | {"X-Hub-Signature": signature(body)})
    assert taken.status_code == 202
    assert len(database.execute("SELECT 1 FROM integration.webhook_events").fetchall()) == 1
    assert {name: taken.headers[name] for name in SECURITY} == SECURITY


def form_token(console: Any) -> str:
    """A token of the signed-in person, by a cookie of their own making: pages with forms need more than reading."""
    from compliance_console_app.web import forms, signing

    console.cookies.set(forms.COOKIE, "nonce")
    return signing.signature(forms.PURPOSE, "ann", "nonce")


def reach_nothing(route: APIRoute) -> None:
    """Keep what guards the route, and let it do nothing."""
    route.dependant.call = lambda **_: PlainTextResponse("reached")


def filled_in(path: str) -> str:
    while "{" in path:
        before, _, rest = path.partition("{")
        path = before + str(UUID(int=1)) + rest.partition("}")[2]
    return path


@pytest.mark.parametrize("role", ["user", "op", "admin"])
def test_nobody_decides_where_everybody_is_an_administrator(
    open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "True")
    answer = open_console(role).get("/evidence/new")
    assert answer.status_code == 403
    assert "Airflow runs without logins here" in answer.text
    assert open_console(role).get("/").status_code == 200


@pytest.mark.parametrize(
    ("role", "path", "status"), [("viewer", "/", 200), ("viewer", "/nowhere", 404), (None, "/", 401)]
)
def test_every_answer_carries_the_security_headers(
    open_console: OpenConsole, role: str | None, path: str, status: int
) -> None:
    answer = open_console(role).get(path)
    assert answer.status_code == status
    assert {name: answer.headers[name] for name in SECURITY} == SECURITY
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy


def test_failure_tells_nothing_of_the_inside(open_console: OpenConsole) -> None:
    console = open_console("viewer")
    assert isinstance(console.app, FastAPI)

    def broken() -> None:
        raise RuntimeError("the secret plan")

    console.app.dependency_overrides[auth_manager] = broken
    console._transport.raise_server_exceptions = False  # type: ignore[attr-defined]
    answer = console.get("/")
    assert answer.status_code == 500
    assert "secret plan" not in answer.text
    assert answer.headers["Content-Security-Policy"] == SECURITY["Content-Security-Policy"]


def test_unreachable_database_is_told_in_one_line(open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", "postgresql://nobody:hidden-word@127.0.0.1:9/none")
    answer = open_console("viewer").get("/")
    assert answer.status_code == 503
    assert "compliance_postgres: the server does not answer" in answer.text
    assert "hidden-word" not in answer.text


def stub_posts(console: Any) -> None:
    for route in routes(console.app):
        if "POST" in route.methods:
            reach_nothing(route)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://console.test", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://elsewhere.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
    ],
)
def test_form_from_elsewhere_is_refused(open_console: OpenConsole, headers: dict[str, str], status: int) -> None:
    console = open_console("op")
    token = form_token(console)
    stub_posts(console)
    answer = console.post("/evidence", data={"csrf_token": token}, headers=headers)
    assert answer.status_code == status


def test_form_needs_the_token_of_the_person_and_of_the_browser(open_console: OpenConsole) -> None:
    ann, bob = open_console("op", "ann"), open_console("op", "bob")
    token = form_token(ann)
    form_token(bob)
    stub_posts(ann)
    stub_posts(bob)
    assert ann.post("/evidence", data={"csrf_token": token}).status_code == 200
    assert ann.post("/evidence", data={}).status_code == 403
    assert ann.post("/evidence", data={"csrf_token": "0" * 64}).status_code == 403
    assert bob.post("/evidence", data={"csrf_token": token}).status_code == 403
    ann.cookies.clear()
    assert ann.post("/evidence", data={"csrf_token": token}).status_code == 403


def test_form_that_is_too_large_is_refused(open_console: OpenConsole) -> None:
    console = open_console("op")
    token = form_token(console)
    stub_posts(console)
    files = {"file": ("large.png", b"x" * (MOST_BYTES + 1), "image/png")}
    assert console.post("/evidence", data={"csrf_token": token}, files=files).status_code == 413


def test_cookies_are_for_the_console_alone(open_console: OpenConsole) -> None:
    sent = open_console("viewer").get("/").headers["set-cookie"]
    assert "HttpOnly" in sent
    assert "SameSite=lax" in sent
