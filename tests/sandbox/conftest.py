"""Fixtures: a running stand-in and a small client for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.sandbox.receiver import Receiver


class Client:
    """Asks the stand-in with one bearer token; ``get`` returns the response, ``json`` its body."""

    def __init__(self, url: str, token: str = "demo-admin-token") -> None:  # noqa: S107
        self.url = url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **query: Any) -> requests.Response:
        url = path if path.startswith("http") else f"{self.url}/2.0{path}"
        return self.session.get(url, params=query or None, timeout=10)

    def send(self, method: str, path: str, body: Any = None) -> requests.Response:
        """A request with a body: JSON, or bytes as they are."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        return self.session.request(method, f"{self.url}/2.0{path}", data=data, headers=headers, timeout=10)

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
    """The demo on a running server, log and faults empty, without webhooks."""
    _as_new(shared_server.state)
    yield shared_server
    _as_new(shared_server.state)


def _as_new(state: SandboxState) -> None:
    state.reset()
    state.latency_ms = 0
    for workspace in state.workspaces:
        workspace.webhooks.clear()
        for repo in workspace.repositories:
            repo.webhooks.clear()


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


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Somewhere to deliver to, that answers 200 unless told otherwise."""
    with Receiver() as running:
        yield running
