"""Whether populations are whole: what each run counts, what the second gate looks at, and what auditors read of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bitbucket_compliance.core.database import connect
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from local.postgres import EmbeddedPostgres
from local.postgres_cluster import ADMIN_ROLE
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.small import ACME, extract, small_state, whole_run

Serve = Callable[[SandboxState], SandboxServer]


@pytest.fixture
def acme(serve: Serve) -> SandboxServer:
    return serve(small_state(2))


@pytest.fixture
def admin(pipeline: Pipeline, postgres: EmbeddedPostgres) -> Callable[[str], None]:
    """Execute a statement as somebody who holds the server."""
    name = pipeline.dsn.rsplit("/", 1)[1].split("?")[0]

    def execute(statement: str) -> None:
        with psycopg.connect(postgres.uri(name, ADMIN_ROLE)) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(statement)  # type: ignore[arg-type]

    return execute


def counts(pipeline: Pipeline, run_id: str) -> dict[str, dict[str, Any]]:
    rows = pipeline.query("SELECT * FROM compliance.population_counts WHERE run_id = %s", (run_id,))
    return {row["population"]: row for row in rows}


def completeness(pipeline: Pipeline, population: str, days_back: int = 0) -> list[dict[str, Any]]:
    today = datetime.now(UTC).date()
    return pipeline.query(
        "SELECT * FROM compliance.completeness('acme', %s, %s) WHERE population = %s",
        (today - timedelta(days=days_back), today, population),
    )


def test_each_run_counts_what_was_said_read_and_recorded(pipeline: Pipeline, acme: SandboxServer) -> None:
    found = counts(pipeline, whole_run(pipeline, acme))
    told = {name: (row["said"], row["read"], row["in_table"], row["complete"]) for name, row in found.items()}
    assert told == {
        "repositories": (2, 2, 2, True),
        "members": (4, 4, 4, True),
        "pull_requests": (None, 6, 6, True),
        "direct_pushes": (None, 0, 0, False),
        "leavers": (0, 0, 0, False),
    }
    assert {row["unexplained"] for row in found.values()} == {0}
    assert found["members"]["shown_whole_by"] == "size"
    assert found["direct_pushes"]["incomplete_because"].startswith("no webhook told of pushes to 2 repositories")
    assert found["leavers"]["incomplete_because"] == "no roster was imported"


def test_what_a_listing_lacks_stays_and_the_difference_has_a_reason(pipeline: Pipeline, acme: SandboxServer) -> None:
    whole_run(pipeline, acme)
    [workspace] = acme.state.workspaces
    gone = workspace.members.pop()
    acme.state.add_fault("workspace_members", kind="wrong_size")
    row = counts(pipeline, whole_run(pipeline, acme))["members"]
    assert (row["read"], row["in_table"], row["complete"], row["unexplained"]) == (3, 4, False, 0)
    [difference] = row["differences"]
    assert (difference["key"], difference["difference"]) == (gone.account.uuid, "not_read")
    assert "not complete" in difference["reason"]


def test_changes_of_a_repository_that_is_gone_differ_for_a_reason(pipeline: Pipeline, acme: SandboxServer) -> None:
    whole_run(pipeline, acme)
    acme.state.workspaces[0].repositories.pop()
    row = counts(pipeline, whole_run(pipeline, acme))["pull_requests"]
    assert (row["read"], row["in_table"], row["unexplained"]) == (3, 6, 0)
    assert {one["reason"] for one in row["differences"]} == {"The repository is not listed any more; its changes stay."}
    assert {one["name"].split()[0] for one in row["differences"]} == {"repo-1"}


@pytest.mark.parametrize(
    ("tampering", "problem"),
    [
        ("DELETE FROM compliance.changes WHERE repository = 'repo-0'", "has 3 rows and had 6"),
        ("UPDATE compliance.changes SET first_run_id = 'made up'", "no run read it"),
        ("DELETE FROM compliance.member_history WHERE display_name = 'Person 1'", "no open interval in its history"),
        ("DELETE FROM compliance.repository_history WHERE slug = 'repo-0'", "no open interval in its history"),
        ("DELETE FROM staging.members WHERE display_name = 'Person 1'", "was read and is not staged"),
    ],
)
@pytest.mark.gated
def test_the_second_gate_tells_of_a_population_that_is_not_whole_and_stops_nothing(
    pipeline: Pipeline, acme: SandboxServer, admin: Callable[[str], None], tampering: str, problem: str
) -> None:
    pipeline.run(acme, ACME, gates=True)
    pipeline.connect_to(acme, "admin")
    run_id = extract()
    admin(tampering)
    tasks.gate(ACME, run_id, "staging")
    pipeline.judge(run_id, ACME)
    tasks.gate(ACME, run_id, "results")
    assert _seen(run_id, problem)
    [told] = pipeline.query(
        "SELECT severity, success FROM quality.expectation_results"
        " WHERE run_id = %s AND description LIKE 'every population%%'",
        (run_id,),
    )
    assert told == {"severity": "warning", "success": False}
    pipeline.release(ACME)


def _seen(run_id: str, problem: str) -> bool:
    with connect() as connection:
        connection.execute("SELECT set_config('compliance.workspace', %s, true)", (ACME,))
        connection.execute("SELECT set_config('compliance.run_id', %s, true)", (run_id,))
        rows = connection.execute("SELECT problem FROM quality.population_differences").fetchall()
    return any(problem in row["problem"] for row in rows)


def test_completeness_tells_days_without_a_run_who_read_and_how_far_back_it_reaches(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    run_id = whole_run(pipeline, acme)
    before, today = completeness(pipeline, "members", 1)
    assert (before["is_whole"], before["not_whole_because"]) == (False, ["no whole run was published on this day"])
    assert (today["is_whole"], today["run_id"], today["said"], today["read"]) == (True, run_id, 4, 4)
    assert "account" in today["scopes_granted"] and today["subjects_in_error"] == 0
    rows = completeness(pipeline, "pull_requests", 100)
    assert rows[-1]["is_whole"]
    start = (datetime.now(UTC) - timedelta(days=90)).date()
    too_early = [row for row in rows if any("reaches back" in one for one in row["not_whole_because"])]
    assert [row["day"] for row in too_early] == [start - timedelta(days=days) for days in range(10, -1, -1)]
    [pushes] = completeness(pipeline, "direct_pushes")
    assert "nothing told of such changes yet" in pushes["not_whole_because"]


def test_subjects_that_could_not_be_read_are_counted(pipeline: Pipeline, acme: SandboxServer) -> None:
    whole_run(pipeline, acme, grant="five")
    [five] = completeness(pipeline, "repositories")
    assert five["subjects_without_permission"] == 2, "branch protection, without repository:admin"
    acme.state.add_fault("pull_requests", slug="repo-1", status=500)
    whole_run(pipeline, acme, grant="five")
    [failed] = completeness(pipeline, "pull_requests")
    assert failed["subjects_in_error"] == 1
    assert (failed["is_whole"], failed["not_whole_because"]) == (
        False, ["the merged pull requests of 1 repositories were not all read, the first: repo-1"],
    )  # fmt: skip


def test_the_first_reading_reaches_as_far_back_as_the_policy_says_and_verdicts_do_not(
    pipeline: Pipeline, acme: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pull_request in acme.state.workspaces[0].repositories[0].pull_requests:
        pull_request.created_on -= timedelta(days=200)
        pull_request.updated_on -= timedelta(days=200)
    whole_run(pipeline, acme)
    assert len(pipeline.query("SELECT 1 FROM compliance.changes WHERE repository = 'repo-0'")) == 0
    verdicts = pipeline.verdicts(ACME)
    policy = tmp_path / "policy.yaml"
    policy.write_text("thresholds: {population_days: 365}\n")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    whole_run(pipeline, acme, full_refresh=True)
    assert len(pipeline.query("SELECT 1 FROM compliance.changes WHERE repository = 'repo-0'")) == 3
    assert pipeline.verdicts(ACME) == verdicts
    [row] = completeness(pipeline, "pull_requests")
    assert row["reaches_back_to"].date() == (datetime.now(UTC) - timedelta(days=365)).date()
