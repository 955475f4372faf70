"""Several workspaces of one connection share its requests: the plan of each one knows the others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bitbucket_compliance.pipeline.extract.plan.plan import Shared, make_plan
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.small import ACME, FAST, small_state, start, whole_run

Serve = Callable[[SandboxState], SandboxServer]
BETA = "beta"


class Allowance:
    """A budget of which so many requests are left."""

    def __init__(self, limit: int, left: int) -> None:
        self.limit = limit
        self._left = left

    def left(self) -> int:
        return self._left


def test_the_time_a_reading_takes_counts_what_is_ahead_of_it() -> None:
    alone = make_plan(100, {"never_read": 100}, (4.0, 1.0), Allowance(200, 0), 1.0)
    beside = make_plan(100, {"never_read": 100}, (4.0, 1.0), Allowance(200, 0), 1.0, shared=Shared(1, 0, 600))
    assert (alone.hours, beside.hours) == (2.0, 5.0)


def test_workspaces_that_each_fit_are_too_large_together() -> None:
    def plan(others: int) -> float | None:
        shared = Shared(others, others * 20_000, 0)
        return make_plan(4000, {}, (4.0, 5.0), Allowance(1000, 1000), 1.0, shared=shared).times_too_large

    assert (plan(0), plan(1)) == (None, 1.7)


def test_a_run_for_events_says_nothing_about_the_budget_of_a_day() -> None:
    plan = make_plan(4000, {"event": 1}, (4.0, 5.0), Allowance(100, 100), 0.0, shared=Shared(5, 200_000, 0))
    assert plan.times_too_large is None


def test_the_plan_of_a_workspace_knows_the_others_of_its_connection(
    pipeline: Pipeline, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    servers = {slug: serve(small_state(3, slug=slug)) for slug in (ACME, BETA)}
    whole_run(pipeline, servers[BETA], workspace=BETA)
    [known] = pipeline.query("SELECT plan FROM integration.runs WHERE workspace = %s", (BETA,))
    connection = {**FAST, "workspaces": [ACME, BETA.upper(), "never-read"], "requests_per_hour": 500}
    # One that is at work, of which something is left to read.
    pipeline.connect_to(servers[BETA], "admin", **connection)
    at_work = start(BETA, full_refresh=True)
    tasks.preflight(BETA, at_work)
    tasks.list_workspace(BETA, at_work)
    tasks.plan_reading(BETA, at_work)
    [begun] = pipeline.query("SELECT plan FROM integration.runs WHERE run_id = %s", (at_work,))
    spent = "SELECT sum(requests) AS requests FROM landing.calls WHERE run_id = %s"
    [sent] = pipeline.query(spent, (at_work,))
    left = max(0, begun["plan"]["requests"] - sent["requests"])
    assert left > 0 and known["plan"]["shared"]["workspaces"] == 0

    pipeline.connect_to(servers[ACME], "admin", **connection)
    run_id = start(ACME)
    tasks.preflight(ACME, run_id)
    tasks.list_workspace(ACME, run_id)
    tasks.plan_reading(ACME, run_id)
    [row] = pipeline.query("SELECT plan FROM integration.runs WHERE run_id = %s", (run_id,))
    daily = begun["plan"]["daily_requests"]
    assert row["plan"]["shared"] == {"workspaces": 2, "daily_requests": daily, "requests_left": left}
    assert f"500 an hour are shared with 2 other workspaces of the connection, which take about {daily}" in caplog.text
    for workspace in (ACME, BETA):
        pipeline.release(workspace)


def test_a_run_takes_its_share_alone_and_wants_no_more_once_it_has_ended(pipeline: Pipeline, serve: Serve) -> None:
    server = serve(small_state(3))
    pipeline.connect_to(server, "admin", **FAST, workspaces=[ACME], requests_per_hour=500)
    run_id = start(ACME)
    tasks.preflight(ACME, run_id)
    tasks.list_workspace(ACME, run_id)
    [unknown] = pipeline.query("SELECT * FROM integration.request_shares")
    assert (unknown["spender"], unknown["wanted"]) == (ACME, None)
    tasks.plan_reading(ACME, run_id)
    [planned] = pipeline.query("SELECT * FROM integration.request_shares")
    [plan] = pipeline.query("SELECT plan FROM integration.runs")
    assert planned["wanted"] == plan["plan"]["requests"] > 0
    pipeline.release(ACME)
    [ended] = pipeline.query("SELECT * FROM integration.request_shares")
    [sent] = pipeline.query("SELECT sum(requests) AS requests FROM integration.request_ledger")
    assert ended["wanted"] == 0 and sum(ended["requests"]) == sent["requests"] > 0
