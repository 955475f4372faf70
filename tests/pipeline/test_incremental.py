"""What a later run asks again and what it doesn't; the order of the work; what is left to the next run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_compliance.core.errors import RunNotNeeded, WaitForRequests
from bitbucket_compliance.pipeline.extract.plan.costs import readings_a_day
from bitbucket_compliance.pipeline.extract.plan.plan import make_plan
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from sandbox.build import Rules
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.small import ACME, FAST, extract, read, small_state, start, statuses, touch, whole_run

Serve = Callable[[SandboxState], SandboxServer]


@pytest.fixture
def acme(serve: Serve) -> SandboxServer:
    return serve(small_state(5))


def asked(server: SandboxServer) -> set[str]:
    """Slugs of the repositories anything below was asked of."""
    return {record.slug for record in server.state.requests if record.slug}


def age(pipeline: Pipeline, hours: float, slug: str | None = None) -> None:
    """Let the readings (of one repository) be so many hours older."""
    pipeline.query(
        "UPDATE landing.repository_reads AS reads SET read_at = reads.read_at - make_interval(secs => 3600.0 * %s)"
        " FROM staging.repositories AS repositories WHERE repositories.repository_id = reads.repository_id"
        " AND (repositories.slug = %s OR %s::text IS NULL) RETURNING 1",
        (hours, slug, slug),
    )


def again(pipeline: Pipeline, server: SandboxServer, **options: Any) -> set[str]:
    """A further run without a touch; the repositories it asked about."""
    server.state.reset(faults=False)
    whole_run(pipeline, server, touched=False, **options)
    return asked(server)


# ------------------------------------------------------------------------------------------ what is due


def test_an_untouched_repository_is_not_asked_about_again_within_a_day(pipeline: Pipeline, acme: SandboxServer) -> None:
    whole_run(pipeline, acme)
    before = pipeline.verdicts(ACME)
    assert again(pipeline, acme) == set()
    assert pipeline.verdicts(ACME) == before
    row = pipeline.query("SELECT * FROM compliance.runs ORDER BY started_at DESC LIMIT 1")[0]
    assert (row["repositories_read"], row["repositories_left"]) == (0, 0)
    assert row["plan"]["causes"] == {}


def test_a_repository_that_bitbucket_updated_is_read_at_once_and_no_other(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    whole_run(pipeline, acme)
    acme.state.repository("repo-3").restrictions = []
    touch(acme, "repo-3")
    assert again(pipeline, acme) == {"repo-3"}
    assert statuses(pipeline, "repo-3")["branch_protection_enforced"] == "failing"
    assert statuses(pipeline, "repo-2")["branch_protection_enforced"] == "passing"


def test_every_repository_is_read_again_when_its_reading_is_older_than_the_policy_says(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    whole_run(pipeline, acme)
    age(pipeline, 20, "repo-1")
    age(pipeline, 15.9, "repo-2")
    assert again(pipeline, acme) == {"repo-1"}


def test_a_full_refresh_reads_everything_but_the_builds_of_merges_that_are_decided(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    whole_run(pipeline, acme, grant="five")
    assert acme.state.count("pull_request_statuses") > 0
    assert again(pipeline, acme, grant="five", full_refresh=True) == {f"repo-{n}" for n in range(5)}
    assert acme.state.count("pull_request_statuses") == 0


def test_a_repository_of_which_a_call_failed_is_due_at_once(pipeline: Pipeline, acme: SandboxServer) -> None:
    fault = acme.state.add_fault("pull_requests", slug="repo-4")
    whole_run(pipeline, acme)
    fault.remaining = 0
    assert again(pipeline, acme) == {"repo-4"}
    assert statuses(pipeline, "repo-4")["peer_review_required"] == "passing"


def test_another_grant_reads_everything_again(pipeline: Pipeline, acme: SandboxServer) -> None:
    whole_run(pipeline, acme, grant="five")
    assert statuses(pipeline, "repo-0")["branch_protection_enforced"] == "pending"
    assert len(again(pipeline, acme, grant="admin")) == 5
    assert statuses(pipeline, "repo-0")["branch_protection_enforced"] == "passing"


def test_a_repository_that_left_and_came_back_is_read_anew(pipeline: Pipeline, acme: SandboxServer) -> None:
    whole_run(pipeline, acme)
    gone = acme.state.workspaces[0].repositories.pop()
    assert again(pipeline, acme) == set()
    acme.state.workspaces[0].repositories.append(gone)
    assert again(pipeline, acme) == {gone.slug}
    assert statuses(pipeline, gone.slug)["branch_protection_enforced"] == "passing"


def test_what_was_read_about_another_main_branch_decides_nothing_about_the_new_one(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    whole_run(pipeline, acme)
    assert statuses(pipeline, "repo-2")["branch_protection_enforced"] == "passing"
    acme.state.repository("repo-2").mainbranch = "trunk"
    pipeline.connect_to(acme, "admin", **FAST)
    run_id = start()
    tasks.preflight(ACME, run_id)
    tasks.list_workspace(ACME, run_id)
    tasks.plan_reading(ACME, run_id)  # and then its turn does not come in this run
    tasks.stage(ACME, run_id)
    pipeline.judge(run_id, ACME)
    tasks.publish(ACME, run_id)
    pipeline.release(ACME)
    verdicts = {key: verdict for key, verdict in pipeline.verdicts(ACME).items() if key[1] == "repo-2"}
    assert verdicts["branch_protection_enforced", "repo-2"] == ("pending", None, "not_read_yet")
    assert verdicts["peer_review_required", "repo-2"] == ("pending", None, "not_read_yet")
    assert statuses(pipeline, "repo-3")["branch_protection_enforced"] == "passing"
    whole_run(pipeline, acme, touched=False)
    assert statuses(pipeline, "repo-2")["branch_protection_enforced"] == "failing", "no rule names trunk"


def test_a_rule_that_no_longer_refers_to_the_branching_model_forgets_it_and_others_keep_theirs(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    for slug in ("repo-0", "repo-1"):
        for rule in acme.state.repository(slug).restrictions:
            rule.branch_match_kind, rule.pattern, rule.branch_type = "branching_model", "", "production"
    whole_run(pipeline, acme)
    before = statuses(pipeline, "repo-1")
    touch(acme, "repo-0")
    assert again(pipeline, acme) == {"repo-0"}
    assert statuses(pipeline, "repo-1") == before


def test_a_policy_that_requires_another_protection_reads_the_model_that_it_refers_to(
    pipeline: Pipeline, acme: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    merging = Rules(9000)
    merging.glob("", "restrict_merges")
    [rule] = merging.made
    rule.branch_match_kind, rule.branch_type = "branching_model", "development"
    acme.state.repository("repo-0").restrictions.append(rule)
    whole_run(pipeline, acme)
    policy = tmp_path / "policy.yaml"
    policy.write_text("thresholds: {required_protections: [push, force, delete, restrict_merges]}\n")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    whole_run(pipeline, acme, touched=False)
    assert statuses(pipeline, "repo-0")["branch_protection_enforced"] == "passing"
    assert statuses(pipeline, "repo-1")["branch_protection_enforced"] == "failing"


# ------------------------------------------------------------------------------------------ order


def test_work_goes_never_read_first_then_failed_then_the_stalest_then_what_changed(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    fault = acme.state.add_fault("pipelines", slug="repo-2")
    removed = acme.state.workspaces[0].repositories.pop(1)
    whole_run(pipeline, acme)
    fault.remaining = 0
    acme.state.workspaces[0].repositories.append(removed)
    age(pipeline, 30, "repo-3")
    age(pipeline, 40, "repo-4")
    touch(acme, "repo-0")
    pipeline.connect_to(acme, **FAST)
    run_id = start()
    tasks.preflight(ACME, run_id)
    tasks.list_workspace(ACME, run_id)
    tasks.plan_reading(ACME, run_id)
    rows = pipeline.query("SELECT slug, cause FROM landing.work_items WHERE run_id = %s ORDER BY place", (run_id,))
    assert [(row["slug"], row["cause"]) for row in rows] == [
        ("repo-1", "never_read"),
        ("repo-2", "failed_before"),
        ("repo-4", "stale"),
        ("repo-3", "stale"),
        ("repo-0", "changed"),
    ]
    pipeline.release(ACME)


class Allowance:
    """A budget with so many requests an hour, all of them free."""

    def __init__(self, limit: int | None, left: int | None = None) -> None:
        self.limit = limit
        self._left = left if left is not None else limit

    def left(self) -> int | None:
        return self._left


@given(
    listed=st.integers(0, 20_000),
    new=st.integers(0, 20_000),
    limit=st.one_of(st.none(), st.integers(1, 10_000)),
    later=st.floats(1, 8),
)
def test_a_plan_says_too_large_exactly_when_a_day_of_readings_clearly_exceeds_a_day_of_requests(
    listed: int, new: int, limit: int | None, later: float
) -> None:
    plan = make_plan(listed, {"never_read": min(new, listed)}, (later + 5, later), Allowance(limit), 1.0)
    if limit is None:
        assert plan.times_too_large is None and plan.hours == 0
    else:
        assert (plan.times_too_large is not None) == (plan.daily_requests / (24 * limit) >= 1.05)
        assert (plan.hours == 0) == (plan.requests <= limit) or plan.requests - limit < limit


def test_readings_a_day_follow_from_how_often_repositories_change() -> None:
    assert readings_a_day({"changed": 0, "hours": 0.0}, 20) == pytest.approx(24 / 17)
    assert readings_a_day({"changed": 0, "hours": 500.0}, 20) == pytest.approx(24 / 17)
    # 5 % an hour: a share of exp(-0.05 * 17) gets old before it changes, the mean time between is 11.5 hours
    assert readings_a_day({"changed": 5_000, "hours": 100_000.0}, 20) == pytest.approx(24 / 11.45, rel=0.01)


@given(
    changed=st.integers(0, 100_000),
    hours=st.floats(0.01, 1e6),
    reread_hours=st.floats(2, 1000),
)
def test_readings_a_day_are_no_fewer_than_age_demands_nor_than_changes(
    changed: int, hours: float, reread_hours: float
) -> None:
    found = readings_a_day({"changed": changed, "hours": hours}, reread_hours)
    assert found >= 24 / (0.85 * reread_hours) * (1 - 1e-9)
    assert found >= 24 * changed / hours * (1 - 1e-9)
    assert found <= (24 / (0.85 * reread_hours) + 24 * changed / hours) * (1 + 1e-9)


# ------------------------------------------------------------------------------- waiting for requests


def use_up(pipeline: Pipeline, server: SandboxServer, limit: int) -> str:
    """Start a run that comes to the end of its requests while it reads; its id."""
    pipeline.connect_to(server, **FAST, requests_per_hour=limit, connections=2)
    run_id = start()
    with pytest.raises(WaitForRequests, match="in an hour"):
        read(run_id)
    return run_id


def an_hour_later(pipeline: Pipeline) -> None:
    pipeline.query("UPDATE integration.request_ledger SET bin = bin - interval '2 hours' RETURNING 1")


def test_a_run_that_has_used_up_its_hour_goes_on_later_and_asks_nothing_twice(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    quiet = len(_requests_of_a_quiet_run(pipeline, acme))
    acme.state.reset()
    pipeline.query("DELETE FROM landing.repository_reads RETURNING 1")
    an_hour_later(pipeline)
    run_id = use_up(pipeline, acme, 14)
    assert len(_api(acme)) == 14
    an_hour_later(pipeline)
    tasks.read_chunk(ACME, run_id, 0)
    assert len(_api(acme)) == quiet
    pipeline.release(ACME)


def _api(server: SandboxServer) -> list[Any]:
    return [record for record in server.state.requests if record.path.startswith("/2.0/")]


def _requests_of_a_quiet_run(pipeline: Pipeline, server: SandboxServer) -> list[Any]:
    whole_run(pipeline, server)
    return _api(server)


def test_what_a_run_leaves_when_its_time_is_up_waits_for_the_next_one(
    pipeline: Pipeline, acme: SandboxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("thresholds: {reading_hours: 0}\n")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    pipeline.connect_to(acme, **FAST, requests_per_hour=14, connections=2)
    run_id = start()
    read(run_id)
    tasks.stage(ACME, run_id)
    tasks.gate(ACME, run_id, "staging")
    pipeline.judge(run_id, ACME)
    tasks.gate(ACME, run_id, "results")
    tasks.publish(ACME, run_id)
    tasks.finish_run(ACME, run_id)
    row = pipeline.query("SELECT * FROM compliance.runs WHERE run_id = %s", (run_id,))[0]
    assert row["repositories_left"] + row["repositories_read"] == 5 and 0 < row["repositories_left"] < 5
    verdicts = pipeline.verdicts(ACME)
    waiting = [name for (test, name), found in verdicts.items() if found == ("pending", None, "not_read_yet")]
    assert len(waiting) == 3 * row["repositories_left"], "tests 4 to 6 of each repository that was not read"
    an_hour_later(pipeline)
    pipeline.connect_to(acme, **FAST)
    next_id = extract()
    planned = pipeline.query("SELECT count(*) AS n FROM landing.work_items WHERE run_id = %s", (next_id,))
    assert planned == [{"n": row["repositories_left"]}], "the next run begins with what was left"
    pipeline.release(ACME)


def test_a_run_that_meets_one_which_waits_for_requests_is_skipped(pipeline: Pipeline, acme: SandboxServer) -> None:
    run_id = use_up(pipeline, acme, 14)
    with pytest.raises(RunNotNeeded, match=rf"run {run_id} of workspace acme, at work since .* waits for requests"):
        start()
    assert pipeline.query("SELECT run_id FROM integration.workspace_leases") == [{"run_id": run_id}]
    an_hour_later(pipeline)
    tasks.read_chunk(ACME, run_id, 0)
    left = pipeline.query("SELECT count(*) AS n FROM landing.work_items WHERE run_id = %s AND left_over", (run_id,))
    assert left == [{"n": 0}], "nor does it leave anything for the sake of the other"
    pipeline.release(ACME)


def test_a_run_waits_no_longer_than_the_policy_allows(
    pipeline: Pipeline, acme: SandboxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("thresholds: {reading_hours: 0}\n")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    pipeline.connect_to(acme, **FAST, requests_per_hour=14, connections=2)
    run_id = start()
    read(run_id)
    left = pipeline.query("SELECT count(*) AS n FROM landing.work_items WHERE run_id = %s AND left_over", (run_id,))
    assert left[0]["n"] > 0
    pipeline.release(ACME)


def test_a_run_that_waits_keeps_its_workspace_and_one_that_never_comes_back_loses_it(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    run_id = use_up(pipeline, acme, 14)
    held = pipeline.query("SELECT run_id, waits_until - now() AS wait FROM integration.workspace_leases")
    assert held[0]["run_id"] == run_id
    assert timedelta(minutes=50) < held[0]["wait"] < timedelta(minutes=65)
    pipeline.query(
        "UPDATE integration.workspace_leases SET renewed_at = now() - interval '2 hours',"
        " waits_until = now() - interval '20 minutes' RETURNING 1"
    )
    other = start()
    assert pipeline.query("SELECT run_id FROM integration.workspace_leases") == [{"run_id": other}]
    pipeline.release(ACME)


def test_data_older_than_the_policy_allows_is_no_verdict_any_more(
    pipeline: Pipeline, acme: SandboxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """A workspace too large for its budget: what was not read in time waits, and holds up nobody's publication."""
    whole_run(pipeline, acme)
    age(pipeline, 60)
    pipeline.query("UPDATE staging.coverage SET data_as_of = data_as_of - interval '60 hours' RETURNING 1")
    policy = tmp_path / "policy.yaml"
    policy.write_text("thresholds: {reread_hours: 100}\n")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    assert again(pipeline, acme) == set()
    assert {pipeline.verdicts(ACME)[test, "repo-1"] for test in ("peer_review_required", "status_checks_required")} == {
        ("pending", None, "not_read_yet")
    }
