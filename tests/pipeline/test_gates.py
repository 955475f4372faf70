"""What the two gates stop, and what a stopped run leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException

from include.pipeline import tasks
from include.sandbox.model import Repository
from include.sandbox.process import SandboxServer
from include.sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.small import (
    ACME,
    FAST,
    extract,
    history,
    results,
    small_state,
    statuses,
    touch,
    whole_run,
    write_csv,
)

# Great Expectations says that a class of its own exists for Postgres.
pytestmark = pytest.mark.filterwarnings("ignore:You are using a generic SQLDatasource")

Serve = Callable[[SandboxState], SandboxServer]

ERROR_SHARE = "calls failed on no more than 10% of the repositories"
SHRINK = "no listing is more than 10% shorter than the last published one"
ROSTER_AGE = "a roster was imported in the last 7 days"
ANOMALIES = "no listing repeats an object or disagrees with its own size"


@pytest.fixture
def acme(serve: Serve) -> SandboxServer:
    """A sandbox with eleven healthy repositories: one is less than a tenth, two are more."""
    return serve(small_state(11))


def gated(
    pipeline: Pipeline, server: SandboxServer, tamper: Callable[[str], object] | None = None
) -> tuple[str, str | None]:
    """A run with both gates, as in the DAG; its id, and what the gate that stopped it said."""
    pipeline.connect_to(server, "admin", **FAST)
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
    acme.state.add_fault("pull_requests", slug="repo-1")
    one = gated(pipeline, acme)
    assert one[1] is None, "one of eleven is less than a tenth"
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
    assert row["observed"]["observed_value"] == pytest.approx(2 / 11)
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
    policy.write_text("numbers: {max_error_share: 0.2}\n")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    for slug in ("repo-1", "repo-2"):
        acme.state.repository(slug).gone = True
    run_id, stopped = gated(pipeline, acme)
    assert stopped is None
    assert "calls failed on no more than 20% of the repositories" in outcomes(pipeline, run_id)
    acme.state.repository("repo-3").gone = True
    assert "20%" in str(gated(pipeline, acme)[1])


def test_missing_rights_and_unconfigured_pipelines_are_no_failures(pipeline: Pipeline, acme: SandboxServer) -> None:
    for repository in acme.state.workspaces[0].repositories:
        repository.pipelines_enabled = None
        repository.identity_permission = "write"
    run_id, stopped = gated(pipeline, acme)
    assert stopped is None
    assert ERROR_SHARE not in failing(pipeline, run_id)


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
    policy.write_text("numbers: {max_shrink_share: 0.5}\n")
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
    with psycopg.connect(pipeline.dsn, autocommit=True) as connection:
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


def test_a_gate_that_runs_twice_records_once(pipeline: Pipeline, serve: Serve) -> None:
    pipeline.connect_to(serve(small_state(1)), "admin", **FAST)
    run_id = extract()
    tasks.gate(ACME, run_id, "staging")
    count = len(outcomes(pipeline, run_id))
    tasks.gate(ACME, run_id, "staging")
    rows = pipeline.query("SELECT count(*) AS n FROM quality.expectation_results WHERE run_id = %s", (run_id,))
    assert rows[0]["n"] == count > 0
    pipeline.release(ACME)


def test_a_gate_that_failed_and_is_retried_after_the_cure_lets_the_run_finish(pipeline: Pipeline, serve: Serve) -> None:
    server = serve(small_state(4))
    server.state.add_fault("pull_requests", slug="repo-0")
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
