"""Each thing that can go wrong, and what comes of it: one line that names the thing, nothing half-published."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from bitbucket_compliance.core.errors import BitbucketUnavailable, PipelineError, WaitForRequests
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from sandbox.build import Rules
from sandbox.errors import HTML_TOKEN
from sandbox.process import SandboxServer
from sandbox.state import ADMIN_SCOPES, SandboxState
from tests.harness import Pipeline
from tests.pipeline.small import (
    ACME,
    FAST,
    extract,
    history,
    protect,
    read,
    results,
    small_state,
    start,
    statuses,
    whole_run,
    write_csv,
)

Serve = Callable[[SandboxState], SandboxServer]
RULE_TESTS = ("status_checks_required", "peer_review_required", "branch_protection_enforced")
ROSTER = "email,name,status,end_date,account_id"


@pytest.fixture
def acme(serve: Serve) -> SandboxServer:
    """A sandbox with four healthy repositories."""
    return serve(small_state())


def messages(pipeline: Pipeline) -> str:
    """Everything a person may read of runs and calls."""
    calls = pipeline.query("SELECT message FROM landing.calls WHERE message IS NOT NULL")
    coverage = pipeline.query("SELECT message FROM staging.coverage WHERE message IS NOT NULL")
    runs = pipeline.query("SELECT error FROM compliance.runs WHERE error IS NOT NULL")
    return "\n".join(str(value) for row in (*calls, *coverage, *runs) for value in row.values())


def refused(pipeline: Pipeline, server: SandboxServer, grant: str = "admin", **options: str) -> str:
    """The one line a run that can't work ends with; nothing is published."""
    before = results(pipeline)
    with pytest.raises((AirflowFailException, PipelineError)) as caught:
        whole_run(pipeline, server, grant=grant, workspace=options.get("workspace", ACME))
    line = str(caught.value)
    assert line.strip() and "\n" not in line
    assert len(line) < 500
    after = results(pipeline)
    assert [{**row, "is_stale": None} for row in after] == [{**row, "is_stale": None} for row in before]
    return line


# ------------------------------------------------------------------------------- one repository


def test_a_repository_that_vanishes_after_the_listing_is_an_error_and_no_other_is_touched(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    whole_run(pipeline, acme)
    assert all(statuses(pipeline, "repo-1")[test] == "passing" for test in RULE_TESTS)
    acme.state.repository("repo-1").gone = True
    whole_run(pipeline, acme)
    found = pipeline.verdicts(ACME)
    for test in RULE_TESTS:
        assert found[test, "repo-1"] == ("error", None, "extract_failed")
        assert found[test, "repo-0"][0] == "passing"
    rows = pipeline.query(
        "SELECT resource, outcome, http_status FROM staging.coverage AS coverage"
        " INNER JOIN staging.repositories AS repositories USING (workspace, repository_id)"
        " WHERE repositories.slug = 'repo-1'"
    )
    assert {(row["outcome"], row["http_status"]) for row in rows} == {("not_found", 404)}
    acme.state.repository("repo-1").gone = False
    whole_run(pipeline, acme)
    assert all(statuses(pipeline, "repo-1")[test] == "passing" for test in RULE_TESTS)


UNREADABLE: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503},
    {"kind": "html", "status": 500},
    {"kind": "truncated"},
    {"kind": "invalid_json"},
    {"kind": "reset"},
    {"kind": "text", "status": 200, "body": "null"},
    {"kind": "text", "status": 200, "body": "[]"},
    {"kind": "text", "status": 200, "body": "{}"},
)


