"""People's data: what lists people is for deciders alone, in the console as in SQL. And the console's own answers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from bitbucket_compliance.registry.evidence import submit
from tests.conftest import Database
from tests.console.conftest import OpenConsole
from tests.console.world import WORKSPACE, Published
from tests.registry.files import export, picture


@pytest.fixture
def world(database: Database) -> Published:
    return Published(database)


def test_exports_of_people_are_for_deciders_and_screenshots_for_readers(
    open_console: OpenConsole, world: Published
) -> None:
    today = datetime.now(UTC).date()
    people = submit(
        world.database, ("mfa.csv", export("ada@example.com,,on")), test_id="user_mfa_enabled", workspace=None,
        captured_on=today, submitted_by="airflow:owner",
    ).evidence_id  # fmt: skip
    shot = submit(
        world.database, ("shot.png", picture()), test_id="workspace_mfa_enforced", workspace=WORKSPACE,
        captured_on=today, submitted_by="airflow:owner",
    ).evidence_id  # fmt: skip
    viewer, decider = open_console("viewer"), open_console("user")
    refused = viewer.get(f"/evidence/{people}/file")
    assert refused.status_code == 403 and "ada@example.com" not in refused.text
    assert f"{people}/file" not in viewer.get(f"/evidence/{people}").text
    assert decider.get(f"/evidence/{people}/file").status_code == 200
    assert viewer.get(f"/evidence/{shot}/file").status_code == 200


def test_the_list_of_who_has_left_is_for_deciders(open_console: OpenConsole, world: Published) -> None:
    viewer = open_console("viewer")
    assert viewer.get("/members/review.csv").status_code == 403
    assert "review.csv" not in viewer.get("/members").text
    assert open_console("user").get("/members/review.csv").status_code == 200


@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_a_nul_in_an_address_is_no_page_and_no_failure(open_console: OpenConsole, world: Published, role: str) -> None:
    console = open_console(role)
    assert isinstance(console.app, FastAPI)
    for route in console.app.routes:
        assert isinstance(route, APIRoute)
        if "GET" not in route.methods:
            continue
        path = route.path
        for name in route.param_convertors:
            path = path.replace(f"{{{name}}}", "%00")
        query = "&".join(f"{field.alias}=%00" for field in route.dependant.query_params)
        for address in {path, f"{path}?{query}&workspace=%00", f"/tests/x%00y?{query}"}:
            assert console.get(address, follow_redirects=False).status_code < 500, address


def test_cookies_are_secure_behind_a_proxy_that_speaks_tls(
    open_console: OpenConsole, world: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "secure" not in open_console("viewer").get("/evidence").headers["set-cookie"].lower()
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com")
    answer = open_console("viewer").get("/evidence")
    cookies = answer.headers.get_list("set-cookie")
    assert cookies and all("secure" in cookie.lower() and "httponly" in cookie.lower() for cookie in cookies)
