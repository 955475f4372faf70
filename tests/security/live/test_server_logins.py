"""The logins of docker-compose.yaml: who may do what in Airflow and in the console, and how often one may guess.

Its API server runs here with the same auth manager, roles and first administrator, over a metadata database of its own.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from compliance_console_app.web.login_attempts import REFUSALS
from local.environment import ROOT
from local.postgres import EmbeddedPostgres
from tests.databases import copied
from tests.security.live.server import ADMIN, SERVICES, Server, server_in

pytestmark = pytest.mark.slow

PEOPLE = ("viewer", "reviewer", "owner")
DAG = "/api/v2/dags/bitbucket_compliance"
RUN = f"{DAG}/dagRuns/none"
CONNECTION = {"connection_id": "bitbucket_default", "conn_type": "bitbucket"}
INTERVAL = {"from_date": "2026-01-01T00:00:00Z", "to_date": "2026-01-02T00:00:00Z"}
BACKFILL = INTERVAL | {"dag_id": "bitbucket_compliance", "run_backwards": False, "dag_run_conf": {}}

#: who of PEOPLE may: method, path, body
REQUESTS: list[tuple[tuple[str, ...], str, str, Any]] = [
    (PEOPLE, "GET", "/compliance/tests", None),
    (PEOPLE, "GET", "/api/v2/dags", None),
    (("reviewer", "owner"), "GET", "/compliance/evidence/new", None),
    (("reviewer", "owner"), "PATCH", DAG, {"is_paused": True}),
    (("owner",), "POST", f"{DAG}/dagRuns", {"logical_date": None, "conf": {"workspace": "x"}}),
    (("owner",), "POST", "/api/v2/dags/registry_import/dagRuns", {"logical_date": None, "conf": {}}),
    (("owner",), "GET", f"{RUN}/taskInstances/start_run/logs/1", None),
    (("owner",), "GET", "/api/v2/connections", None),
    (("owner",), "PATCH", "/api/v2/connections/bitbucket_default", CONNECTION),
    ((), "POST", "/api/v2/connections/test", CONNECTION),
    ((), "PATCH", f"{RUN}/taskInstances/gate.gate_staging", {"new_state": "success"}),
    ((), "PATCH", RUN, {"state": "success"}),
    ((), "DELETE", RUN, None),
    ((), "POST", f"{DAG}/clearTaskInstances", {"dry_run": True}),
    ((), "GET", f"{RUN}/taskInstances/start_run/xcomEntries/return_value", None),
    ((), "POST", f"{RUN}/taskInstances/start_run/xcomEntries", {"key": "return_value", "value": "x"}),
    # Runs of a DAG, as triggering makes them.
    (("owner",), "POST", "/api/v2/backfills", BACKFILL),
    ((), "GET", "/api/v2/variables", None),
    ((), "POST", "/api/v2/variables", {"key": "x", "value": "y"}),
    ((), "GET", "/api/v2/config", None),
    ((), "GET", "/api/v2/eventLogs", None),
    ((), "GET", "/api/v2/dagSources/bitbucket_compliance", None),
    ((), "DELETE", DAG, None),
    ((), "GET", "/auth/fab/v1/users", None),
    ((), "POST", "/auth/fab/v1/users", {"username": "another", "roles": [{"name": "Admin"}]}),
    ((), "PATCH", "/auth/fab/v1/users/viewer", {"roles": [{"name": "Admin"}]}),
    ((), "PATCH", "/auth/fab/v1/roles/Compliance%20Viewer", {"name": "x", "permissions": []}),
]


@pytest.fixture(scope="module")
def server(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with copied(postgres, "server_logins") as address, server_in(folder, address) as running:
        yield running


@pytest.mark.parametrize(("allowed", "method", "path", "body"), REQUESTS, ids=lambda value: str(value)[:60])
def test_each_role_may_what_it_needs_and_no_more(
    server: Server, allowed: tuple[str, ...], method: str, path: str, body: Any
) -> None:
    """What is allowed may still find nothing: no DAG was parsed here."""
    codes = {person: server.ask(person, method, path, body).status_code for person in PEOPLE}
    assert {person for person, code in codes.items() if code == 403} == set(PEOPLE) - set(allowed), codes
    assert 401 not in codes.values() and all(code < 500 for code in codes.values()), codes


def test_no_connection_is_tested_not_even_by_an_administrator(server: Server) -> None:
    assert server.ask(ADMIN, "POST", "/api/v2/connections/test", CONNECTION).status_code == 403


@pytest.mark.parametrize("door", ["/auth/token", "/auth/token/cli", "/auth/api/v1/security/login"])
def test_sixty_guesses_by_a_program_are_ten(server: Server, door: str) -> None:
    address = f"192.0.2.{len(door)}"
    codes = [server.sign_in(ADMIN, f"guess {number}", address, door).status_code for number in range(60)]
    assert codes == [401] * REFUSALS + [429] * (60 - REFUSALS)
    right = server.sign_in(ADMIN, server.passwords[ADMIN], address, door)
    assert right.status_code == 429 and "access_token" not in right.text


def test_an_address_of_ones_own_making_gives_no_more_guesses(server: Server) -> None:
    """The proxy adds the true address behind whatever the client stated."""
    codes = [server.sign_in(ADMIN, "guess", f"198.51.100.{number}, 192.0.2.99").status_code for number in range(20)]
    assert codes.count(401) == REFUSALS


def test_sixty_guesses_on_the_page_are_a_handful(server: Server) -> None:
    codes = [server.sign_in_by_form(ADMIN, f"guess {number}", "192.0.2.77").status_code for number in range(60)]
    assert codes.count(302) <= 6 and codes[-1] == 429


def test_the_metadata_holds_no_password_in_clear(server: Server) -> None:
    """As a lost backup of it would show."""
    fields = {"connection_id": "kept", "conn_type": "bitbucket", "password": "a-consumers-secret"}
    assert server.ask(ADMIN, "POST", "/api/v2/connections", fields).ok
    with contextlib.closing(sqlite3.connect(server.folder / "airflow.db")) as metadata:
        dump = "\n".join(metadata.iterdump())
    assert "owner@example.test" in dump and "'kept'" in dump
    assert [secret for secret in (*server.passwords.values(), fields["password"]) if secret in dump] == []


def test_behind_tls_the_cookies_of_a_login_travel_by_https_alone(server: Server) -> None:
    answer = server.sign_in_by_form(ADMIN, server.passwords[ADMIN], "192.0.2.78", scheme="https")
    cookies = answer.raw.headers.getlist("Set-Cookie")
    assert answer.status_code == 302 and {cookie.partition("=")[0] for cookie in cookies} >= {"_token", "session"}
    assert all("Secure" in cookie and "HttpOnly" in cookie for cookie in cookies), cookies


def test_the_administrators_password_stands_in_no_list_of_processes_and_in_no_service_that_stays() -> None:
    text = (ROOT / "docker-compose.yaml").read_text(encoding="utf-8")
    assert text.count("airflow users create") == 1 and "--password" not in text
    holders = [name for name, service in SERVICES.items() if "AIRFLOW_ADMIN_PASSWORD" in service.get("environment", {})]
    assert holders == ["airflow-init"]
