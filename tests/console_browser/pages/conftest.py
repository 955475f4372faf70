"""The console alone, without an Airflow around it, over a database that each test may fill as it likes.

One server for all tests, in this process: what a test sets by ``monkeypatch`` holds for the server, too.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import uvicorn
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.core_api.security import get_user
from fastapi import FastAPI, HTTPException, Request
from playwright.sync_api import Browser
from psycopg.rows import dict_row

from compliance_console_app.app import create_app
from compliance_console_app.permissions import auth_manager
from local.postgres import EmbeddedPostgres
from local.postgres_cluster import ADMIN_ROLE
from sandbox.process import SandboxServer
from tests.ageing import age_database
from tests.console_browser.pages.looking import LOGIN, Guest, Site
from tests.databases import copied
from tests.harness import Pipeline, bitbucket_connection

POSTGRES = "AIRFLOW_CONN_COMPLIANCE_POSTGRES"
JUDGED = "pages_judged"
AGED = 20


@pytest.fixture(scope="session")
def console() -> Iterator[FastAPI]:
    """The console, where whoever has the cookie ``login`` (``op:ada``) is signed in as they say."""
    app = create_app()
    app.dependency_overrides[auth_manager] = SimpleAuthManager

    def user(request: Request) -> SimpleAuthManagerUser:
        role, _, name = request.cookies.get(LOGIN, "").partition(":")
        if not name:
            raise HTTPException(401, detail="Not authenticated")
        return SimpleAuthManagerUser(username=name, role=role.upper())

    app.dependency_overrides[get_user] = user
    yield app


@pytest.fixture(scope="session")
def site(console: FastAPI) -> Iterator[Site]:
    """It, served on a free port of this machine, below ``/compliance`` as Airflow mounts it."""
    around = FastAPI()
    around.get("/favicon.ico", status_code=204)(lambda: None)
    around.mount("/compliance", console)
    server = uvicorn.Server(uvicorn.Config(around, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__API__SECRET_KEY", "of-these-tests-alone")
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Site(f"http://127.0.0.1:{port}")
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="session")
def judged(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The name of a database to copy: the demo workspace, judged twenty days ago and, changed, today."""
    with copied(postgres, JUDGED) as address, SandboxServer(workload="demo") as server:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(POSTGRES, address)

            def connect_to(server: SandboxServer, grant: str = "admin", **extra: object) -> None:
                connection = bitbucket_connection(server.url, grant, **extra)
                patch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps(connection))

            pipeline = Pipeline(address, connect_to)
            pipeline.take_demo()
            pipeline.run(server)
            age_database(postgres.uri(JUDGED, ADMIN_ROLE), timedelta(days=AGED))
            change(server)
            pipeline.take_demo()
            pipeline.run(server)
        yield JUDGED


def change(server: SandboxServer) -> None:
    """What happens in the demo workspace meanwhile: a repository and a member go, one repository loses its rules."""
    workspace = server.state.workspaces[0]
    workspace.repositories.pop()
    workspace.members.pop()


@pytest.fixture
def empty(console: FastAPI, dsn: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """A migrated database without a row, which the console shows; what is written commits by itself."""
    yield from _shown(console, dsn)


@pytest.fixture
def demo(
    console: FastAPI, postgres: EmbeddedPostgres, judged: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """The demo workspace with results, which the console shows; what a test writes is gone with it."""
    with copied(postgres, "pages_shown", judged) as address:
        monkeypatch.setenv(POSTGRES, address)
        yield from _shown(console, address)


def _shown(console: FastAPI, address: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    with psycopg.connect(address, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        yield connection
    console.state.pool.close()


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Callable[..., Guest]]:
    """``visit("op", "ada", width=320)``: a browser with that person in front of it, signed in with that role."""
    opened: list[Guest] = []

    def enter(role: str | None = "viewer", name: str = "vic", **look: Any) -> Guest:
        guest = Guest(browser, site, f"{role}:{name}" if role else "", **look)
        opened.append(guest)
        guest.sign_in()
        return guest

    yield enter
    for guest in opened:
        guest.close()
        assert guest.left_the_machine == [] and guest.complaints == []
