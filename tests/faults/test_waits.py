"""Rates that are limited and hours that are used up: the run waits, comes back, and asks for nothing twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bitbucket_compliance.core.errors import WaitForRequests
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from sandbox.process import SandboxServer, build_state
from sandbox.state import SandboxState
from tests.faults.driver import RULE_TESTS, Driver, answered_twice, api_requests, once_after
from tests.harness import DEMO
from tests.pipeline.small import ACME, FAST, small_state, start

Serve = Callable[[SandboxState], SandboxServer]
Quiet = Callable[..., Driver]

#: more repositories than one page of the listing holds
TWO_PAGES = 104


@pytest.mark.parametrize("grant", ["admin", "five"])
def test_three_429s_in_ten_answers_change_no_verdict_and_repeat_no_request(
    driver: Driver, quiet: Quiet, serve: Serve, grant: str
) -> None:
    calm = quiet(build_state("demo"), workspace=DEMO, grant=grant)
    server = serve(build_state("demo"))
    server.state.rate_429 = 0.3
    driver.run(server, DEMO, grant=grant, rate_limit_wait=0.005, rate_limit_pauses=1)
    assert server.state.count(status=429) > 30
    assert driver.waits, "the run was meant to give up waiting at least once"
    assert all(isinstance(waiting, WaitForRequests) for waiting in driver.waits)
    assert driver.verdicts(DEMO) == calm.verdicts(DEMO)
    assert answered_twice(server.state) == []


def test_a_wait_is_written_down_nowhere_as_a_failure(driver: Driver, serve: Serve) -> None:
    server = serve(small_state())
    server.state.rate_429 = 0.4
    run_id = driver.run(server, rate_limit_pauses=0)
    assert driver.waits
    assert driver.query("SELECT status, error FROM compliance.runs") == [{"status": "published", "error": None}]
    assert driver.query("SELECT 1 FROM landing.calls WHERE outcome <> 'ok' AND run_id = %s", (run_id,)) == []


def test_requests_spent_are_the_requests_sent_however_often_the_run_waited(driver: Driver, serve: Serve) -> None:
    server = serve(small_state(8))
    once_after(server.state, "user_workspace_permission", lambda: setattr(server.state, "rate_429", 0.4))
    driver.run(server, rate_limit_pauses=0)
    assert driver.waits
    noted = driver.query("SELECT requests_spent FROM compliance.runs")[0]["requests_spent"]
    assert noted == api_requests(server.state)


def test_requests_spent_include_those_that_preflight_sent_in_vain(driver: Driver, serve: Serve) -> None:
    server = serve(small_state())
    server.state.add_fault("user_workspace_permission", status=429, remaining=2)
    driver.run(server, rate_limit_pauses=1)
    assert len(driver.waits) == 1
    noted = driver.query("SELECT requests_spent FROM compliance.runs")[0]["requests_spent"]
    assert noted == api_requests(server.state)


# --------------------------------------------------------------------------------- the hour's budget


@pytest.mark.parametrize(("grant", "hourly"), [("admin", 60), ("admin", 7), ("five", 25)])
def test_an_hour_used_up_in_the_middle_costs_no_request_and_no_verdict(
    driver: Driver, quiet: Quiet, serve: Serve, grant: str, hourly: int
) -> None:
    asked = build_state("demo")
    calm = quiet(asked, workspace=DEMO, grant=grant)
    server = serve(build_state("demo"))
    driver.wake = driver.hour_passes
    driver.run(server, DEMO, grant=grant, requests_per_hour=hourly)
    assert len(driver.waits) >= api_requests(asked) // hourly - 1
    assert answered_twice(server.state) == []
    assert api_requests(server.state) == api_requests(asked)
    assert driver.verdicts(DEMO) == calm.verdicts(DEMO)


def test_an_hour_never_holds_more_requests_than_it_may(driver: Driver, serve: Serve) -> None:
    server = serve(small_state(12))
    sent: list[int] = []

    def hour_passes(waiting: object) -> None:
        sent.append(api_requests(server.state))
        driver.hour_passes()

    driver.wake = hour_passes
    driver.run(server, requests_per_hour=10)
    hours = [after - before for before, after in zip([0, *sent], [*sent, api_requests(server.state)], strict=True)]
    assert len(hours) > 3
    assert max(hours) <= 10
    assert min(hours[:-1]) >= 9, "nor does it waste the hour"


def test_an_hour_used_up_between_two_pages_of_repositories_goes_on_behind_the_first(
    driver: Driver, quiet: Quiet, serve: Serve
) -> None:
    asked = small_state(TWO_PAGES)
    calm = quiet(asked)
    server = serve(small_state(TWO_PAGES))
    driver.wake = driver.hour_passes
    driver.connect_to(server, **{**FAST, "requests_per_hour": 4})
    run_id = start(full_refresh=True)
    try:
        driver.step(lambda: tasks.preflight(ACME, run_id))
        driver.step(lambda: tasks.list_workspace(ACME, run_id))
        assert [type(waiting) for waiting in driver.waits] == [WaitForRequests]
        assert server.state.count("repositories") == 2
        driver.connect_to(server, **{**FAST, "requests_per_hour": 0})
        for chunk in tasks.plan_reading(ACME, run_id):
            driver.step(lambda number=chunk: tasks.read_chunk(ACME, run_id, number))  # type: ignore[misc]
        tasks.stage(ACME, run_id)
        driver.judge(run_id, ACME)
        tasks.publish(ACME, run_id)
    finally:
        driver.release(ACME)
    assert answered_twice(server.state) == []
    assert api_requests(server.state) == api_requests(asked)
    assert driver.verdicts(ACME) == calm.verdicts(ACME)
    assert len(driver.query("SELECT 1 FROM compliance.repositories")) == TWO_PAGES


def test_a_listing_that_changes_during_the_wait_is_read_again_and_judged_as_it_is_now(
    driver: Driver, serve: Serve
) -> None:
    """An hour lies between two pages: what was created meanwhile shifts the second one."""
    server = serve(small_state(TWO_PAGES))
    workspace = server.state.workspaces[0]
    newcomer = workspace.repositories.pop()

    def an_hour_with_news(waiting: object) -> None:
        if newcomer not in workspace.repositories:
            workspace.repositories.insert(0, newcomer)
        driver.hour_passes()

    once = once_after(server.state, "repositories", lambda: None)
    driver.wake = an_hour_with_news
    driver.connect_to(server, **{**FAST, "requests_per_hour": 4})
    run_id = start(full_refresh=True)
    try:
        driver.step(lambda: tasks.preflight(ACME, run_id))
        driver.step(lambda: tasks.list_workspace(ACME, run_id))
        assert once and driver.waits
        driver.connect_to(server, **{**FAST, "requests_per_hour": 0})
        for chunk in tasks.plan_reading(ACME, run_id):
            tasks.read_chunk(ACME, run_id, chunk)
        tasks.stage(ACME, run_id)
        driver.judge(run_id, ACME)
        tasks.publish(ACME, run_id)
    finally:
        driver.release(ACME)
    judged = {name for test, name in driver.verdicts(ACME) if test == RULE_TESTS[0]}
    assert judged == {f"repo-{n}" for n in range(TWO_PAGES)}
    call = driver.query("SELECT items, listing_size, reread FROM landing.calls WHERE resource = 'repositories'")
    assert call == [{"items": TWO_PAGES, "listing_size": TWO_PAGES, "reread": True}]
