"""What the two gates stop, and what a stopped run leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException
from psycopg import sql

from bitbucket_compliance.core.errors import GateUnanswered
from bitbucket_compliance.pipeline.gate.expectations import results as result_suite
from bitbucket_compliance.pipeline.gate.expectations import staging
from bitbucket_compliance.security_tests.policies import load_policy
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from sandbox.build import Rules, uuid_of
from sandbox.model import Repository
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.databases import unguarded
from tests.harness import Pipeline
from tests.pipeline.small import (
    ACME,
    FAST,
    PROTECTING,
    extract,
    history,
    people,
    results,
    small_state,
    statuses,
    touch,
    whole_run,
    write_csv,
)
from tests.pipeline.small import (
    repository as made_repository,
)

# Great Expectations says that a class of its own exists for Postgres.
pytestmark = pytest.mark.filterwarnings("ignore:You are using a generic SQLDatasource")

Serve = Callable[[SandboxState], SandboxServer]

ERROR_SHARE = "calls failed on no more than 10% of the repositories, or on three"
SHRINK = "no listing is more than 10% shorter than the last published one"
ROSTER_AGE = "a roster was imported in the last 7 days"
ANOMALIES = "no listing repeats an object or disagrees with its own size"


@pytest.fixture
def acme(serve: Serve) -> SandboxServer:
    """A sandbox with eleven healthy repositories: one is less than a tenth, two are more."""
    return serve(small_state(11))


def gated(
    pipeline: Pipeline, server: SandboxServer, tamper: Callable[[str], object] | None = None, grant: str = "admin"
) -> tuple[str, str | None]:
    """A run with both gates, as in the DAG; its id, and what the gate that stopped it said."""
    pipeline.connect_to(server, grant, **FAST)
    touch(server)
    run_id = ""
    try:
        run_id = extract()
        tasks.gate(ACME, run_id, "staging")
        pipeline.judge(run_id, ACME)
        if tamper:
            tamper(run_id)
        tasks.gate(ACME, run_id, "results")
        tasks.publish(ACME, run_id)
    except AirflowFailException as stopped:
        return run_id, str(stopped)
    finally:
        pipeline.release(ACME)
    return run_id, None


def outcomes(pipeline: Pipeline, run_id: str, gate: str = "staging") -> dict[str, dict[str, Any]]:
    """Recorded expectations of one gate by what they say."""
    rows = pipeline.query("SELECT * FROM quality.expectation_results WHERE run_id = %s AND gate = %s", (run_id, gate))
    return {row["description"]: row for row in rows}


def run_row(pipeline: Pipeline, run_id: str) -> dict[str, Any]:
    return pipeline.query("SELECT * FROM compliance.runs WHERE run_id = %s", (run_id,))[0]


def failing(pipeline: Pipeline, run_id: str, gate: str = "staging") -> set[str]:
    return {name for name, row in outcomes(pipeline, run_id, gate).items() if not row["success"]}


def published(pipeline: Pipeline) -> list[list[dict[str, Any]]]:
    inventory = pipeline.query("SELECT * FROM compliance.repositories ORDER BY repository_id")
    return [results(pipeline), history(pipeline), inventory]


def test_a_healthy_run_passes_both_gates_and_each_expectation_is_recorded(
    pipeline: Pipeline, acme: SandboxServer, tmp_path: Path
) -> None:
    pipeline.take("roster", _roster(tmp_path))
    run_id, stopped = gated(pipeline, acme)
    assert stopped is None
    assert failing(pipeline, run_id) | failing(pipeline, run_id, "results") == set()
    assert {ERROR_SHARE, SHRINK, ROSTER_AGE, ANOMALIES} <= outcomes(pipeline, run_id).keys()
    assert len(outcomes(pipeline, run_id, "results")) >= 8
    row = run_row(pipeline, run_id)
    assert (row["status"], row["quality"], row["error"]) == ("published", "passed", None)


def test_too_many_failed_repositories_stop_publication_and_a_re_run_finishes(
    pipeline: Pipeline, acme: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    acme.state.repository("repo-5").restrictions = []
    for number in (1, 3, 4):
        acme.state.add_fault("pull_requests", slug=f"repo-{number}")
    assert gated(pipeline, acme)[1] is None, "three say so themselves, however many there are"
    assert statuses(pipeline, "repo-3")["repo_classified"] != "error"
    before = published(pipeline)
    acme.state.add_fault("branch_restrictions", slug="repo-2", kind="reset")
    acme.state.repository("repo-6").restrictions = []
    run_id, stopped = gated(pipeline, acme)
    assert stopped is not None and "\n" not in stopped
    assert ERROR_SHARE in stopped and "nothing was published" in stopped and "max_error_share" in stopped
    assert ERROR_SHARE in caplog.text, "the task log names the expectation"
    assert published(pipeline) == before
    assert failing(pipeline, run_id) >= {ERROR_SHARE}
    row = outcomes(pipeline, run_id)[ERROR_SHARE]
    assert (row["severity"], row["suite"], row["gate"]) == ("critical", "error_share", "staging")
    assert row["observed"]["observed_value"] == pytest.approx(4 / 11)
    run = run_row(pipeline, run_id)
    assert (run["status"], run["quality"]) == ("gate_failed", "failed")
    assert ERROR_SHARE in run["error"] and run["error"].startswith("gate staging")
    assert run["finished_at"] is not None
    acme.state.faults.clear()
    healed, stopped = gated(pipeline, acme)
    assert stopped is None
    assert run_row(pipeline, healed)["status"] == "published"
    assert statuses(pipeline, "repo-6")["peer_review_required"] == "failing"


def test_the_policy_says_how_many_may_fail(
    pipeline: Pipeline, acme: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("thresholds: {max_error_share: 0.4}\n")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    for slug in ("repo-1", "repo-2", "repo-4", "repo-5"):
        acme.state.repository(slug).gone = True
    run_id, stopped = gated(pipeline, acme)
    assert stopped is None
    assert "calls failed on no more than 40% of the repositories, or on three" in outcomes(pipeline, run_id)
    acme.state.repository("repo-3").gone = True
    assert "40%" in str(gated(pipeline, acme)[1])


def test_missing_rights_and_unconfigured_pipelines_are_no_failures(pipeline: Pipeline, acme: SandboxServer) -> None:
    for repository in acme.state.workspaces[0].repositories:
        repository.pipelines_enabled = None
        repository.identity_permission = "write"
    run_id, stopped = gated(pipeline, acme)
    assert stopped is None
    assert ERROR_SHARE not in failing(pipeline, run_id)


def test_one_repository_of_five_that_can_not_be_read_silences_nobody(pipeline: Pipeline, serve: Serve) -> None:
    server = serve(small_state(5))
    server.state.add_fault("pull_requests", slug="repo-1")
    assert gated(pipeline, server, grant="five")[1] is None
    assert statuses(pipeline, "repo-1")["peer_review_required"] == "error"
    assert statuses(pipeline, "repo-0")["peer_review_required"] == "passing"


def test_a_main_branch_whose_name_is_empty_is_none(pipeline: Pipeline, acme: SandboxServer) -> None:
    acme.state.repository("repo-1").mainbranch = " "
    assert gated(pipeline, acme)[1] is None
    assert statuses(pipeline, "repo-1")["peer_review_required"] == "not_applicable"
    assert statuses(pipeline, "repo-0")["peer_review_required"] == "passing"


def test_a_slug_that_another_repository_has_now_stops_nothing(pipeline: Pipeline, acme: SandboxServer) -> None:
    assert gated(pipeline, acme)[1] is None
    repositories = acme.state.workspaces[0].repositories
    before = acme.state.repository("repo-1")
    repositories.remove(before)
    again = made_repository("repo-1", people(), number=1)
    again.uuid = uuid_of(ACME, "made again")
    repositories.append(again)
    acme.state.add_fault("repositories", kind="wrong_size")
    assert gated(pipeline, acme)[1] is None
    names = {row["subject_id"]: row["subject_name"] for row in results(pipeline)}
    assert (names[again.uuid], names[before.uuid]) == ("repo-1", before.uuid)


@pytest.mark.parametrize("lost", ["repositories", "members"])
def test_a_listing_that_becomes_empty_has_shrunk(pipeline: Pipeline, serve: Serve, lost: str) -> None:
    server = serve(small_state(3, 3))
    server.state.repository("repo-0").restrictions = []
    assert gated(pipeline, server)[1] is None
    before = published(pipeline)
    getattr(server.state.workspaces[0], lost).clear()
    assert SHRINK in str(gated(pipeline, server)[1])
    assert published(pipeline) == before


def test_a_member_last_seen_too_long_ago_waits_and_everybody_else_is_judged(
    pipeline: Pipeline, acme: SandboxServer, tmp_path: Path
) -> None:
    crew = [member.account for member in acme.state.workspaces[0].members]
    roster = [("", account.display_name, "active", "", account.account_id) for account in crew]
    pipeline.take("roster", write_csv(tmp_path / "r.csv", "email,name,status,end_date,account_id", roster))
    assert gated(pipeline, acme)[1] is None
    gone = acme.state.workspaces[0].members.pop()
    acme.state.add_fault("workspace_members", kind="wrong_size")
    with psycopg.connect(pipeline.dsn, autocommit=True) as connection:
        connection.execute("UPDATE staging.members SET data_as_of = data_as_of - interval '3 days'")
    assert gated(pipeline, acme)[1] is None
    found = {key: row[::2] for key, row in pipeline.verdicts(ACME).items()}
    assert found["offboarded_access_removed", gone.account.display_name] == ("pending", "not_read_yet")
    assert found["offboarded_access_removed", "Person 0"] == ("passing", "on_roster")


@pytest.mark.parametrize(("broken", "held", "judged"), [
    ("UPDATE staging.branch_restrictions SET pattern = 'release/*' WHERE restriction_id = 2001",
     "peer_review_required", "repo_classified"),
    ("UPDATE staging.repositories SET is_private = null WHERE slug = 'repo-1'",
     "repo_classified", "peer_review_required"),
    ("UPDATE staging.pull_requests SET approved_by = null WHERE repository_id ="
     " (SELECT repository_id FROM staging.repositories WHERE slug = 'repo-1')",
     "peer_review_required", "repo_classified"),
])  # fmt: skip
def test_what_is_wrong_of_one_repository_is_its_error_and_all_else_is_published(
    pipeline: Pipeline, acme: SandboxServer, broken: str, held: str, judged: str
) -> None:
    pipeline.connect_to(acme, "admin", **FAST)
    run_id = extract()
    with psycopg.connect(pipeline.dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE staging.pull_requests ALTER approved_by DROP NOT NULL")
        assert connection.execute(broken).rowcount > 0
    tasks.gate(ACME, run_id, "staging")
    pipeline.judge(run_id, ACME)
    tasks.gate(ACME, run_id, "results")
    tasks.publish(ACME, run_id)
    pipeline.release(ACME)
    found = statuses(pipeline, "repo-1")
    assert (found[held], found[judged] != "error") == ("error", True)
    assert statuses(pipeline, "repo-0")[held] != "error"
    (row,) = [row for row in results(pipeline) if (row["test_id"], row["subject_name"]) == (held, "repo-1")]
    assert row["reason"].startswith("What was read of this repository can't be right. What does not hold: ")
    assert run_row(pipeline, run_id)["quality"] == "passed_with_warnings"


@pytest.mark.parametrize("lost", ["the right", "the scope", "an answer"])
def test_rules_that_can_be_read_no_more_stop_no_publication(pipeline: Pipeline, acme: SandboxServer, lost: str) -> None:
    """Those read before stay as they were, whatever became of the branching model and of the main branch since."""
    by_model, renamed = acme.state.repository("repo-1"), acme.state.repository("repo-2")
    by_model.restrictions = Rules(9001).model("production", *PROTECTING).made
    assert gated(pipeline, acme)[1] is None
    renamed.mainbranch = "trunk"
    for repository in (by_model, renamed):
        if lost == "the right":
            repository.identity_permission = "write"
    if lost == "an answer":
        acme.state.add_fault("branch_restrictions", slug="repo-2", kind="reset")
    _, stopped = gated(pipeline, acme, grant="five" if lost == "the scope" else "admin")
    assert stopped is None
    assert statuses(pipeline, "repo-2")["branch_protection_enforced"] in ("pending", "error")


def test_a_listing_that_lost_more_than_a_tenth_and_more_than_three_stops_publication(
    pipeline: Pipeline, acme: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_run(pipeline, acme)
    repositories: list[Repository] = acme.state.workspaces[0].repositories
    lost = [repositories.pop() for _ in range(3)]
    assert gated(pipeline, acme)[1] is None, "three are never too many"
    repositories.extend(lost)
    whole_run(pipeline, acme)
    before = published(pipeline)
    del repositories[-4:]
    run_id, stopped = gated(pipeline, acme)
    assert stopped is not None and SHRINK in stopped and "lost sight" in stopped
    assert published(pipeline) == before
    run = run_row(pipeline, run_id)
    assert (run["status"], run["quality"]) == ("gate_failed", "failed") and SHRINK in run["error"]
    _, stopped = gated(pipeline, acme)
    assert stopped is not None and SHRINK in stopped, "running again does not talk it away"
    policy = tmp_path / "policy.yaml"
    policy.write_text("thresholds: {max_shrink_share: 0.5}\n")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    assert gated(pipeline, acme)[1] is None
    assert len({row["subject_id"] for row in results(pipeline) if row["subject_type"] == "repository"}) == 7


def test_members_out_of_sight_stop_publication_too(pipeline: Pipeline, serve: Serve) -> None:
    server = serve(small_state(1, 8))
    whole_run(pipeline, server)
    del server.state.workspaces[0].members[-4:]
    assert SHRINK in str(gated(pipeline, server)[1])


def _roster(folder: Path) -> Path:
    rows = [("person-0@example.com", "Person 0", "active", "", "")]
    return write_csv(folder / "roster.csv", "email,name,status,end_date,account_id", rows)


def test_warnings_are_recorded_and_stop_nothing(
    pipeline: Pipeline, acme: SandboxServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline.take("roster", _roster(tmp_path))
    with psycopg.connect(pipeline.dsn, autocommit=True) as connection, unguarded(connection):
        connection.execute("UPDATE registry.imports SET imported_at = now() - interval '8 days'")
    acme.state.repository("repo-0").restrictions[0].kind = "require_moon_phase"
    acme.state.add_fault("branch_restrictions", slug="repo-1", kind="wrong_size")
    acme.state.add_fault("pull_requests", slug="repo-2", kind="repeat_item")
    run_id, stopped = gated(pipeline, acme)
    assert stopped is None
    expected = {ROSTER_AGE, ANOMALIES, "every kind of a branch restriction is one the pipeline knows"}
    assert failing(pipeline, run_id) == expected
    rows = outcomes(pipeline, run_id)
    assert {rows[name]["severity"] for name in expected} == {"warning"}
    assert "require_moon_phase" in str(rows["every kind of a branch restriction is one the pipeline knows"]["observed"])
    shown = str(rows[ANOMALIES]["observed"])
    assert "branch_restrictions" in shown and "pull_requests" in shown
    assert all(name in caplog.text for name in expected)
    row = run_row(pipeline, run_id)
    assert (row["status"], row["quality"], row["error"]) == ("published", "passed_with_warnings", None)


def test_a_repository_that_was_neither_read_nor_recorded_stops_publication(
    pipeline: Pipeline, acme: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "stage", _forgetting(pipeline, tasks.stage))
    _, stopped = gated(pipeline, acme)
    assert stopped is not None
    assert "every listed repository was read or recorded as failed" in stopped
    assert results(pipeline) == []


def _forgetting(pipeline: Pipeline, stage: Callable[[str, str], None]) -> Callable[[str, str], None]:
    """Stage, after the landed calls of one repository are lost."""

    def forget(workspace: str, run_id: str) -> None:
        with psycopg.connect(pipeline.dsn, autocommit=True) as connection:
            connection.execute(
                "DELETE FROM landing.calls WHERE resource = 'pull_requests' AND repository_id ="
                " (SELECT repository_id FROM staging.repositories WHERE slug = 'repo-4')"
            )
        stage(workspace, run_id)

    return forget


TAMPERED = (
    (
        "DELETE FROM judged.verdicts WHERE run_id = %s AND test_id = 'peer_review_required'"
        " AND subject_name = 'repo-3'",
        "there is one verdict for each subject of each enabled test, and no other",
    ),
    (
        "DELETE FROM judged.verdicts WHERE run_id = %s AND test_id = 'workspace_mfa_enforced'",
        "there is one verdict for each subject of each enabled test, and no other",
    ),
    (
        "UPDATE judged.verdicts SET subject_id = '{nobody}' WHERE run_id = %s"
        " AND test_id = 'repo_classified' AND subject_name = 'repo-0'",
        "there is one verdict for each subject of each enabled test, and no other",
    ),
    (
        "UPDATE judged.verdicts SET status = 'fine' WHERE run_id = %s AND subject_name = 'repo-3'",
        "every status is one of the contract",
    ),
    (
        "UPDATE judged.verdicts SET basis = 'hearsay' WHERE run_id = %s AND subject_name = 'repo-3'",
        "every basis is one of the contract",
    ),
    (
        "UPDATE judged.verdicts SET basis = NULL WHERE run_id = %s AND status = 'passing'",
        "nothing passes without a basis",
    ),
    (
        "UPDATE judged.verdicts SET data_as_of = now() - interval '49 hours' WHERE run_id = %s"
        " AND status = 'passing' AND subject_name = 'repo-3'",
        "nothing passes on data older than 48 hours",
    ),
    (
        "UPDATE judged.verdicts SET data_as_of = NULL WHERE run_id = %s AND subject_name = 'repo-3'",
        "every verdict says when its data was read",
    ),
)


def test_the_gate_of_results_catches_what_must_not_be_published(pipeline: Pipeline, serve: Serve) -> None:
    pipeline.connect_to(serve(small_state(4)), "admin", **FAST)
    run_id = extract()
    for statement, expectation in TAMPERED:
        pipeline.judge(run_id, ACME)
        with psycopg.connect(pipeline.dsn, autocommit=True) as connection:
            assert connection.execute(statement, (run_id,)).rowcount > 0
        with pytest.raises(AirflowFailException) as stopped:
            tasks.gate(ACME, run_id, "results")
        assert expectation in str(stopped.value) and str(stopped.value).startswith("gate results")
        assert expectation in failing(pipeline, run_id, "results")
        row = run_row(pipeline, run_id)
        assert (row["status"], row["quality"]) == ("gate_failed", "failed") and expectation in row["error"]
        assert results(pipeline) == [] and history(pipeline) == []
    pipeline.judge(run_id, ACME)
    tasks.gate(ACME, run_id, "results")
    tasks.publish(ACME, run_id)
    pipeline.release(ACME)
    assert run_row(pipeline, run_id)["status"] == "published"


def test_old_data_fails_but_does_not_stop_a_verdict_that_does_not_pass(pipeline: Pipeline, serve: Serve) -> None:
    def tamper(run_id: str) -> None:
        with psycopg.connect(pipeline.dsn, autocommit=True) as connection:
            connection.execute(
                "UPDATE judged.verdicts SET data_as_of = now() - interval '9 days'"
                " WHERE run_id = %s AND status <> 'passing'",
                (run_id,),
            )

    assert gated(pipeline, serve(small_state(2)), tamper)[1] is None


def test_a_workspace_where_nothing_passes_is_published(pipeline: Pipeline, serve: Serve) -> None:
    """What every new workspace looks like: nobody classified anything, no rules, no evidence, no roster."""
    state = small_state(3)
    for repository in state.workspaces[0].repositories:
        repository.restrictions = []
    run_id, stopped = gated(pipeline, serve(state))
    assert stopped is None
    assert run_row(pipeline, run_id)["status"] == "published"
    assert set(statuses(pipeline).values()) == {"failing", "pending"}


def test_an_empty_workspace_passes_both_gates(pipeline: Pipeline, serve: Serve) -> None:
    run_id, stopped = gated(pipeline, serve(small_state(0, 0)))
    assert stopped is None
    assert run_row(pipeline, run_id)["status"] == "published"


def test_a_gate_that_runs_twice_adds_what_it_found_and_the_newest_counts(pipeline: Pipeline, serve: Serve) -> None:
    pipeline.connect_to(serve(small_state(1)), "admin", **FAST)
    run_id = extract()
    tasks.gate(ACME, run_id, "staging")
    count = len(outcomes(pipeline, run_id))
    with psycopg.connect(pipeline.dsn, autocommit=True) as connection:
        connection.execute("DELETE FROM staging.workspaces")
    with pytest.raises(AirflowFailException):
        tasks.gate(ACME, run_id, "staging")
    tasks.stage(ACME, run_id)
    tasks.gate(ACME, run_id, "staging")
    rows = pipeline.query("SELECT count(*) AS n FROM quality.expectation_results WHERE run_id = %s", (run_id,))
    assert rows[0]["n"] == 3 * count > 0
    tries = pipeline.query("SELECT passed FROM quality.gate_outcomes WHERE run_id = %s ORDER BY outcome_id", (run_id,))
    assert [row["passed"] for row in tries] == [True, False, True]
    [run] = pipeline.query("SELECT quality FROM integration.runs WHERE run_id = %s", (run_id,))
    assert run["quality"] == "passed_with_warnings", "no roster was imported; what failed before is cured"
    pipeline.release(ACME)


def test_a_gate_that_failed_and_is_retried_after_the_cure_lets_the_run_finish(pipeline: Pipeline, serve: Serve) -> None:
    server = serve(small_state(4))
    server.state.add_fault("pull_requests")
    pipeline.connect_to(server, "admin", **{**FAST, "retry_attempts": 1})
    run_id = extract()
    with pytest.raises(AirflowFailException, match="calls failed"):
        tasks.gate(ACME, run_id, "staging")
    server.state.faults.clear()
    tasks.read_chunk(ACME, run_id, 0)
    tasks.stage(ACME, run_id)
    tasks.gate(ACME, run_id, "staging")
    pipeline.judge(run_id, ACME)
    tasks.gate(ACME, run_id, "results")
    tasks.publish(ACME, run_id)
    pipeline.release(ACME)
    row = run_row(pipeline, run_id)
    assert (row["status"], row["error"]) == ("published", None)
    assert row["quality"] in ("passed", "passed_with_warnings")


# Every expectation of the gate of staging, with a statement that breaks it and what its rows have to name.
STAGING_BROKEN = (
    ("the workspace itself was read", "DELETE FROM staging.workspaces", None),
    ("the granted scopes are those of this run", "UPDATE staging.granted_scopes SET run_id = 'another'", "another"),
    (
        "every member has its member_id",
        "INSERT INTO staging.members VALUES ('acme', null, null, 'Hidden', null, 'user', null, now())",
        None,
    ),
    (
        "no member stands twice",
        "INSERT INTO staging.members SELECT * FROM staging.members WHERE display_name = 'Person 1'",
        "member_id",
    ),
    (
        "every type of a member is one the pipeline knows",
        "UPDATE staging.members SET member_type = 'robot' WHERE display_name = 'Person 2'",
        "robot",
    ),
    (
        "every role of a member is one the pipeline knows",
        "UPDATE staging.members SET role = 'emperor' WHERE display_name = 'Person 2'",
        "emperor",
    ),
    (
        "no Atlassian account belongs to two members",
        "UPDATE staging.members SET account_id = 'account-9' WHERE display_name IN ('Person 2', 'Person 3')",
        "account-9",
    ),
    (
        "every confirmed address is in lower case, without spaces around it, and is one",
        "INSERT INTO staging.member_emails VALUES ('acme', ' Shouting@EXAMPLE.com', '{member-8}', now())",
        "{member-8}",
    ),
    (
        "every confirmed address belongs to a listed member",
        "INSERT INTO staging.member_emails VALUES ('acme', 'unlisted@example.com', '{member-9}', now())",
        "{member-9}",
    ),
    (
        "no address was confirmed for two members",
        "INSERT INTO staging.member_emails SELECT workspace, 'shared@example.com', member_id, now()"
        " FROM staging.members WHERE display_name IN ('Person 2', 'Person 3')",
        "members_of_address",
    ),
    (
        "every repository has its repository_id",
        "INSERT INTO staging.repositories (workspace, slug, is_private, data_as_of)"
        " VALUES ('acme', 'no-id', true, now())",
        None,
    ),
    (
        "no repository stands twice",
        "INSERT INTO staging.repositories SELECT * FROM staging.repositories WHERE slug = 'repo-1'",
        "repository_id",
    ),
    (
        "every repository slug has its slug",
        "INSERT INTO staging.repositories (workspace, repository_id, is_private, data_as_of)"
        " VALUES ('acme', '{no-slug}', true, now())",
        "{no-slug}",
    ),
    (
        "no repository slug stands twice",
        "INSERT INTO staging.repositories (workspace, repository_id, slug, is_private, data_as_of)"
        " VALUES ('acme', '{second}', 'repo-2', true, now())",
        "{second}",
    ),
    (
        "every repository says whether it is private",
        "INSERT INTO staging.repositories (workspace, repository_id, slug, data_as_of)"
        " VALUES ('acme', '{secret}', '<script>alert(1)</script>', now())",
        "{secret}",
    ),
    (
        "nothing is staged below a repository that is not listed",
        "INSERT INTO staging.pipelines_configs VALUES ('acme', '{gone}', true, now())",
        "{gone}",
    ),
    (
        "nothing was read later than now",
        "UPDATE staging.members SET data_as_of = now() + interval '1 hour' WHERE display_name = 'Person 2'",
        "members",
    ),
    (
        "every listed repository was read or recorded as failed",
        "DELETE FROM landing.calls WHERE resource = 'pull_requests'"
        " AND repository_id = (SELECT repository_id FROM staging.repositories WHERE slug = 'repo-3')",
        "repo-3",
    ),
    (
        "no listing repeats an object or disagrees with its own size",
        "UPDATE landing.calls SET incomplete_because = 'lacks' WHERE resource = 'branch_restrictions'",
        "branch_restrictions",
    ),
    (
        "every branching model has its repository_id",
        "INSERT INTO staging.branching_models VALUES ('acme', null, null, null, null, null, '[]', now())",
        None,
    ),
    (
        "no branching model stands twice",
        "INSERT INTO staging.branching_models SELECT workspace, repository_id, null, null, null, null, '[]', now()"
        " FROM staging.repositories, generate_series(1, 2) WHERE slug = 'repo-0'",
        "repository_id",
    ),
    (
        "every branching model lists its branch types",
        "INSERT INTO staging.branching_models VALUES ('acme', '{model-1}', null, null, null, null, '{}', now())",
        "{model-1}",
    ),
    (
        "every kind of a branch type is one the pipeline knows",
        "INSERT INTO staging.branching_models VALUES ('acme', '{model-2}', null, null, null, null,"
        """ '[{"kind": "epic", "prefix": "epic/"}]', now())""",
        "epic/",
    ),
    (
        "every branch restriction has its restriction_key",
        "INSERT INTO staging.branch_restrictions VALUES"
        " ('acme', '{gone}', null, 'push', 'glob', 'main', null, null, '[]', '[]', true, now())",
        None,
    ),
    (
        "no branch restriction stands twice",
        "INSERT INTO staging.branch_restrictions SELECT * FROM staging.branch_restrictions WHERE restriction_id = 1001",
        "#1001",
    ),
    (
        "every kind of a branch restriction is one the pipeline knows",
        "UPDATE staging.branch_restrictions SET kind = 'require_moon_phase' WHERE restriction_id = 2004",
        "require_moon_phase",
    ),
    (
        "every match of a branch restriction is one the pipeline knows",
        "UPDATE staging.branch_restrictions SET branch_match_kind = 'regex', matches_main_branch = null"
        " WHERE restriction_id = 2001",
        "regex",
    ),
    (
        "every number that a branch restriction asks for is at least 0",
        "UPDATE staging.branch_restrictions SET value = -1 WHERE restriction_id = 2002",
        "2002",
    ),
    (
        "every rule that counts approvals or builds says how many",
        "UPDATE staging.branch_restrictions SET kind = 'require_approvals_to_merge', value = null"
        " WHERE restriction_id = 2003",
        "2003",
    ),
    (
        "a rule applies to the main branch as its pattern or branching model says, and only an unread model leaves"
        " it unknown",
        "UPDATE staging.branch_restrictions SET pattern = 'release/*' WHERE restriction_id = 3001",
        "3001",
    ),
    (
        "every pull request has its pull_request_key",
        "INSERT INTO staging.pull_requests VALUES"
        " ('acme', '{gone}', null, 'OPEN', '{a}', 'main', '{}', now(), now(), now())",
        None,
    ),
    (
        "no pull request stands twice",
        "INSERT INTO staging.pull_requests SELECT requests.* FROM staging.pull_requests AS requests"
        " INNER JOIN staging.repositories AS repositories USING (repository_id)"
        " WHERE slug = 'repo-3' AND pull_request_id = 1",
        "#1",
    ),
    (
        "every state of a pull request is one the pipeline knows",
        "INSERT INTO staging.pull_requests VALUES"
        " ('acme', '{gone}', 701, 'QUEUED', '{a}', 'main', '{}', now(), now(), now())",
        "{gone}#701",
    ),
    (
        "every approval names who approved",
        "INSERT INTO staging.pull_requests VALUES"
        " ('acme', '{gone}', 702, 'OPEN', '{a}', 'main', '{null}', now(), now(), now())",
        "702",
    ),
    (
        "every merge says when and into which branch",
        "INSERT INTO staging.pull_requests VALUES"
        " ('acme', '{gone}', 703, 'MERGED', '{a}', 'main', '{}', now(), null, now())",
        "703",
    ),
    (
        "every merge names the author of its pull request",
        "INSERT INTO staging.pull_requests VALUES"
        " ('acme', '{gone}', 704, 'MERGED', null, 'main', '{}', now(), now(), now())",
        "704",
    ),
    (
        "no pull request was updated in the future",
        "INSERT INTO staging.pull_requests VALUES"
        " ('acme', '{gone}', 705, 'OPEN', '{a}', 'main', '{}', now(), now() + interval '2 days', now())",
        "705",
    ),
    (
        "every pull request's builds has its pull_request_key",
        "INSERT INTO staging.pull_request_builds VALUES ('acme', '{gone}', null, 1, 0, now())",
        None,
    ),
    (
        "no pull request's builds stands twice",
        "INSERT INTO staging.pull_request_builds SELECT 'acme', '{gone}', 801, 1, 0, now() FROM generate_series(1, 2)",
        "{gone}#801",
    ),
    (
        "builds that were not successful are between 0 and all builds of a pull request",
        "INSERT INTO staging.pull_request_builds VALUES ('acme', '{gone}', 802, 1, 2, now())",
        "802",
    ),
    (
        "every configuration of Pipelines has its repository_id",
        "INSERT INTO staging.pipelines_configs VALUES ('acme', null, true, now())",
        None,
    ),
    (
        "no configuration of Pipelines stands twice",
        "INSERT INTO staging.pipelines_configs SELECT 'acme', '{twice}', true, now() FROM generate_series(1, 2)",
        "{twice}",
    ),
    (
        "every configuration of Pipelines says whether it is on",
        "INSERT INTO staging.pipelines_configs VALUES ('acme', '{silent}', null, now())",
        "{silent}",
    ),
    (
        "every newest pipeline has its repository_id",
        "INSERT INTO staging.latest_pipelines VALUES"
        " ('acme', null, '{p}', 1, 'COMPLETED', 'SUCCESSFUL', now(), now(), now())",
        None,
    ),
    (
        "no newest pipeline stands twice",
        "INSERT INTO staging.latest_pipelines SELECT"
        " 'acme', '{twice}', '{p}', 1, 'COMPLETED', 'SUCCESSFUL', now(), now(), now() FROM generate_series(1, 2)",
        "{twice}",
    ),
    (
        "every state of a pipeline is one the pipeline knows",
        "INSERT INTO staging.latest_pipelines VALUES ('acme', '{l-1}', '{p}', 1, 'DREAMING', null, now(), null, now())",
        "DREAMING",
    ),
    (
        "every result of a pipeline is one the pipeline knows",
        "INSERT INTO staging.latest_pipelines VALUES"
        " ('acme', '{l-2}', '{p}', 1, 'COMPLETED', 'SPLENDID', now(), now(), now())",
        "SPLENDID",
    ),
    (
        "no pipeline ran in the future",
        "INSERT INTO staging.latest_pipelines VALUES"
        " ('acme', '{l-3}', '{p}', 1, 'PENDING', null, now() + interval '2 days', null, now())",
        "{l-3}",
    ),
    (
        "every pipeline has a number above 0 and says when it was created",
        "INSERT INTO staging.latest_pipelines VALUES ('acme', '{l-4}', '{p}', 0, 'PENDING', null, null, null, now())",
        "{l-4}",
    ),
    (
        "every call of the coverage has its coverage_key",
        "INSERT INTO staging.coverage VALUES ('acme', '{gone}', null, 'ok', null, 200, true, 'r', now())",
        None,
    ),
    (
        "no call of the coverage stands twice",
        "INSERT INTO staging.coverage SELECT 'acme', '{gone}', 'pipelines', 'ok', null, 200, true, 'r', now()"
        " FROM generate_series(1, 2)",
        "{gone}#pipelines",
    ),
    (
        "every outcome of a call is one of the contract",
        "INSERT INTO staging.coverage VALUES ('acme', '{gone}', 'branch_restrictions', 'fine', null, 200, true, 'r',"
        " now())",
        "fine",
    ),
    (
        "no call counts as read that Bitbucket refused",
        "INSERT INTO staging.coverage VALUES ('acme', '{gone}', 'pull_requests', 'ok', null, 403, true, 'r', now())",
        "403",
    ),
    (
        ERROR_SHARE,
        "UPDATE staging.coverage SET outcome = 'failed', message = 'it broke' WHERE resource = 'pull_requests'"
        " AND repository_id <> '{gone}'",
        "it broke",
    ),
    (
        SHRINK,
        "INSERT INTO compliance.repositories (workspace, repository_id, slug)"
        " SELECT 'acme', '{published-' || n || '}', 'published-' || n FROM generate_series(1, 25) AS n",
        "published-",
    ),
    (ROSTER_AGE, "SELECT 'no roster was imported'", "imported_at"),
)


def _unprotected(pipeline: Pipeline, schema: str) -> None:
    """Take away what Postgres itself would refuse, so that the gate has to see it."""
    keys = pipeline.query(
        "SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname) AS statement"
        " FROM pg_constraint WHERE contype = 'p' AND connamespace = %s::regnamespace",
        (schema,),
    )
    columns = pipeline.query(
        "SELECT format('ALTER TABLE %%I.%%I ALTER %%I DROP NOT NULL', table_schema, table_name, column_name)"
        " AS statement FROM information_schema.columns WHERE table_schema = %s AND is_nullable = 'NO'"
        " AND table_name IN (SELECT tablename FROM pg_tables WHERE schemaname = %s)",
        (schema, schema),
    )
    with psycopg.connect(pipeline.dsn, autocommit=True) as connection:
        for row in (*keys, *columns):
            connection.execute(row["statement"])


def test_every_expectation_about_staging_can_fail_and_shows_its_rows_and_the_way_out(
    pipeline: Pipeline, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline.connect_to(serve(small_state(4)), "admin", **FAST)
    run_id = extract()
    _unprotected(pipeline, "staging")
    with psycopg.connect(pipeline.dsn, autocommit=True) as connection:
        for expectation, statement, _ in STAGING_BROKEN:
            assert connection.execute(statement).rowcount > 0, expectation
    with pytest.raises(AirflowFailException) as stopped:
        tasks.gate(ACME, run_id, "staging")
    pipeline.release(ACME)

    suite = {one.description: one for one in staging.expectations(load_policy().thresholds)}
    assert suite.keys() == {expectation for expectation, _, _ in STAGING_BROKEN}
    rows = outcomes(pipeline, run_id)
    assert {name for name in suite if rows[name]["success"]} == set()
    log = caplog.text
    for expectation, _, named in STAGING_BROKEN:
        assert rows[expectation]["severity"] == suite[expectation].severity
        assert named is None or named in str(rows[expectation]["observed"]["unexpected_rows"]), expectation
        assert named is None or named in log, expectation
        assert f"what to do: {suite[expectation].hint}" in log
    shown = rows[SHRINK]["observed"]
    assert shown["unexpected_count"] == 25 and len(shown["unexpected_rows"]) == 20
    assert "25 rows), the first 20:" in log
    assert "example.com" not in log + str(rows) and "Person" not in log + str(rows), "nobody's address or name"
    criticals = [name for name, one in suite.items() if one.severity == "critical"]
    assert f"(and {len(criticals) - 1} more)" in str(stopped.value) and "\n" not in str(stopped.value)


def test_what_a_gate_raises_names_the_first_row_and_the_way_out(pipeline: Pipeline, serve: Serve) -> None:
    pipeline.connect_to(serve(small_state(2)), "admin", **FAST)
    run_id = extract()
    with psycopg.connect(pipeline.dsn, autocommit=True) as connection:
        connection.execute("UPDATE staging.coverage SET http_status = 403 WHERE resource = 'pull_requests'")
    with pytest.raises(AirflowFailException) as stopped:
        tasks.gate(ACME, run_id, "staging")
    pipeline.release(ACME)
    said = str(stopped.value)
    assert "no call counts as read that Bitbucket refused; seen: 2 rows, the first: repository_id {" in said
    assert "http_status 403; nothing was published; clear the task stage_landing of this run" in said


def test_every_table_of_staging_has_an_expectation_over_its_own_view(pipeline: Pipeline) -> None:
    tables = pipeline.query(
        "SELECT tables.table_name, usage.view_name FROM information_schema.tables AS tables"
        " LEFT JOIN information_schema.view_table_usage AS usage ON usage.table_schema = 'staging'"
        " AND usage.table_name = tables.table_name AND usage.view_schema = 'quality'"
        " AND usage.view_name = tables.table_name"
        " WHERE tables.table_schema = 'staging' AND tables.table_type = 'BASE TABLE'"
    )
    looked_at = {one.view for one in staging.expectations(load_policy().thresholds)}
    assert len(tables) >= 12
    assert [row["table_name"] for row in tables if row["view_name"] not in looked_at] == []


def test_the_pipelines_own_role_may_read_every_view_of_quality(pipeline: Pipeline) -> None:
    views = pipeline.query("SELECT table_name FROM information_schema.views WHERE table_schema = 'quality'")
    suites = (*staging.expectations(load_policy().thresholds), *result_suite.expectations(load_policy().thresholds))
    assert {one.view for one in suites} | {one.rows_from for one in suites} - {None} <= {
        row["table_name"] for row in views
    }
    with psycopg.connect(pipeline.dsn, autocommit=True) as connection:
        connection.execute("SELECT set_config('compliance.workspace', 'acme', false)")
        connection.execute("SELECT set_config('compliance.run_id', 'none', false)")
        connection.execute("SELECT set_config('compliance.always_read', 'pull_requests', false)")
        connection.execute("SELECT set_config('compliance.may_be_absent', 'pipelines_config', false)")
        connection.execute("SET ROLE compliance_pipeline")
        for row in views:
            connection.execute(sql.SQL("SELECT * FROM quality.{}").format(sql.Identifier(row["table_name"])))


def test_a_critical_expectation_that_can_not_be_evaluated_stops_publication_and_is_tried_again(
    pipeline: Pipeline, serve: Serve
) -> None:
    pipeline.connect_to(serve(small_state(1)), "admin", **FAST)
    run_id = extract()
    with psycopg.connect(pipeline.dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE OR REPLACE VIEW quality.orphans AS SELECT ''::text AS staged_table, ''::text AS repository_id,"
            " 1 / count(*) FILTER (WHERE repository_id = '') AS staged_rows FROM staging.repositories"
        )
    with pytest.raises(GateUnanswered, match="division by zero") as stopped:
        tasks.gate(ACME, run_id, "staging")
    pipeline.release(ACME)
    assert "nothing is staged below a repository" in str(stopped.value) and stopped.value.retryable
    assert failing(pipeline, run_id) == {"nothing is staged below a repository that is not listed", ROSTER_AGE}


# Every further expectation of the gate of results, with a statement that breaks it for one subject.
RESULTS_BROKEN = (
    (
        "every verdict has its verdict_key",
        "INSERT INTO judged.verdicts SELECT workspace, run_id, test_id, subject_type, null, null, status, basis,"
        " reason_code, reason, detail, facts, data_as_of, evaluated_at FROM judged.verdicts"
        " WHERE test_id = 'workspace_mfa_enforced'",
        None,
    ),
    (
        "no verdict stands twice",
        "INSERT INTO judged.verdicts SELECT * FROM judged.verdicts"
        " WHERE test_id = 'peer_review_required' AND subject_name = 'repo-0'",
        "peer_review_required",
    ),
    (
        "there is one verdict for each subject of each enabled test, and no other",
        "DELETE FROM judged.verdicts WHERE test_id = 'peer_review_required' AND subject_name = 'repo-1'",
        "repo-1",
    ),
    (
        "history holds what publications of the pipeline wrote, and nothing else",
        "INSERT INTO compliance.result_history (workspace, test_id, subject_type, subject_id, severity, status,"
        " reason_code, reason, detail, facts_hash, policy_version, run_id, valid_from)"
        " VALUES ('acme', 'repo_classified', 'repository', '{forged}', 'high', 'passing', 'c', 'r', '{}', 'h', 'p',"
        " 'r', '2026-01-01')",
        "{forged}",
    ),
    (
        "every status is one of the contract",
        "UPDATE judged.verdicts SET status = 'fine' WHERE test_id = 'peer_review_required' AND subject_name = 'repo-2'",
        "fine",
    ),
    (
        "every basis is one of the contract",
        "UPDATE judged.verdicts SET basis = 'hearsay'"
        " WHERE test_id = 'peer_review_required' AND subject_name = 'repo-3'",
        "hearsay",
    ),
    (
        "every reason code is one of its test's, with the status that the catalogue gives it",
        "UPDATE judged.verdicts SET reason_code = 'advisory_only'"
        " WHERE test_id = 'peer_review_required' AND subject_name = 'repo-4'",
        "peer_review_required passing advisory_only",
    ),
    (
        "every verdict says when its data was read",
        "UPDATE judged.verdicts SET data_as_of = null"
        " WHERE test_id = 'status_checks_required' AND subject_name = 'repo-0'",
        "repo-0",
    ),
    (
        "no verdict rests on data from the future",
        "UPDATE judged.verdicts SET data_as_of = now() + interval '1 hour'"
        " WHERE test_id = 'status_checks_required' AND subject_name = 'repo-1'",
        "repo-1",
    ),
    (
        "nothing passes on data older than 48 hours",
        "UPDATE judged.verdicts SET data_as_of = now() - interval '49 hours'"
        " WHERE test_id = 'status_checks_required' AND subject_name = 'repo-2'",
        "repo-2",
    ),
    (
        "nothing passes without a basis",
        "UPDATE judged.verdicts SET basis = null WHERE test_id = 'status_checks_required' AND subject_name = 'repo-3'",
        "repo-3",
    ),
    (
        "nothing fails without a basis, and what is pending or in error has none",
        "UPDATE judged.verdicts SET basis = 'evidence'"
        " WHERE test_id = 'user_mfa_enabled' AND subject_name = 'Person 2'",
        "evidence_missing",
    ),
    (
        "no verdict rests on evidence that is not accepted, was captured later than the run, is about another test,"
        " or is past its 90 days",
        "UPDATE judged.verdicts SET basis = 'evidence', reason_code = 'evidence_accepted'"
        " WHERE test_id = 'branch_protection_enforced' AND subject_name = 'repo-0'",
        "repo-0",
    ),
    (
        "every verdict gives its reason as a sentence",
        "UPDATE judged.verdicts SET reason = ' '"
        " WHERE test_id = 'branch_protection_enforced' AND subject_name = 'repo-1'",
        "repo-1",
    ),
    (
        "facts and detail of every verdict are JSON objects",
        "UPDATE judged.verdicts SET facts = '[]'"
        " WHERE test_id = 'branch_protection_enforced' AND subject_name = 'repo-2'",
        "repo-2",
    ),
)


def test_every_expectation_about_results_can_fail_is_critical_and_shows_its_rows(
    pipeline: Pipeline, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline.connect_to(serve(small_state(5)), "admin", **FAST)
    run_id = extract()
    pipeline.judge(run_id, ACME)
    _unprotected(pipeline, "judged")
    with psycopg.connect(pipeline.dsn, autocommit=True) as connection:
        for expectation, statement, _ in RESULTS_BROKEN:
            assert connection.execute(statement).rowcount == 1, expectation
    with pytest.raises(AirflowFailException):
        tasks.gate(ACME, run_id, "results")
    pipeline.release(ACME)
    suite = {one.description: one for one in result_suite.expectations(load_policy().thresholds)}
    assert suite.keys() == {expectation for expectation, _, _ in RESULTS_BROKEN}
    assert {one.severity for one in suite.values()} == {"critical"}
    rows = outcomes(pipeline, run_id, "results")
    assert {name for name in suite if rows[name]["success"]} == set()
    for expectation, _, named in RESULTS_BROKEN:
        shown = rows[expectation]["observed"].get("unexpected_rows", [])
        assert named is None or named in str(shown), expectation
        assert f"what to do: {suite[expectation].hint}" in caplog.text
    assert "Person" not in caplog.text + str(rows), "members are named by id alone"


EVIDENCE_AGES = (
    # captured so many days before the run's day, decision, about, and whether a verdict may rest on it
    (0, "accepted", "peer_review_required", True),
    (89, "accepted", "peer_review_required", True),
    (90, "accepted", "peer_review_required", False),
    (-1, "accepted", "peer_review_required", False),
    (1, "rejected", "peer_review_required", False),
    (1, None, "peer_review_required", False),
    (1, "withdrawn", "peer_review_required", False),
    (1, "accepted", "pipelines_enabled", False),
)


def test_a_verdict_rests_on_accepted_evidence_of_its_test_from_its_capture_until_it_runs_out_in_the_policys_time_zone(
    pipeline: Pipeline, serve: Serve
) -> None:
    pipeline.connect_to(serve(small_state(len(EVIDENCE_AGES))), "admin", **FAST)
    run_id = extract()
    pipeline.judge(run_id, ACME)
    pipeline.release(ACME)
    with psycopg.connect(pipeline.dsn, autocommit=True) as connection:
        # In Auckland it is the first of April already.
        with unguarded(connection):
            connection.execute(
                "UPDATE registry.policy_versions"
                " SET body = jsonb_set(body, '{thresholds,time_zone}', '\"Pacific/Auckland\"')"
            )
        connection.execute("UPDATE judged.verdicts SET evaluated_at = '2026-03-31T20:00:00Z'")
        for number, (days, decision, about, _) in enumerate(EVIDENCE_AGES):
            evidence = connection.execute(
                "INSERT INTO registry.evidence"
                " (test_id, scope, kind, captured_on, submitted_by, file_name, file_sha256)"
                " VALUES (%s, 'workspace', 'screenshot', date '2026-04-01' - %s, 'os:ann', 'a.png', '0')"
                " RETURNING evidence_id",
                (about, days),
            ).fetchone()
            assert evidence
            for decided in {"withdrawn": ("accepted", "withdrawn"), None: ()}.get(decision, (decision,)):
                connection.execute(
                    "INSERT INTO registry.evidence_decisions (evidence_id, decision, decided_by, policy_version)"
                    " SELECT %s, %s, 'os:bob', min(policy_version) FROM registry.policy_versions",
                    (evidence[0], decided),
                )
            connection.execute(
                "UPDATE judged.verdicts SET basis = 'evidence', detail = jsonb_build_object('evidence_id', %s::uuid)"
                " WHERE test_id = 'peer_review_required' AND subject_name = %s",
                (evidence[0], f"repo-{number}"),
            )
        connection.execute("SELECT set_config('compliance.workspace', %s, false)", (ACME,))
        connection.execute("SELECT set_config('compliance.run_id', %s, false)", (run_id,))
        found = connection.execute("SELECT repository FROM quality.unsupported_verdicts").fetchall()
    expected = {f"repo-{number}" for number, case in enumerate(EVIDENCE_AGES) if not case[3]}
    assert {row[0] for row in found} == expected