def test_repositories_that_can_not_be_read_are_errors_naming_the_call_and_no_other_is_touched(
    pipeline: Pipeline, serve: Serve
) -> None:
    server = serve(small_state(len(UNREADABLE) + 2))
    for number, fault in enumerate(UNREADABLE):
        for endpoint in ("branch_restrictions", "pull_requests", "pipelines_config"):
            server.state.add_fault(endpoint, slug=f"repo-{number}", **fault)
    whole_run(pipeline, server)
    rows = pipeline.query("SELECT * FROM compliance.current_results WHERE subject_type = 'repository'")
    found = {(row["test_id"], row["subject_name"]): row for row in rows}
    for number, fault in enumerate(UNREADABLE):
        for test in RULE_TESTS:
            row = found[test, f"repo-{number}"]
            assert (row["status"], row["reason_code"]) == ("error", "extract_failed"), (fault, test)
            assert "branch restrictions" in row["reason"]
        assert found["repo_classified", f"repo-{number}"]["status"] == "failing", "the registry decides that"
    healthy = {
        found[test, f"repo-{n}"]["status"] for n in range(len(UNREADABLE), len(UNREADABLE) + 2) for test in RULE_TESTS
    }
    assert healthy == {"passing"}
    calls = pipeline.query(
        "SELECT calls.*, repositories.slug FROM landing.calls AS calls"
        " INNER JOIN staging.repositories AS repositories USING (workspace, repository_id) WHERE outcome = 'failed'"
    )
    assert {(row["slug"], row["resource"]) for row in calls} >= {
        (f"repo-{n}", resource) for n in range(len(UNREADABLE)) for resource in ("branch_restrictions", "pull_requests")
    }
    host = server.url.removeprefix("http://")
    for row in calls:
        assert "\n" not in row["message"]
        assert row["slug"] in row["message"] or host in row["message"] or "listing" in row["message"]
    listed = [row for row in calls if row["slug"] == "repo-0"]
    assert {row["requests"] for row in listed} == {FAST["retry_attempts"]}
    server.state.faults.clear()
    whole_run(pipeline, server)
    assert {status for (test, _), status in statuses(pipeline).items() if test in RULE_TESTS} == {"passing"}


@pytest.mark.parametrize("body", [None, "Forbidden", json.dumps({"type": "error", "error": {"message": "no\u0000"}})])
def test_missing_rights_on_one_repository_are_no_failure_and_let_behaviour_decide(
    pipeline: Pipeline, acme: SandboxServer, body: str | None
) -> None:
    acme.state.add_fault("branch_restrictions", slug="repo-0", status=403, body=body)
    whole_run(pipeline, acme)
    found = pipeline.verdicts(ACME)
    assert found["status_checks_required", "repo-0"][:2] == ("passing", "behaviour")
    assert found["peer_review_required", "repo-0"][:2] == ("passing", "behaviour")
    assert found["branch_protection_enforced", "repo-0"] == ("pending", None, "permission_missing")


