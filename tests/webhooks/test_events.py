"""Runs for what webhooks announced: what they read, judge and leave alone, and that no event gets lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.rows import dict_row

from bitbucket_compliance.core.database import run_sql
from bitbucket_compliance.core.errors import BitbucketUnavailable, RunNotNeeded
from bitbucket_compliance.pipeline.run.events.claim import Announced, affordable
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from bitbucket_compliance.tasks import bitbucket_events, housekeeping
from sandbox.build import Pulls, midnight
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.announced import announce, answer, begin, event, register, waiting
from tests.pipeline.small import ACME, people, repository, small_state, statuses, touch, whole_run, write_csv

Serve = Callable[[SandboxState], SandboxServer]


@pytest.fixture
def acme(pipeline: Pipeline, serve: Serve) -> SandboxServer:
    """A workspace of five repositories, read and judged once."""
    server = serve(small_state(5))
    whole_run(pipeline, server)
    server.state.reset(faults=False)
    return server


LISTED = (
    "SELECT resource, run_id FROM staging.coverage"
    " WHERE repository_id = '' AND resource <> 'identity_role' ORDER BY resource"
)


def asked(server: SandboxServer) -> set[str]:
    """Slugs of the repositories that anything was asked of."""
    return {record.slug for record in server.state.requests if record.slug}


def endpoints(server: SandboxServer) -> list[str]:
    """Names of the endpoints asked, in order."""
    return [record.endpoint for record in server.state.requests]


def uuid(server: SandboxServer, slug: str) -> str:
    return server.state.repository(slug).uuid


def published(pipeline: Pipeline) -> dict[tuple[str, str], tuple[Any, ...]]:
    """What is published of each test and subject, but for times and the run.

    Since when a rule is in force, and so what was merged past it, is told from the second judgement on.
    """
    kept = ("subject_name", "status", "basis", "reason_code", "reason", "remediation", "detail", "facts_hash")
    rows = pipeline.query("SELECT * FROM compliance.current_results WHERE workspace = %s", (ACME,))
    for row in rows:
        row["detail"] = {k: v for k, v in row["detail"].items() if k not in ("in_force_since", "bypassed")}
    return {(row["test_id"], row["subject_id"]): tuple(str(row[name]) for name in kept) for row in rows}


def inventory(pipeline: Pipeline) -> list[dict[str, Any]]:
    rows = pipeline.query("SELECT * FROM compliance.repositories WHERE workspace = %s ORDER BY repository_id", (ACME,))
    return [{name: value for name, value in row.items() if name not in ("data_as_of", "updated_on")} for row in rows]


# ------------------------------------------------------------------------------------- what is read and judged


def test_only_the_repository_that_an_event_names_is_read_and_judged(pipeline: Pipeline, acme: SandboxServer) -> None:
    before = pipeline.query("SELECT test_id, subject_id, run_id, evaluated_at FROM compliance.results")
    acme.state.repository("repo-3").restrictions = []
    event_id = announce(pipeline, uuid(acme, "repo-3"))
    run_id = answer(pipeline, acme, gates=True)

    assert asked(acme) == {"repo-3"}
    assert "repositories" not in endpoints(acme)
    assert statuses(pipeline, "repo-3")["branch_protection_enforced"] == "failing"
    after = pipeline.query("SELECT test_id, subject_id, run_id, evaluated_at FROM compliance.results")
    touched = {(row["test_id"], row["subject_id"]) for row in after if row["run_id"] == run_id}
    assert {subject for _, subject in touched} == {uuid(acme, "repo-3")}
    others = [row for row in before if row["subject_id"] != uuid(acme, "repo-3")]
    assert all(row in after for row in others)
    assert event(pipeline, event_id)["run_id"] == run_id
    assert waiting(pipeline) == 0
    run = pipeline.query("SELECT * FROM compliance.runs WHERE run_id = %s", (run_id,))[0]
    assert (run["kind"], run["events"], run["status"], run["repositories_read"]) == ("events", 1, "published", 1)
    sent = [name for name in endpoints(acme) if name != "access_token"]
    assert run["requests_spent"] == len(sent)
    assert sorted(sent) == [
        "branch_restrictions",
        "pipelines",
        "pipelines_config",
        "pull_requests",
        "repository",
        "user_workspace_permission",
    ]
    assert run["quality"] in ("passed", "passed_with_warnings")


@pytest.mark.parametrize(("touched", "is_small"), [(10, True), (11, False)])
def test_a_run_for_events_about_few_repositories_is_one_task(
    pipeline: Pipeline, acme: SandboxServer, touched: int, is_small: bool
) -> None:
    for number in range(touched):
        for _ in range(2):
            announce(pipeline, f"{{repository-{number}}}")
    assert tasks.start_run(ACME, "events", full_refresh=False, incremental=True) is is_small
    tasks.finish_run(ACME, "events")
    assert tasks.start_run(ACME, "whole", full_refresh=False) is False
    pipeline.release(ACME)


@pytest.mark.slow
def test_the_one_task_of_such_a_run_that_broke_off_goes_on_where_it_stopped(
    pipeline: Pipeline, acme: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme.state.repository("repo-0").restrictions = []
    announce(pipeline, uuid(acme, "repo-0"))
    begin("events")
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "publish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            tasks.answer_at_once(ACME, "events")
    spent = Counter((record.endpoint, record.slug) for record in acme.state.requests if record.slug)
    assert waiting(pipeline) == 1 and spent
    told = tasks.answer_at_once(ACME, "events")
    tasks.finish_run(ACME, "events")
    assert Counter((record.endpoint, record.slug) for record in acme.state.requests if record.slug) == spent
    assert (told["kind"], waiting(pipeline)) == ("events", 0)
    assert statuses(pipeline, "repo-0")["branch_protection_enforced"] == "failing"
    steps = pipeline.query("SELECT step FROM integration.run_steps WHERE run_id = 'events'")
    assert {row["step"] for row in steps} >= {"read_repositories 0", "gate results", "publish"}


def test_many_events_on_one_repository_are_one_reading(pipeline: Pipeline, acme: SandboxServer) -> None:
    for _ in range(50):
        announce(pipeline, uuid(acme, "repo-1"))
    announce(pipeline, uuid(acme, "repo-2"), "pullrequest:approved")
    answer(pipeline, acme)
    assert asked(acme) == {"repo-1", "repo-2"}
    assert endpoints(acme).count("pull_requests") == 2
    assert waiting(pipeline) == 0


def test_members_and_their_verdicts_stay_as_they_are(pipeline: Pipeline, acme: SandboxServer) -> None:
    members = pipeline.query("SELECT * FROM compliance.members ORDER BY member_id")
    coverage = pipeline.query(LISTED)
    acme.state.workspaces[0].members.pop()
    announce(pipeline, uuid(acme, "repo-0"))
    answer(pipeline, acme)
    assert pipeline.query("SELECT * FROM compliance.members ORDER BY member_id") == members
    assert pipeline.query(LISTED) == coverage


def test_a_run_for_events_opens_no_interval_where_nothing_changed(pipeline: Pipeline, acme: SandboxServer) -> None:
    before = pipeline.query("SELECT count(*) AS n FROM compliance.result_history")
    announce(pipeline, uuid(acme, "repo-0"))
    answer(pipeline, acme)
    assert pipeline.query("SELECT count(*) AS n FROM compliance.result_history") == before


def test_under_another_policy_every_subject_is_judged_again(
    pipeline: Pipeline, acme: SandboxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("tests: {pipelines_enabled: {enabled: true}, repo_classified: {enabled: false}}\n")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    announce(pipeline, uuid(acme, "repo-0"))
    answer(pipeline, acme, gates=True)
    assert asked(acme) == {"repo-0"}
    found = statuses(pipeline)
    assert {name for test, name in found if test == "pipelines_enabled"} == {f"repo-{n}" for n in range(5)}
    assert not [test for test, _ in found if test == "repo_classified"]
    assert len({row["policy_version"] for row in pipeline.query("SELECT policy_version FROM compliance.results")}) == 1


# -------------------------------------------------------------------- repositories that come, go, are called otherwise


@pytest.mark.parametrize("event_key", ["repo:deleted", "pullrequest:fulfilled"])
def test_a_repository_that_is_gone_leaves_the_results_behind_a_complete_listing(
    pipeline: Pipeline, acme: SandboxServer, event_key: str
) -> None:
    gone = uuid(acme, "repo-4")
    acme.state.workspaces[0].repositories.pop()
    announce(pipeline, gone, event_key)
    answer(pipeline, acme, gates=True)
    assert "repositories" in endpoints(acme)
    assert not [key for key in published(pipeline) if key[1] == gone]
    history = pipeline.query(
        "SELECT DISTINCT reason_code FROM compliance.result_history WHERE subject_id = %s AND valid_to IS NULL", (gone,)
    )
    assert history == [{"reason_code": "removed_or_invisible"}]
    assert gone not in {row["repository_id"] for row in inventory(pipeline)}
    assert waiting(pipeline) == 0


def test_a_repository_that_answers_404_and_is_still_listed_is_an_error(pipeline: Pipeline, acme: SandboxServer) -> None:
    acme.state.repository("repo-2").gone = True
    announce(pipeline, uuid(acme, "repo-2"))
    answer(pipeline, acme)
    assert statuses(pipeline, "repo-2")["branch_protection_enforced"] == "error"


def test_a_new_repository_is_judged(pipeline: Pipeline, acme: SandboxServer) -> None:
    made = repository("repo-new", people(), number=9)
    acme.state.workspaces[0].repositories.append(made)
    announce(pipeline, made.uuid, "repo:created")
    answer(pipeline, acme, gates=True)
    assert asked(acme) == {"repo-new"}
    assert statuses(pipeline, "repo-new")["branch_protection_enforced"] == "passing"


def test_a_new_name_and_another_main_branch_are_seen(pipeline: Pipeline, acme: SandboxServer) -> None:
    one = acme.state.repository("repo-1")
    one.slug, one.mainbranch = "repo-renamed", "trunk"
    announce(pipeline, one.uuid, "repo:updated")
    answer(pipeline, acme)
    assert statuses(pipeline, "repo-renamed")["branch_protection_enforced"] == "failing"
    assert statuses(pipeline, "repo-1") == {}


def test_an_event_about_no_repository_reads_the_listing_alone(pipeline: Pipeline, acme: SandboxServer) -> None:
    announce(pipeline, None, "project:updated")
    answer(pipeline, acme, gates=True)
    assert "repositories" in endpoints(acme)
    assert asked(acme) == set()
    assert waiting(pipeline) == 0


def test_an_event_about_a_strange_repository_changes_nothing(pipeline: Pipeline, acme: SandboxServer) -> None:
    before = published(pipeline)
    announce(pipeline, "{00000000-0000-4000-8000-000000000000}")
    answer(pipeline, acme, gates=True)
    assert published(pipeline) == before
    assert waiting(pipeline) == 0


def test_a_repository_that_can_not_be_asked_for_is_never_judged_by_its_main_branch_of_before(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    one = acme.state.repository("repo-1")
    # Its rules protect main alone.
    one.mainbranch = "trunk"
    announce(pipeline, one.uuid, "repo:updated")
    acme.state.add_fault("repository", slug="repo-1", status=500)
    answer(pipeline, acme, gates=True)
    assert statuses(pipeline, "repo-1")["branch_protection_enforced"] == "failing"
    assert waiting(pipeline) == 0


def test_a_run_ends_where_neither_the_repository_nor_the_listing_can_be_read(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    before = published(pipeline)
    one = acme.state.repository("repo-1")
    one.mainbranch = "trunk"
    announce(pipeline, one.uuid, "repo:updated")
    acme.state.add_fault("repository", slug="repo-1", status=500)
    acme.state.add_fault("repositories", status=500)
    with pytest.raises(BitbucketUnavailable):
        answer(pipeline, acme)
    assert published(pipeline) == before
    assert waiting(pipeline) == 1


def test_what_the_listing_shows_of_other_repositories_is_judged_too(
    pipeline: Pipeline, acme: SandboxServer, tmp_path: Path
) -> None:
    rows = [("pattern", "repo-*", "production", "internal", "Ada")]
    declared = write_csv(tmp_path / "c.csv", "target_type,target,classification,sensitivity,owner", rows)
    pipeline.take("classification", declared)
    whole_run(pipeline, acme)
    assert statuses(pipeline, "repo-2")["repo_classified"] == "passing"
    # Neither was announced; a deletion that was makes the run read the listing.
    acme.state.repository("repo-2").is_private = False
    acme.state.repository("repo-3").mainbranch = "trunk"
    announce(pipeline, uuid(acme, "repo-4"), "repo:deleted")
    acme.state.workspaces[0].repositories.pop()
    acme.state.reset(faults=False)
    answer(pipeline, acme, gates=True)
    assert statuses(pipeline, "repo-2")["repo_classified"] == "failing"
    assert statuses(pipeline, "repo-3")["branch_protection_enforced"] == "failing"
    assert asked(acme) == {"repo-3"}


# ------------------------------------------------------------------------------------------- nothing gets lost


def test_what_comes_after_a_run_began_to_read_waits_for_the_next(pipeline: Pipeline, acme: SandboxServer) -> None:
    announce(pipeline, uuid(acme, "repo-0"))
    run_id = begin("late")
    tasks.preflight(ACME, run_id)
    tasks.list_workspace(ACME, run_id)
    late = announce(pipeline, uuid(acme, "repo-0"))
    # A further try of the step must not take it up: what it read before may be older.
    tasks.list_workspace(ACME, run_id)
    for chunk in tasks.plan_reading(ACME, run_id):
        tasks.read_chunk(ACME, run_id, chunk)
    tasks.stage(ACME, run_id)
    pipeline.judge(run_id, ACME)
    tasks.publish(ACME, run_id)
    tasks.finish_run(ACME, run_id)
    assert event(pipeline, late)["run_id"] is None
    assert waiting(pipeline) == 1
    answer(pipeline, acme)
    assert waiting(pipeline) == 0


def test_events_of_a_run_that_failed_wait_again_longer_each_time(pipeline: Pipeline, acme: SandboxServer) -> None:
    event_id = announce(pipeline, uuid(acme, "repo-0"))
    waits = []
    for number in (1, 2, 3):
        run_id = begin(f"broken-{number}")
        tasks.preflight(ACME, run_id)
        tasks.list_workspace(ACME, run_id)
        assert event(pipeline, event_id)["run_id"] == run_id
        tasks.finish_run(ACME, run_id)
        row = event(pipeline, event_id)
        assert (row["run_id"], row["handled_at"], row["announced_at"], row["tries"]) == (None, None, None, number)
        waits.append((row["waits_until"] - datetime.now(UTC)).total_seconds())
        pipeline.query("UPDATE integration.webhook_events SET waits_until = null RETURNING 1")
    assert 100 < waits[0] < 130 < waits[1] < 250 < waits[2] < 490
    answer(pipeline, acme)
    assert waiting(pipeline) == 0


def test_a_polling_run_takes_in_what_waits_whatever_it_waits_for(pipeline: Pipeline, acme: SandboxServer) -> None:
    acme.state.repository("repo-3").restrictions = []
    event_id = announce(pipeline, uuid(acme, "repo-3"))
    pipeline.query("UPDATE integration.webhook_events SET waits_until = now() + interval '1 hour' RETURNING 1")
    run_id = whole_run(pipeline, acme, touched=False)
    assert asked(acme) == {"repo-3"}
    assert statuses(pipeline, "repo-3")["branch_protection_enforced"] == "failing"
    assert event(pipeline, event_id)["run_id"] == run_id
    assert waiting(pipeline) == 0
    plan = pipeline.query("SELECT plan, kind, events FROM compliance.runs WHERE run_id = %s", (run_id,))[0]
    assert (plan["plan"]["causes"], plan["kind"], plan["events"]) == ({"event": 1}, "polling", 1)


def test_a_superseded_run_answers_nothing(pipeline: Pipeline, acme: SandboxServer) -> None:
    event_id = announce(pipeline, uuid(acme, "repo-0"))
    run_id = begin("superseded")
    tasks.preflight(ACME, run_id)
    tasks.list_workspace(ACME, run_id)
    for chunk in tasks.plan_reading(ACME, run_id):
        tasks.read_chunk(ACME, run_id, chunk)
    tasks.stage(ACME, run_id)
    pipeline.judge(run_id, ACME)
    pipeline.query("UPDATE integration.workspace_leases SET run_id = 'another' RETURNING 1")
    with pytest.raises(Exception, match="no longer holds workspace"):
        tasks.publish(ACME, run_id)
    assert event(pipeline, event_id)["handled_at"] is None


def test_a_run_without_anything_to_answer_adds_nothing(pipeline: Pipeline, acme: SandboxServer) -> None:
    with pytest.raises(RunNotNeeded, match="no event of workspace acme waits"):
        begin("idle")
    assert pipeline.query("SELECT 1 FROM integration.workspace_leases") == []


def test_events_wait_while_another_run_is_at_work(pipeline: Pipeline, acme: SandboxServer) -> None:
    event_id = announce(pipeline, uuid(acme, "repo-0"))
    pipeline.query("UPDATE integration.webhook_events SET announced_at = now() RETURNING 1")
    tasks.start_run(ACME, "at-work", full_refresh=False)
    with pytest.raises(RunNotNeeded, match="another run of workspace acme is at work"):
        begin("second")
    tasks.finish_run(ACME, "at-work")
    # It may ask for a run at once.
    row = event(pipeline, event_id)
    assert (row["announced_at"], row["waits_until"]) == (None, None)


def test_a_workspace_that_was_never_judged_is_left_to_its_first_whole_run(pipeline: Pipeline, serve: Serve) -> None:
    server = serve(small_state(2))
    pipeline.connect_to(server)
    event_id = announce(pipeline, uuid(server, "repo-0"))
    with pytest.raises(RunNotNeeded, match="was never judged yet"):
        begin("early")
    assert event(pipeline, event_id)["waits_until"] > datetime.now(UTC)
    whole_run(pipeline, server)
    assert waiting(pipeline) == 0


def test_the_workspaces_to_start_runs_for_are_those_with_announced_events(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    register(pipeline)
    announce(pipeline, uuid(acme, "repo-0"))
    assert bitbucket_events.workspaces_with_events() == []
    pipeline.query("SELECT * FROM integration.announce_events(0, 0, 60)")
    assert bitbucket_events.workspaces_with_events() == [{"workspace": ACME, "incremental": True}]
    answer(pipeline, acme)
    assert bitbucket_events.workspaces_with_events() == []


# ------------------------------------------------------------------------------------------------ the budget


def test_events_spend_their_share_of_the_hours_requests_and_no_more(pipeline: Pipeline, serve: Serve) -> None:
    server = serve(small_state(12))
    whole_run(pipeline, server)
    server.state.reset(faults=False)
    for number in range(12):
        server.state.repository(f"repo-{number}").restrictions = []
        announce(pipeline, uuid(server, f"repo-{number}"))
    # The whole run has spent of the same 200: a quarter of them are 50, some 5 a repository.
    first = answer(pipeline, server, requests_per_hour=200)
    spent = len([name for name in endpoints(server) if name != "access_token"])
    assert 25 <= spent <= 50
    read = asked(server)
    assert 5 <= len(read) < 12
    assert waiting(pipeline) == 12 - len(read)
    # In the order in which they came.
    assert read == {f"repo-{number}" for number in range(len(read))}
    assert pipeline.query("SELECT status FROM compliance.runs WHERE run_id = %s", (first,)) == [{"status": "published"}]
    later = pipeline.query("SELECT min(waits_until) AS at FROM integration.webhook_events WHERE handled_at IS NULL")
    assert later[0]["at"] > datetime.now(UTC) + timedelta(minutes=10)
    whole_run(pipeline, server, touched=False, requests_per_hour=0)
    assert waiting(pipeline) == 0
    assert set(statuses(pipeline).values()) >= {"failing"}
    assert all(
        status == "failing" for (test, _), status in statuses(pipeline).items() if test == "branch_protection_enforced"
    )


@given(
    touched=st.lists(
        st.builds(Announced, st.uuids().map(str), st.integers(1, 9), st.booleans(), st.booleans()),
        max_size=30,
        unique_by=lambda one: one.repository_id,
    ),
    cost=st.floats(1, 12),
    listing=st.integers(1, 100),
    allowance=st.floats(-50, 400),
)
def test_what_is_chosen_never_costs_more_than_the_allowance(
    touched: list[Announced], cost: float, listing: int, allowance: float
) -> None:
    chosen = [one for one in touched if one.repository_id in affordable(touched, cost, listing, allowance)]
    price = len(chosen) * cost + (listing if any(one.needs_listing for one in chosen) else 0)
    assert not chosen or price <= allowance + 1e-6
    # Nobody is passed over who would have been served alone with what was left.
    left = [one for one in touched if one not in chosen]
    assert all(price + cost + (listing if one.needs_listing else 0) > allowance - 1e-6 for one in left) or any(
        one.needs_listing for one in left
    )


# --------------------------------------------------------------------------------- the same as a whole run


@pytest.mark.parametrize("seed", range(4))
def test_after_any_changes_that_were_announced_events_lead_where_a_whole_run_does(
    pipeline: Pipeline, acme: SandboxServer, seed: int
) -> None:
    random = Random(seed)  # noqa: S311 - a choice and no secret
    for step in range(3):
        for number in range(random.randint(1, 6)):
            key, touched = change(acme, random, 10 * step + number)
            for _ in range(random.randint(1, 3)):
                announce(pipeline, touched, key)
        answer(pipeline, acme)
    assert waiting(pipeline) == 0
    by_events = published(pipeline), inventory(pipeline)
    whole_run(pipeline, acme, full_refresh=True)
    assert (published(pipeline), inventory(pipeline)) == by_events


def change(server: SandboxServer, random: Random, number: int) -> tuple[str, str]:
    """Something that people do and Bitbucket announces: the event's key and the repository's uuid."""
    workspace = server.state.workspaces[0]
    one = random.choice(workspace.repositories)
    match random.choice(("merge", "merge", "approve", "open", "create", "delete", "rename", "branch", "publish")):
        case "merge":
            pulls = Pulls(f"{one.slug}-{number}", midnight())
            pulls.add(age=0, author=people()[0], approved_by=[people()[1]] if random.random() < 0.5 else [])
            pulls.made[0].id = 1000 + number
            one.pull_requests.insert(0, pulls.made[0])
            return "pullrequest:fulfilled", one.uuid
        case "approve" if one.pull_requests:
            random.choice(one.pull_requests).participants.clear()
            return "pullrequest:unapproved", one.uuid
        case "create":
            made = repository(f"made-{number}", people(), number=50 + number)
            workspace.repositories.append(made)
            return "repo:created", made.uuid
        case "delete" if len(workspace.repositories) > 4:
            workspace.repositories.remove(one)
            return "repo:deleted", one.uuid
        case "branch":
            one.mainbranch = random.choice(("main", "trunk", None))
            return "repo:updated", one.uuid
        case "publish":
            one.is_private = not one.is_private
            return "repo:updated", one.uuid
        case _:
            one.slug = f"renamed-{number}"
            return "repo:updated", one.uuid


# ----------------------------------------------------------------------------------------------------- gaps


def merged(server: SandboxServer, slug: str, minutes_ago: float) -> None:
    """A merge nobody announced."""
    one = server.state.repository(slug)
    pulls = Pulls(slug, midnight())
    pulls.add(age=0, author=people()[0], approved_by=[people()[1]])
    pulls.made[0].id = 777
    pulls.made[0].updated_on = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    pulls.made[0].created_on = pulls.made[0].updated_on - timedelta(days=2)
    one.pull_requests.insert(0, pulls.made[0])


def gaps(pipeline: Pipeline) -> list[tuple[str, str]]:
    return [
        (row["kind"], row["object_key"])
        for row in pipeline.query("SELECT kind, object_key FROM integration.webhook_gaps ORDER BY 1, 2")
    ]


@pytest.fixture
def an_hour_ago(pipeline: Pipeline, acme: SandboxServer) -> SandboxServer:
    """The workspace, whose last polling run began an hour ago."""
    pipeline.query("UPDATE integration.runs SET started_at = started_at - interval '1 hour' RETURNING 1")
    return acme


def test_a_merge_that_polling_found_and_no_event_announced_is_a_gap(
    pipeline: Pipeline, an_hour_ago: SandboxServer
) -> None:
    register(pipeline)
    merged(an_hour_ago, "repo-1", minutes_ago=30)
    whole_run(pipeline, an_hour_ago)
    assert gaps(pipeline) == [("pull_request", "777")]
    health = pipeline.query("SELECT gaps_in_a_week, active, waiting FROM integration.webhook_health")
    assert health == [{"gaps_in_a_week": 1, "active": 1, "waiting": 0}]
    whole_run(pipeline, an_hour_ago)
    assert len(gaps(pipeline)) == 1


@pytest.mark.parametrize("why", ["announced", "just now", "before the webhook", "not subscribed", "no webhook"])
def test_no_gap_where_an_event_came_or_none_was_to_come(
    pipeline: Pipeline, an_hour_ago: SandboxServer, why: str
) -> None:
    merged(an_hour_ago, "repo-1", minutes_ago=2 if why == "just now" else 30)
    if why != "no webhook":
        register(
            pipeline,
            hours_ago=0 if why == "before the webhook" else 24,
            events=("repo:created",) if why == "not subscribed" else (),
        )
    if why == "announced":
        announce(pipeline, uuid(an_hour_ago, "repo-1"), age_minutes=29)
    whole_run(pipeline, an_hour_ago)
    assert gaps(pipeline) == []


def test_a_gap_just_now_is_found_by_the_run_after(pipeline: Pipeline, an_hour_ago: SandboxServer) -> None:
    register(pipeline)
    merged(an_hour_ago, "repo-1", minutes_ago=2)
    whole_run(pipeline, an_hour_ago)
    assert gaps(pipeline) == []
    pipeline.query("UPDATE integration.runs SET started_at = started_at - interval '30 minutes' RETURNING 1")
    # it counts as merged when it was first read as merged
    pipeline.query("UPDATE staging.pull_requests SET merged_on = merged_on - interval '30 minutes' RETURNING 1")
    touch(an_hour_ago, "repo-1")
    whole_run(pipeline, an_hour_ago)
    assert gaps(pipeline) == [("pull_request", "777")]


# -------------------------------------------------------------------------------------------------- exports


@pytest.mark.parametrize("by_id", [False, True])
def test_a_run_for_events_makes_an_export_of_the_rest_no_fresher(
    pipeline: Pipeline, acme: SandboxServer, by_id: bool
) -> None:
    whole = pipeline.query("SELECT finished_at FROM compliance.runs")[0]["finished_at"]
    announce(pipeline, uuid(acme, "repo-0"))
    run_id = answer(pipeline, acme)
    with psycopg.connect(pipeline.dsn, row_factory=dict_row) as connection:
        if by_id:
            found = run_sql(connection, "reporting/exports/snapshot/published_run.sql", {"run_id": run_id}).fetchone()
        else:
            keys = {"workspace": ACME, "as_of": datetime.now(UTC)}
            found = run_sql(connection, "reporting/exports/snapshot/run_at.sql", keys).fetchone()
    assert found is not None
    assert found["finished_at"] == whole


# ------------------------------------------------------------------------------------------------- retention


def test_answered_events_are_forgotten_and_waiting_ones_are_not(pipeline: Pipeline, acme: SandboxServer) -> None:
    old = announce(pipeline, uuid(acme, "repo-0"))
    answer(pipeline, acme)
    pipeline.query("UPDATE integration.webhook_events SET handled_at = handled_at - interval '91 days' RETURNING 1")
    new = announce(pipeline, uuid(acme, "repo-0"), age_minutes=200 * 24 * 60)
    housekeeping.forget_old()
    left = [row["event_id"] for row in pipeline.query("SELECT event_id FROM integration.webhook_events")]
    assert old not in left
    assert left == [new]
