"""Tokens that end, are refused or get lost while a pipeline runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests import vaulting
from tests.faults.driver import Driver
from tests.pipeline.small import ACME, FAST, small_state

Serve = Callable[[SandboxState], SandboxServer]
ROOT = Path(__file__).resolve().parents[2]

PERSON: dict[str, Any] = {"auth": "authorization_code"}


def consent(driver: Driver, server: SandboxServer) -> None:
    """Have a person connect the driver's connection."""
    vaulting.connect(server, driver.dsn, keys=os.environ["COMPLIANCE_VAULT_KEY"])


def run_beside(workspace: str) -> subprocess.Popen[bytes]:
    """A run in a process of its own, over the connections that are set now."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "include"), str(ROOT / "plugins")])}
    return subprocess.Popen([sys.executable, "-m", "tests.faults.driver", workspace], env=environment, cwd=ROOT)


@pytest.mark.parametrize("grant", [{}, PERSON], ids=["client_credentials", "authorization_code"])
def test_a_token_that_ends_in_the_middle_of_a_listing_is_renewed_and_changes_no_verdict(
    driver: Driver, quiet: Callable[..., Driver], serve: Serve, grant: dict[str, Any]
) -> None:
    calm = quiet(small_state(120))
    server = serve(small_state(120))
    if grant:
        consent(driver, server)
    real = server.state.take_fault
    ended: list[int] = []

    def end_tokens(endpoint: str, slug: str | None) -> object:
        if endpoint == "repositories" and not ended:
            ended.append(1)  # the first page goes out with the token that ends behind it
        elif ended == [1]:
            ended.append(2)
            server.state.expire_tokens()
        return real(endpoint, slug)

    server.state.take_fault = end_tokens  # type: ignore[method-assign,assignment]
    driver.run(server, **grant)
    assert len(ended) == 2
    assert driver.verdicts() == calm.verdicts()
    assert server.state.reused_refresh_tokens == 0


def test_a_refused_refresh_ends_in_one_line_is_shown_and_stops_asking(driver: Driver, serve: Serve) -> None:
    server = serve(small_state(3))
    consent(driver, server)
    driver.run(server, **PERSON)
    before = driver.verdicts()
    server.state.expire_tokens()
    server.state.refuse_refresh = True
    for _ in range(2):
        with pytest.raises(AirflowFailException) as caught:
            driver.run(server, **PERSON)
        assert "connect" in str(caught.value) and "\n" not in str(caught.value)
    assert server.state.count("access_token", status=400) == 1, "nobody asks again until a person has connected"
    shown = driver.query("SELECT status, status_reason FROM integration.connections")
    assert shown[0]["status"] == "needs_reconnect" and shown[0]["status_reason"]
    errors = driver.query("SELECT error FROM compliance.runs WHERE error IS NOT NULL ORDER BY started_at")
    assert len(errors) == 2 and all("preflight" in row["error"] for row in errors)
    assert driver.verdicts() == before
    server.state.refuse_refresh = False
    consent(driver, server)
    driver.run(server, **PERSON)
    assert driver.verdicts() == before


@pytest.mark.slow
def test_two_processes_whose_token_lives_for_seconds_use_no_refresh_token_twice(
    driver: Driver, quiet: Callable[..., Driver], serve: Serve
) -> None:
    state = small_state(40)
    other = small_state(40, slug="beta")
    state.workspaces.append(other.workspaces[0])
    calm = quiet(small_state(40))
    server = serve(state)
    server.state.token_lifetime = 1
    server.state.latency_ms = 60
    driver.connect_to(server, **FAST, **PERSON, connections=2, requests_per_hour=0)
    consent(driver, server)
    processes = [run_beside(workspace) for workspace in (ACME, "beta")]
    assert [process.wait(180) for process in processes] == [0, 0]
    assert server.state.reused_refresh_tokens == 0
    refreshes = driver.query("SELECT count(*) AS n FROM integration.connection_events WHERE event = 'refreshed'")
    assert refreshes[0]["n"] >= 3
    for test_and_subject, verdict in calm.verdicts(ACME).items():
        assert driver.verdicts(ACME)[test_and_subject] == verdict


@pytest.mark.slow
def test_a_process_killed_while_it_refreshes_costs_at_worst_the_grant_and_says_so(driver: Driver, serve: Serve) -> None:
    server = serve(small_state(2))
    consent(driver, server)
    driver.run(server, **PERSON)
    before = driver.verdicts()
    server.state.expire_tokens()
    expired = "UPDATE integration.token_vault SET expires_at = now() RETURNING conn_id"
    assert vaulting.rows(driver.dsn, expired)
    server.state.token_hold = "after"
    process = run_beside(ACME)
    deadline = time.monotonic() + 60
    while not server.state.token_requests_held and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    server.state.token_hold = None
    driver.release(ACME)
    driver.query("UPDATE integration.workspace_leases SET renewed_at = now() - interval '1 hour' RETURNING 1")
    with pytest.raises(AirflowFailException, match="connect"):
        driver.run(server, **PERSON)
    assert driver.verdicts() == before