def test_an_error_text_with_characters_postgres_can_not_store_stops_nothing(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    for number, text in enumerate(("nul \x00 and", "surrogate \ud800 and", "line\nbreak and")):
        answer = json.dumps({"type": "error", "error": {"message": text}})
        acme.state.add_fault("pull_requests", slug=f"repo-{number}", status=403, body=answer)
        acme.state.add_fault("pipelines", slug=f"repo-{number}", status=404, body=answer)
    whole_run(pipeline, acme)
    assert statuses(pipeline, "repo-3")["peer_review_required"] == "passing"
    rows = pipeline.query("SELECT message FROM landing.calls WHERE message IS NOT NULL")
    assert len(rows) == 6
    assert all("and" in row["message"] and "\n" not in row["message"] for row in rows)


@pytest.mark.parametrize("status", [403, 404, 500])
def test_builds_that_can_not_be_read_are_asked_for_once(pipeline: Pipeline, acme: SandboxServer, status: int) -> None:
    # The fault ends after a while, so that a reader who never stops asking fails this test instead of hanging it.
    acme.state.add_fault("pull_request_statuses", slug="repo-0", status=status, remaining=40)
    whole_run(pipeline, acme, grant="five", retry_attempts=1)
    asked = acme.state.count("pull_request_statuses", slug="repo-0", status=status)
    assert asked == 1
    found = pipeline.verdicts(ACME)["status_checks_required", "repo-0"]
    if status == 403:
        assert (found[0], found[2]) == ("pending", "permission_missing")
    else:
        assert found == ("error", None, "extract_failed")


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_that_no_calendar_has_is_an_error_of_its_repository_alone(
    pipeline: Pipeline, acme: SandboxServer, when: str
) -> None:
    pull = {"id": 9, "state": "MERGED", "destination": {"branch": {"name": "main"}}, "participants": []}
    body = json.dumps({"size": 1, "values": [{**pull, "created_on": when, "updated_on": when}]})
    acme.state.add_fault("pull_requests", slug="repo-0", status=200, body=body)
    for _ in range(2):
        whole_run(pipeline, acme, grant="five")
        assert statuses(pipeline, "repo-0")["peer_review_required"] == "error"
        assert statuses(pipeline, "repo-1")["peer_review_required"] == "passing"


def test_an_unknown_kind_of_restriction_is_stored_and_protects_nothing(pipeline: Pipeline, acme: SandboxServer) -> None:
    rules = Rules(77)
    rules.glob("main", "require_moon_phase", value=3)
    acme.state.repository("repo-0").restrictions = rules.made
    whole_run(pipeline, acme)
    rows = pipeline.query("SELECT kind, value FROM staging.branch_restrictions WHERE restriction_id = 78")
    assert [(row["kind"], row["value"]) for row in rows] == [("require_moon_phase", 3)]
    found = statuses(pipeline, "repo-0")
    assert [found[test] for test in RULE_TESTS] == ["failing"] * 3


def test_a_repository_without_a_main_branch_has_nothing_to_protect(pipeline: Pipeline, acme: SandboxServer) -> None:
    acme.state.repository("repo-0").mainbranch = None
    whole_run(pipeline, acme)
    found = pipeline.verdicts(ACME)
    for test in RULE_TESTS:
        assert found[test, "repo-0"] == ("not_applicable", None, "no_main_branch")


# --------------------------------------------------------------------------------- passing faults


def test_rate_limits_and_passing_failures_are_cured_and_nothing_is_lost(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    whole_run(pipeline, acme)
    healthy = pipeline.verdicts(ACME)
    acme.state.reset()
    for kind, status in (("status", 429), ("status", 500), ("truncated", 500), ("reset", 500)):
        for endpoint, slug in (("workspace_members", None), ("pull_requests", "repo-3")):
            acme.state.add_fault(endpoint, kind=kind, slug=slug, status=status, remaining=1)  # type: ignore[arg-type]
    acme.state.add_fault("branch_restrictions", status=429, remaining=3)
    acme.state.add_fault("access_token", status=429, remaining=1)
    acme.state.add_fault("access_token", status=500, remaining=1)
    whole_run(pipeline, acme, retry_attempts=5)
    assert acme.state.count(status=429) == 6
    assert pipeline.verdicts(ACME) == healthy
    noted = pipeline.query("SELECT requests_spent FROM compliance.runs ORDER BY started_at DESC LIMIT 1")
    sent = sum(1 for record in acme.state.requests if record.path.startswith("/2.0/"))
    assert noted[0]["requests_spent"] == sent, "retries are spent too"


def test_an_endless_rate_limit_is_no_failure_but_a_reason_to_come_back(pipeline: Pipeline, acme: SandboxServer) -> None:
    pipeline.connect_to(acme, **FAST, rate_limit_pauses=2)
    fault = acme.state.add_fault("branch_restrictions", status=429)
    run_id = start()
    with pytest.raises(WaitForRequests, match="rate"):
        read(run_id)
    assert results(pipeline) == []
    fault.remaining = 0
    acme.state.reset()
    time.sleep(0.2)  # the pause that is shared by all workers
    tasks.read_chunk(ACME, run_id, 0)
    assert acme.state.count("repositories") == 0, "it goes on where it stopped"
    tasks.stage(ACME, run_id)
    pipeline.judge(run_id, ACME)
    tasks.publish(ACME, run_id)
    assert {statuses(pipeline, "repo-0")[test] for test in RULE_TESTS} == {"passing"}


# ----------------------------------------------------------------------------- the whole connection


@pytest.mark.parametrize("shape", ["json", "text", "html"])
def test_an_unknown_workspace_is_named_and_no_web_page_reaches_a_log(
    pipeline: Pipeline,
    acme: SandboxServer,
    shape: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    acme.state.workspace_not_found = shape  # type: ignore[assignment]
    line = refused(pipeline, acme, workspace="no-such-workspace")
    assert "no-such-workspace" in line and "check" in line
    printed = capfd.readouterr()
    everywhere = "\n".join([line, caplog.text, messages(pipeline), printed.out, printed.err])
    assert HTML_TOKEN not in everywhere
    assert "<html" not in everywhere.lower()
    assert "no-such-workspace" in messages(pipeline), "compliance.runs says why"
    whole_run(pipeline, acme)
    assert statuses(pipeline), "another workspace is not held up"


def test_a_web_page_instead_of_an_answer_reaches_neither_log_nor_landing(
    pipeline: Pipeline, acme: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for status, slug in ((404, "repo-0"), (500, "repo-1"), (403, "repo-2"), (200, "repo-3")):
        acme.state.add_fault("pull_requests", slug=slug, kind="html", status=status)
    whole_run(pipeline, acme)
    assert HTML_TOKEN not in caplog.text + messages(pipeline)
    for table in ("landing.objects", "landing.calls", "compliance.results", "judged.verdicts"):
        rows = pipeline.query(f"SELECT t::text AS row FROM {table} AS t WHERE t::text LIKE %s", (f"%{HTML_TOKEN}%",))  # noqa: S608
        assert rows == [], table


def test_a_wrong_secret_names_the_connection_and_hides_the_secret(
    pipeline: Pipeline, acme: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    acme.state.add_consumer("wrong", "another-secret", ADMIN_SCOPES)
    line = refused(pipeline, acme, grant="wrong")
    assert "bitbucket_default" in line
    assert "wrong-secret" not in line + caplog.text + messages(pipeline)
    acme.state.consumers["wrong"].secret = "wrong-secret"
    whole_run(pipeline, acme, grant="wrong")
    assert {statuses(pipeline, "repo-0")[test] for test in RULE_TESTS} == {"passing"}


@pytest.mark.parametrize(
    ("missing", "granted"),
    [
        ("account", ("repository", "pullrequest", "pipeline", "repository:admin")),
        ("repository", ("account", "pipeline", "repository:admin")),
    ],
)
def test_a_scope_no_run_can_do_without_is_named(
    pipeline: Pipeline, acme: SandboxServer, missing: str, granted: tuple[str, ...]
) -> None:
    acme.state.add_consumer("poor", "poor-secret", granted)
    line = refused(pipeline, acme, grant="poor")
    other = {"account": "repository", "repository": "account"}[missing]
    assert f"scope {missing} " in line and f"scope {other} " not in line
    assert "connect again" in line


def test_without_the_pull_request_scope_rules_still_decide_and_behaviour_waits(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    acme.state.add_consumer("no-merges", "no-merges-secret", ("account", "repository", "pipeline", "repository:admin"))
    acme.state.repository("repo-1").identity_permission = "write"
    whole_run(pipeline, acme, grant="no-merges")
    found = pipeline.verdicts(ACME)
    assert found["peer_review_required", "repo-0"][:2] == ("passing", "configuration")
    for test in ("status_checks_required", "peer_review_required"):
        assert found[test, "repo-1"] == ("pending", None, "scope_missing")
    assert acme.state.count("pull_requests") == 0, "what can't be allowed is not asked for"
    assert pipeline.query("SELECT open_pull_requests AS n FROM compliance.repositories")[0]["n"] is None


def test_without_the_pipeline_scope_runs_are_unknown(
    pipeline: Pipeline, acme: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("tests: {pipelines_enabled: {enabled: true}}\n")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    acme.state.add_consumer("no-runs", "no-runs-secret", ("account", "repository", "pullrequest"))
    whole_run(pipeline, acme, grant="no-runs")
    assert acme.state.count("pipelines") == 0
    assert pipeline.verdicts(ACME)["pipelines_enabled", "repo-0"] == ("pending", None, "scope_missing")
    row = pipeline.query("SELECT last_pipeline_state, last_pipeline_at, pipelines_enabled FROM compliance.repositories")
    assert set(row[0].values()) == {None}


def test_an_unreachable_host_is_named_and_a_re_run_finishes_the_job(
    pipeline: Pipeline, acme: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    with monkeypatch.context() as patch:
        patch.setattr(acme, "url", nobody)
        with pytest.raises(BitbucketUnavailable) as caught:
            whole_run(pipeline, acme)
    assert nobody.removeprefix("http://") in str(caught.value) or nobody in str(caught.value)
    assert "\n" not in str(caught.value)
    assert results(pipeline) == []
    runs = pipeline.query("SELECT status, error FROM compliance.runs")
    assert runs[0]["status"] == "failed" and runs[0]["error"].startswith("preflight: ")
    whole_run(pipeline, acme)
    assert statuses(pipeline, "repo-0")["peer_review_required"] == "passing"


def test_a_host_that_dies_in_the_middle_stops_the_chunk_and_a_retry_finishes(pipeline: Pipeline, serve: Serve) -> None:
    server = serve(small_state(6))
    for endpoint in ("branch_restrictions", "pull_requests", "pipelines", "pipelines_config"):
        server.state.add_fault(endpoint, kind="reset")
    pipeline.connect_to(server, "admin", **{**FAST, "retry_attempts": 1})
    run_id = start()
    tasks.list_workspace(ACME, run_id)
    tasks.plan_reading(ACME, run_id)
    with pytest.raises(BitbucketUnavailable, match="12 calls in a row"):
        tasks.read_chunk(ACME, run_id, 0)
    server.state.faults.clear()
    tasks.read_chunk(ACME, run_id, 0)
    tasks.stage(ACME, run_id)
    pipeline.judge(run_id, ACME)
    tasks.publish(ACME, run_id)
    assert {s for (test, _), s in statuses(pipeline).items() if test in RULE_TESTS} == {"passing"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("thresholds: {max_eror_share: 1}", "max_eror_share"),
        ("tests: {peer_reviw_required: {enabled: false}}", "peer_reviw_required"),
        ("thresholds: {behaviour_sample: many}", "behaviour_sample"),
        ("tests: [", "line 1"),
        ("- a list", "mapping"),
        (None, "can't be read"),
    ],
)
def test_a_broken_policy_file_is_named_before_anything_is_asked(
    pipeline: Pipeline,
    acme: SandboxServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str | None,
    named: str,
) -> None:
    policy = tmp_path / "policy.yaml"
    if text is not None:
        policy.write_text(text)
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    line = refused(pipeline, acme)
    assert named in line and str(policy) in line
    assert acme.state.requests == []
    assert pipeline.query("SELECT 1 FROM integration.workspace_leases") == []


# --------------------------------------------------------------------------------------- listings


@pytest.mark.parametrize("kind", ["repeat_item", "wrong_size"])
def test_a_listing_that_contradicts_itself_once_is_read_again_and_believed(
    pipeline: Pipeline, acme: SandboxServer, kind: str
) -> None:
    listings = (
        ("repositories", None),
        ("workspace_members", None),
        ("workspace_permissions", None),
        ("branch_restrictions", "repo-0"),
        ("pull_requests", "repo-0"),
    )
    for endpoint, slug in listings:
        acme.state.add_fault(endpoint, kind=kind, slug=slug, remaining=1)  # type: ignore[arg-type]
    whole_run(pipeline, acme)
    calls = pipeline.query("SELECT * FROM landing.calls WHERE reread")
    assert len(calls) == len(listings)
    for call in calls:
        assert (call["requests"], call["repeated_items"]) == (2, 0), call["resource"]
        assert call["items"] == call["listing_size"]
    assert {acme.state.count(endpoint, slug=slug) for endpoint, slug in listings} == {2}
    assert {statuses(pipeline, "repo-0")[test] for test in RULE_TESTS} == {"passing"}


@pytest.mark.parametrize("kind", ["repeat_item", "wrong_size"])
def test_a_listing_that_goes_on_contradicting_itself_is_read_twice_and_no_more(
    pipeline: Pipeline, acme: SandboxServer, kind: str
) -> None:
    acme.state.add_fault("repositories", kind=kind)  # type: ignore[arg-type]
    whole_run(pipeline, acme)
    assert acme.state.count("repositories") == 2
    row = pipeline.query("SELECT * FROM landing.calls WHERE resource = 'repositories'")[0]
    assert row["reread"] and row["outcome"] == "ok" and row["items"] == 4
    assert (row["repeated_items"], row["listing_size"]) == {"repeat_item": (1, 4), "wrong_size": (0, 11)}[kind]


def test_a_listing_without_a_size_is_believed(pipeline: Pipeline, acme: SandboxServer) -> None:
    acme.state.lists_carry_size = False
    whole_run(pipeline, acme)
    assert pipeline.query("SELECT 1 FROM landing.calls WHERE reread OR listing_size IS NOT NULL") == []
    assert {statuses(pipeline, "repo-0")[test] for test in RULE_TESTS} == {"passing"}


@pytest.mark.parametrize("listing", ["repositories", "members"])
def test_a_listing_shorter_than_its_own_size_removes_nobody(
    pipeline: Pipeline, acme: SandboxServer, listing: str
) -> None:
    """Design §5: what disappears from a *complete* listing leaves; a listing that counts more than it names is none."""
    whole_run(pipeline, acme)
    workspace = acme.state.workspaces[0]
    if listing == "repositories":
        name, test = workspace.repositories.pop().slug, "repo_classified"
        acme.state.add_fault("repositories", kind="wrong_size")
    else:
        name, test = workspace.members.pop().account.display_name, "offboarded_access_removed"
        acme.state.add_fault("workspace_members", kind="wrong_size")
    whole_run(pipeline, acme)
    assert (test, name) in statuses(pipeline)
    assert not any(row["reason_code"] == "removed_or_invisible" for row in history(pipeline))
    acme.state.faults.clear()
    whole_run(pipeline, acme)
    assert (test, name) not in statuses(pipeline)
    assert any(row["reason_code"] == "removed_or_invisible" for row in history(pipeline))


def test_a_membership_without_its_user_counts_and_is_nobody_to_judge(pipeline: Pipeline, acme: SandboxServer) -> None:
    crew = acme.state.workspaces[0].members
    known = [
        {"type": "workspace_membership", "user": {"uuid": m.account.uuid, "account_id": m.account.account_id,
         "display_name": m.account.display_name, "nickname": m.account.nickname, "type": "user"}}
        for m in crew
    ]  # fmt: skip
    nobody = {"type": "workspace_membership", "user": None}
    body = json.dumps({"values": [nobody, *known, nobody], "size": len(known) + 2})
    acme.state.add_fault("workspace_members", status=200, body=body)
    roles = [{"permission": "owner", "user": None}, {"permission": "member", "user": known[0]["user"]}]
    acme.state.add_fault("workspace_permissions", status=200, body=json.dumps({"values": roles, "size": 2}))
    whole_run(pipeline, acme)
    rows = pipeline.query("SELECT member_id, role FROM compliance.members")
    assert {row["member_id"]: row["role"] for row in rows} == {
        m.account.uuid: "member" if n == 0 else None for n, m in enumerate(crew)
    }
    call = pipeline.query("SELECT items, listing_size, reread FROM landing.calls WHERE resource = 'members'")
    assert call == [{"items": 4, "listing_size": 6, "reread": False}]
    crew.pop()
    acme.state.faults.clear()
    acme.state.add_fault("workspace_members", status=200, body=json.dumps({"values": [nobody, *known[:-1]], "size": 4}))
    whole_run(pipeline, acme)
    assert len(pipeline.query("SELECT 1 FROM compliance.members")) == 3, "who was removed is gone"


def test_an_empty_workspace_is_judged_and_published(pipeline: Pipeline, serve: Serve) -> None:
    server = serve(small_state(0, 0))
    run_id = whole_run(pipeline, server)
    found = pipeline.verdicts(ACME)
    assert set(found) == {("workspace_mfa_enforced", ACME)}
    runs = pipeline.query("SELECT run_id, status, repositories, requests_per_repository FROM compliance.runs")
    assert runs == [{"run_id": run_id, "status": "published", "repositories": 0, "requests_per_repository": None}]


def test_a_listing_that_landed_is_not_asked_for_again_and_one_that_failed_is(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    """A task that is retried (its worker died before it could say that it was done) may find objects changed."""
    pipeline.connect_to(acme, "admin", **FAST)
    run_id = start()
    broken = acme.state.add_fault("repositories")
    with pytest.raises(BitbucketUnavailable):
        tasks.list_workspace(ACME, run_id)
    broken.remaining = 0
    acme.state.reset()
    workspace = acme.state.workspaces[0]
    workspace.repositories[0].name = "Renamed in between"
    workspace.members[0].account.display_name = "Renamed in between"
    workspace.members[1].role = "owner"
    removed = workspace.repositories.pop()
    tasks.list_workspace(ACME, run_id)
    assert acme.state.count("repositories") == 1
    tasks.list_workspace(ACME, run_id)
    assert acme.state.count("repositories") == 1, "the third try finds everything landed"
    for chunk in tasks.plan_reading(ACME, run_id):
        tasks.read_chunk(ACME, run_id, chunk)
    tasks.stage(ACME, run_id)
    names = {r["slug"]: r["name"] for r in pipeline.query("SELECT slug, name FROM staging.repositories")}
    assert names["repo-0"] == "Renamed in between"
    assert removed.slug not in names
    people = pipeline.query("SELECT display_name, role FROM staging.members ORDER BY role, display_name")
    assert ("Renamed in between", "owner") in {(row["display_name"], row["role"]) for row in people}


# ------------------------------------------------------------------------------------------ names

NAMES = {
    "quotes": "O'Brien's \"quoted\" `name` \\ back\\slash",
    "sql": "Robert'); DROP TABLE compliance.results;--",
    "placeholders": "100%(workspace)s %s %d {0} $1 :name",
    "html": "<script>alert('x')</script><!-- ]]> -->",
    "formula": '=HYPERLINK("http://example.com","open")',
    "formula-at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "emoji": "\U0001f680\U0001f469\u200d\U0001f4bb launch",
    "rtl": "\u05e9\u05dc\u05d5\u05dd \u202egnp.exe",
    "white-space": " tab\there, newline\nthere, no-break\u00a0space ",
    "copy": "\\N \\. \\t end-of-data",
    "json": '{"a": [null]} \\u0000',
    "long": "x" * 5000,
}
UNSTORABLE = {
    "nul": ("before\x00after", "before\ufffdafter"),
    "lone-surrogate": ("before\ud800after", "before\ufffdafter"),
    "both": ("\x00\udfff \\u0000", "\ufffd\ufffd \\u0000"),
}


def test_names_are_stored_and_published_as_they_are(pipeline: Pipeline, serve: Serve, tmp_path: Path) -> None:
    state = small_state(len(NAMES) + len(UNSTORABLE), len(NAMES) + len(UNSTORABLE))
    given = [*NAMES.values(), *(pair[0] for pair in UNSTORABLE.values())]
    kept = [*NAMES.values(), *(pair[1] for pair in UNSTORABLE.values())]
    for repository, member, name in zip(
        state.workspaces[0].repositories, state.workspaces[0].members, given, strict=True
    ):
        repository.name = member.account.display_name = member.account.nickname = name
        repository.restrictions[0].users = [member.account]
        repository.restrictions[0].groups = [name]
    server = serve(state)
    accounts = [member.account.account_id for member in state.workspaces[0].members]
    rows = [("", name, "active", "", account) for name, account in zip(NAMES.values(), accounts, strict=False)]
    pipeline.take("roster", write_csv(tmp_path / "roster.csv", ROSTER, rows))
    whole_run(pipeline, server)
    slugs = [repository.slug for repository in state.workspaces[0].repositories]
    published = {r["slug"]: r["name"] for r in pipeline.query("SELECT slug, name FROM compliance.repositories")}
    assert [published[slug] for slug in slugs] == kept
    people = {r["account_id"]: r for r in pipeline.query("SELECT * FROM compliance.members")}
    assert [people[account]["display_name"] for account in accounts] == kept
    assert [people[account]["nickname"] for account in accounts] == kept
    judged = pipeline.query(
        "SELECT subject_name, status FROM compliance.current_results WHERE test_id = 'offboarded_access_removed'"
    )
    assert sorted(row["subject_name"] for row in judged) == sorted(kept)
    assert {row["status"] for row in judged if row["subject_name"] in NAMES.values()} == {"passing"}
    exempt = pipeline.query(
        "SELECT subject_name, detail FROM compliance.current_results WHERE test_id = 'branch_protection_enforced'"
    )
    shown = {row["subject_name"]: json.dumps(row["detail"], ensure_ascii=False) for row in exempt}
    for slug, name in zip(slugs, kept, strict=True):
        assert json.dumps(name, ensure_ascii=False) in shown[slug]
    assert {row["test_id"] for row in results(pipeline)} >= set(RULE_TESTS)


def test_branch_names_and_patterns_are_data_too(pipeline: Pipeline, acme: SandboxServer) -> None:
    branches = ["ma'in;--", "100%_main", "feature/\\x/\u202e*", "main"]
    for n, branch in enumerate(branches):
        repository = acme.state.repository(f"repo-{n}")
        repository.mainbranch = branch
        protect(repository, 500 * (n + 1), branch)
    protect(acme.state.repository("repo-3"), 9000, "m_in")  # _ is no wildcard in Bitbucket's patterns
    whole_run(pipeline, acme)
    found = statuses(pipeline)
    assert [found["branch_protection_enforced", f"repo-{n}"] for n in range(4)] == ["passing"] * 3 + ["failing"]


# ------------------------------------------------------------------------------ nothing half-published


def test_a_run_that_stops_anywhere_leaves_the_published_state_alone(pipeline: Pipeline, acme: SandboxServer) -> None:
    whole_run(pipeline, acme)
    tables = ("results", "result_history", "repositories", "members", "member_employment", "tests")

    def everything() -> list[Any]:
        return [pipeline.query(f"SELECT * FROM compliance.{table} ORDER BY 1, 2, 3") for table in tables]  # noqa: S608

    before = everything()
    acme.state.repository("repo-0").restrictions = []
    acme.state.workspaces[0].members.pop()
    run_id = start(full_refresh=True)
    read(run_id)
    assert everything() == before
    tasks.stage(ACME, run_id)
    assert everything() == before
    pipeline.judge(run_id, ACME)
    assert everything() == before
    pipeline.release(ACME)
    runs = pipeline.query("SELECT status, finished_at FROM compliance.runs WHERE run_id = %s", (run_id,))
    assert runs[0]["status"] == "failed" and runs[0]["finished_at"]
    assert everything() == before
    whole_run(pipeline, acme)
    assert statuses(pipeline, "repo-0")["peer_review_required"] == "failing"


def test_a_task_of_a_run_that_was_never_started_says_so(pipeline: Pipeline, acme: SandboxServer) -> None:
    pipeline.connect_to(acme)
    with pytest.raises(AirflowFailException, match="never started"):
        tasks.list_workspace(ACME, "nobody-started-this")


@pytest.mark.parametrize("slug", ["", "../other", "a b", "x/y", "https://bitbucket.org/acme"])
def test_what_is_no_workspace_slug_is_refused_before_anything_is_asked(
    pipeline: Pipeline, acme: SandboxServer, slug: str
) -> None:
    pipeline.connect_to(acme)
    with pytest.raises(AirflowFailException, match="slug"):
        extract(slug)
    assert acme.state.requests == []
