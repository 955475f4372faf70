"""Fixtures: a running stand-in and a small client for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from include.sandbox.process import SandboxServer
from include.sandbox.state import SandboxState


class Client:
    """Asks the stand-in with one bearer token; ``get`` returns the response, ``json`` its body."""

    def __init__(self, url: str, token: str = "demo-admin-token") -> None:  # noqa: S107
        self.url = url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **query: Any) -> requests.Response:
        url = path if path.startswith("http") else f"{self.url}/2.0{path}"
        return self.session.get(url, params=query or None, timeout=10)

    def json(self, path: str, **query: Any) -> Any:
        response = self.get(path, **query)
        assert response.status_code == 200, response.text[:300]
        return response.json()

    def all(self, path: str, **query: Any) -> list[Any]:
        """Every item of a listing, following ``next``."""
        body = self.json(path, **query)
        items = list(body["values"])
        while "next" in body:
            body = self.json(body["next"])
            items.extend(body["values"])
        return items


@pytest.fixture(scope="session")
def shared_server() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
def server(shared_server: SandboxServer) -> Iterator[SandboxServer]:
    """The demo on a running server, log and faults empty."""
    shared_server.state.reset()
    shared_server.state.latency_ms = 0
    yield shared_server
    shared_server.state.reset()
    shared_server.state.latency_ms = 0


@pytest.fixture
def state(server: SandboxServer) -> SandboxState:
    return server.state


@pytest.fixture
def admin(server: SandboxServer) -> Client:
    """A client with the five scopes and ``repository:admin``."""
    return Client(server.url)


@pytest.fixture
def five(server: SandboxServer) -> Client:
    """A client with the five scopes alone."""
    return Client(server.url, "demo-token")
