"""The console's app with a login of any role, against the fresh database of the test."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.core_api.security import get_user
from airflow.configuration import conf
from fastapi import HTTPException
from fastapi.testclient import TestClient
from httpx import Response

from compliance_console_app.app import create_app
from compliance_console_app.permissions import auth_manager

TOKEN = re.compile(r'name="csrf_token" value="([0-9a-f]{64})"')


class Console(TestClient):
    """A browser with a login; forms carry the token of the page they stand on."""

    def token(self, path: str) -> str:
        """The form token of a page."""
        found = TOKEN.search(self.get(path).text)
        assert found, f"no form on {path}"
        return found[1]

    def submit(self, path: str, fields: dict[str, Any], *, on: str | None = None, **options: Any) -> Response:
        """Post a form that stands on page ``on`` (default: the same path); redirects are not followed."""
        fields = {"csrf_token": self.token(on or path), **fields}
        return self.post(path, data=fields, follow_redirects=False, **options)


OpenConsole = Callable[..., Console]


@pytest.fixture
def open_console(dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenConsole]:
    """``open_console("op", "ann")``: a browser signed in with a role of Airflow's simple manager; None: nobody."""
    monkeypatch.setenv("AIRFLOW__API__SECRET_KEY", "of-this-test-alone")
    with ExitStack() as stack:

        def open_as(role: str | None, name: str = "ann") -> Console:
            app = create_app()
            app.dependency_overrides[auth_manager] = SimpleAuthManager

            def user() -> SimpleAuthManagerUser:
                if role is None:
                    raise HTTPException(401, detail="Not authenticated")
                return SimpleAuthManagerUser(username=name, role=role.upper())

            app.dependency_overrides[get_user] = user
            # A browser doesn't send secure cookies by plain http.
            scheme = urlsplit(conf.get("api", "base_url", fallback="")).scheme or "http"
            return stack.enter_context(Console(app, base_url=f"{scheme}://console.test"))

        yield open_as
