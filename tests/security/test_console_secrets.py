"""What the console is given once stays out of Airflow's log, and its check of the connection takes no fields."""

from __future__ import annotations

import json
from typing import Any

import pytest
import structlog
from airflow.api_fastapi.common.http_access_log import HttpAccessLogMiddleware
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.middleware.base import BaseHTTPMiddleware

from tests.console.conftest import OpenConsole, open_console
from tests.security.raw_server import raw_server

__all__ = ["open_console"]


@pytest.mark.parametrize("role", [None, "viewer", "op"])
@pytest.mark.parametrize("more", ["", "&error=access_denied", f"&code={'x' * 3000}", "&state=%00"])
def test_code_and_state_and_whom_people_look_for_are_in_no_access_log(
    role: str | None, more: str, open_console: OpenConsole
) -> None:
    airflow = FastAPI()
    airflow.mount("/compliance", open_console(role).app)

    async def passed_on(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    airflow.add_middleware(BaseHTTPMiddleware, dispatch=passed_on)
    airflow.add_middleware(HttpAccessLogMiddleware)
    with structlog.testing.capture_logs() as logs, TestClient(airflow, follow_redirects=False) as browser:
        for slash in ("", "/"):
            browser.get(f"/compliance/integrations/callback{slash}?code=the-code&state=the-state{more}")
            browser.get(f"/compliance/search{slash}?q=ada@example.com")
            browser.get(f"/compliance/members{slash}?search=Ada+Person")
        for page in ("changes?search", "findings?words", "tests/user_mfa_enabled?words", "audit?about", "x?q"):
            browser.get(f"/compliance/{page}=Ada+Person")
        browser.get("/compliance/evidence/new?targets=ada@example.com")
        browser.get("/elsewhere?search=kept")
    told = json.dumps(logs)
    assert told.count("/compliance/integrations/callback") == 2
    assert "the-code" not in told and "the-state" not in told
    assert "ada" not in told.lower()
    assert "search=kept" in told, "queries of Airflow's own pages are logged as ever"


def test_the_check_takes_no_fields(open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(lambda _: ()) as thief, raw_server(lambda _: ()) as configured:
        extra = {"oauth_url": configured.url, "timeout": 0.2}
        given = {"conn_type": "bitbucket", "host": configured.url, "login": "key", "password": "s3cret-of-consumer"}
        monkeypatch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps({**given, "extra": extra}))
        elsewhere = {"host": thief.url, "oauth_url": thief.url, "extra": json.dumps({"oauth_url": thief.url})}
        answer = open_console("op").submit("/integrations/check", elsewhere, on="/integrations")
        assert answer.status_code == 303
        assert thief.seen == [] and configured.seen
        assert "s3cret" not in answer.headers["location"]
