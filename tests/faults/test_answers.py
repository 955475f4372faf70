"""Answers that fail, break off or make no sense, in a whole run: cured by a retry, or an error of one repository."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sandbox.process import SandboxServer, build_state
from sandbox.state import FaultKind, SandboxState
from tests.faults.driver import RULE_TESTS, Driver, with_errors
from tests.harness import DEMO
from tests.pipeline.small import small_state

Serve = Callable[[SandboxState], SandboxServer]
Quiet = Callable[..., Driver]

ALL_LISTINGS = ("repositories", "workspace_members", "workspace_permissions", "branch_restrictions", "pull_requests")


@pytest.mark.parametrize("grant", ["admin", "five"])
def test_five_500s_in_a_hundred_answers_change_no_verdict(
    driver: Driver, quiet: Quiet, serve: Serve, grant: str
) -> None:
    calm = quiet(build_state("demo"), workspace=DEMO, grant=grant)
    server = serve(build_state("demo"))
    server.state.rate_500 = 0.05
    driver.run(server, DEMO, grant=grant, retry_attempts=8)
    assert server.state.count(status=500) >= 2
    assert driver.verdicts(DEMO) == calm.verdicts(DEMO)


def test_429s_500s_and_bodies_that_break_off_together_change_no_verdict(
    driver: Driver, quiet: Quiet, serve: Serve
) -> None:
    calm = quiet(build_state("demo"), workspace=DEMO)
    server = serve(build_state("demo"))
    server.state.rate_429, server.state.rate_500 = 0.3, 0.05
    kinds: tuple[FaultKind, ...] = ("truncated", "reset_in_body", "invalid_json", "reset")
    for kind in kinds:
        for endpoint in (*ALL_LISTINGS, "pipelines", "pipelines_config", "pull_request_statuses"):
            server.state.add_fault(endpoint, kind=kind, remaining=1)
    driver.run(server, DEMO, retry_attempts=12, rate_limit_wait=0.005, rate_limit_pauses=2)
    assert all(fault.remaining == 0 for fault in server.state.faults)
    assert server.state.count(status=429) > 30 and server.state.count(status=500) >= 3
    assert driver.verdicts(DEMO) == calm.verdicts(DEMO)


@pytest.mark.parametrize("kind", ["truncated", "reset_in_body", "reset", "invalid_json"])
def test_a_body_that_breaks_off_is_asked_for_again(driver: Driver, quiet: Quiet, serve: Serve, kind: FaultKind) -> None:
    calm = quiet(small_state())
    server = serve(small_state())
    for endpoint in (*ALL_LISTINGS, "pipelines", "pipelines_config", "user_workspace_permission"):
        server.state.add_fault(endpoint, kind=kind, remaining=1)
    driver.run(server)
    assert all(fault.remaining == 0 for fault in server.state.faults)
    assert driver.verdicts() == calm.verdicts()


@pytest.mark.parametrize("kind", ["truncated", "reset_in_body", "invalid_json"])
def test_bodies_that_always_break_off_are_errors_of_their_repository_alone(
    driver: Driver, quiet: Quiet, serve: Serve, kind: FaultKind
) -> None:
    calm = quiet(small_state())
    server = serve(small_state())
    for endpoint in ("branch_restrictions", "pull_requests", "pipelines", "pipelines_config"):
        server.state.add_fault(endpoint, kind=kind, slug="repo-1")
    driver.run(server)
    unread = [(test, "repo-1") for test in RULE_TESTS]
    assert driver.verdicts() == with_errors(calm.verdicts(), *unread)
