"""What the two gates hold back, what they stop, and what a stopped run leaves behind.

A gate costs seconds, for Great Expectations is large. So what a single expectation finds is asked of its query or its
view, on a copy of one staged database, and only what a gate does with it takes a gate.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException
from psycopg import sql
from psycopg.rows import dict_row

from bitbucket_compliance.core.errors import GateUnanswered
from bitbucket_compliance.pipeline.extract import fetch
from bitbucket_compliance.pipeline.extract.fetch import Call, Client
from bitbucket_compliance.pipeline.extract.landing.results import CallResult
from bitbucket_compliance.pipeline.gate.expectations import results as result_suite
from bitbucket_compliance.pipeline.gate.expectations import staging
from bitbucket_compliance.pipeline.gate.expectations.model import Expectation
from bitbucket_compliance.resources.catalogue import RESOURCES
from bitbucket_compliance.security_tests.policies import load_policy
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from local.postgres import EmbeddedPostgres
from sandbox.build import Rules, uuid_of
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.databases import copied, unguarded
from tests.harness import Pipeline, bitbucket_connection
from tests.pipeline.small import (
    ACME,
    FAST,
    PROTECTING,
    extract,
    history,
    people,
    read,
    repository,
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

OUTAGE = "something could be read of all but 90% of the repositories"
SHRINK = "no listing is more than 10% shorter than the last published one"
ROSTER_AGE = "a roster was imported in the last 7 days"
ANOMALIES = "no listing repeats an object or disagrees with its own size"
NONE_LISTED = "the listing names a repository"
UNLISTED = "every listing of the workspace could be read"
UNREAD = "every listed repository was read or recorded as failed"
WRONG_MATCH = (
    "a rule applies to the main branch as its pattern or branching model says, and only an unread model leaves"
    " it unknown"
)

RUN = "staged"
STAGED = 12
ALWAYS_READ = "branch_restrictions,pull_requests,pipelines_config,pipelines"
SETTINGS = {"compliance.workspace": ACME, "compliance.run_id": RUN, "compliance.always_read": ALWAYS_READ}


@pytest.fixture(scope="module")
def _staged(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The name of a database with a run of twelve healthy repositories that was staged and judged, to copy."""
    with (
        SandboxServer(small_state(STAGED)) as server,
        copied(postgres, "staged_for_gates") as address,
        pytest.MonkeyPatch.context() as patch,
    ):
        connection = bitbucket_connection(server.url, "admin", **FAST)
        patch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps(connection))
        patch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", address)
        tasks.start_run(ACME, RUN, False)
        read(RUN)
        tasks.stage(ACME, RUN)
        pipeline = Pipeline(address, lambda *_, **__: None)
        pipeline.judge(RUN, ACME)
        yield "staged_for_gates"


_copies = itertools.count(1)


@pytest.fixture
def staged(_staged: str, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    """A database of the test's own with the run ``RUN``, staged and judged."""
    with copied(postgres, f"gates_{next(_copies)}", _staged) as address:
        monkeypatch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", address)
        yield Pipeline(address, lambda *_, **__: None)


def execute(pipeline: Pipeline, *statements: str) -> None:
    """Each changes something."""
    with psycopg.connect(pipeline.dsn, autocommit=True) as connection:
        for statement in statements:
            assert connection.execute(sql.SQL(statement)).rowcount > 0, statement


def suite(name: str = "staging") -> dict[str, Expectation]:
    """The expectations of a gate by what they say."""
    of_gate = {"staging": staging.expectations, "results": result_suite.expectations}[name]
    return {one.description: one for one in of_gate(load_policy().thresholds)}


def seen(pipeline: Pipeline, query: str) -> list[dict[str, Any]]:
    """What a query over schema quality finds in the run ``RUN``."""
    with psycopg.connect(pipeline.dsn, row_factory=dict_row) as connection:
        for setting in SETTINGS.items():
            connection.execute("SELECT set_config(%s, %s, true)", setting)
        return connection.execute(sql.SQL(query)).fetchall()


def share(pipeline: Pipeline, view: str) -> float:
    """The largest figure of a view that has to stay below a threshold."""
    return float(seen(pipeline, f"SELECT max(share) AS share FROM quality.{view}")[0]["share"])  # noqa: S608


def gated(
    pipeline: Pipeline, server: SandboxServer, grant: str = "admin", **connection: object
) -> tuple[str, str | None]:
    """A run with both gates, as in the DAG; its id, and what the gate that stopped it said."""
    pipeline.connect_to(server, grant, **{**FAST, **connection})
    touch(server)
    run_id = ""
    try:
        run_id = extract()
        tasks.gate(ACME, run_id, "staging")
        pipeline.judge(run_id, ACME)
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


def _roster(folder: Path, *leavers: int) -> Path:
    rows = [
        (one.email, one.display_name, "terminated" if n in leavers else "active", "", one.account_id)
        for n, one in enumerate(people())
    ]
    return write_csv(folder / "roster.csv", "email,name,status,end_date,account_id", rows)


# ------------------------------------------------------------------ the whole way


def test_a_healthy_run_passes_both_gates_and_each_expectation_is_recorded(
    pipeline: Pipeline, serve: Serve, tmp_path: Path
) -> None:
    pipeline.take("roster", _roster(tmp_path))
    run_id, stopped = gated(pipeline, serve(small_state(2)))
    assert stopped is None
    assert failing(pipeline, run_id) | failing(pipeline, run_id, "results") == set()
    for gate in ("staging", "results"):
        assert outcomes(pipeline, run_id, gate).keys() == suite(gate).keys()
    row = run_row(pipeline, run_id)
    assert (row["status"], row["quality"], row["error"]) == ("published", "passed", None)


def test_what_is_wrong_with_one_repository_holds_up_no_other_in_a_workspace_of_any_size(
    pipeline: Pipeline, serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One call that always fails, one repository that is gone, one main branch without a name, one rule refused."""
    pipeline.take("roster", _roster(tmp_path, 3))
    server = serve(small_state(9))
    server.state.add_fault("pull_requests", slug="repo-1")
    server.state.repository("repo-2").gone = True
    server.state.repository("repo-3").mainbranch = ""
    server.state.add_fault("branch_restrictions", slug="repo-4", status=404)
    run_id, stopped = gated(pipeline, server, grant="five")
    assert stopped is None
    found = {one: statuses(pipeline, f"repo-{one}")["peer_review_required"] for one in range(9)}
    assert found == {
        **dict.fromkeys(range(9), "passing"),
        1: "error",
        2: "error",
        3: "not_applicable",
    }
    assert statuses(pipeline, "Person 3")["offboarded_access_removed"] == "failing"
    assert run_row(pipeline, run_id)["status"] == "published"


@pytest.mark.parametrize("status", [500, 404, 403])
def test_members_that_can_not_be_listed_for_days_are_errors_and_hold_up_no_repository(
    pipeline: Pipeline, serve: Serve, tmp_path: Path, status: int
) -> None:
    pipeline.take("roster", _roster(tmp_path, 3))
    server = serve(small_state(2))
    whole_run(pipeline, server)
    assert statuses(pipeline, "Person 3")["offboarded_access_removed"] == "failing"
    execute(pipeline, "UPDATE staging.members SET data_as_of = data_as_of - interval '3 days'")
    server.state.repository("repo-1").restrictions = []
    server.state.add_fault("workspace_members", kind="status", status=status)
    run_id, stopped = gated(pipeline, server)
    assert stopped is None
    assert statuses(pipeline, "repo-1")["peer_review_required"] == "failing"
    for name in ("Person 0", "Person 3"):
        assert set(statuses(pipeline, name).values()) == {"error"}
    [shown] = pipeline.query(
        "SELECT * FROM compliance.current_results"
        " WHERE subject_name = 'Person 3' AND test_id = 'offboarded_access_removed'"
    )
    assert shown["reason_code"] == "held_back" and UNLISTED in shown["reason"] and shown["remediation"]
    assert shown["failing_since"] is not None, "a finding survives what nobody could know"
    assert {UNLISTED} == failing(pipeline, run_id) and run_row(pipeline, run_id)["quality"] == "passed_with_warnings"
    server.state.faults.clear()
    assert gated(pipeline, server)[1] is None
    assert statuses(pipeline, "Person 0")["offboarded_access_removed"] == "passing"


def test_a_member_whom_an_incomplete_listing_left_out_for_days_is_an_error_alone(
    pipeline: Pipeline, serve: Serve, tmp_path: Path
) -> None:
    pipeline.take("roster", _roster(tmp_path))
    server = serve(small_state(1))
    whole_run(pipeline, server)
    del server.state.workspaces[0].members[-1]
    server.state.add_fault("workspace_members", kind="wrong_size")
    execute(
        pipeline,
        "UPDATE staging.members SET data_as_of = data_as_of - interval '3 days' WHERE display_name = 'Person 3'",
    )
    run_id, stopped = gated(pipeline, server)
    assert stopped is None
    assert "nothing passes on data older than 48 hours" in failing(pipeline, run_id, "results")
    assert statuses(pipeline, "Person 3")["offboarded_access_removed"] == "error"
    assert statuses(pipeline, "Person 0")["offboarded_access_removed"] == "passing"


def test_a_repository_made_again_under_its_slug_takes_it_over_and_the_old_one_waits(
    pipeline: Pipeline, serve: Serve
) -> None:
    server = serve(small_state(4))
    whole_run(pipeline, server)
    repositories = server.state.workspaces[0].repositories
    before = repositories[1]
    repositories[1] = replace(before, uuid="{00000000-0000-4000-8000-000000000001}")
    server.state.add_fault("repositories", kind="wrong_size")
    run_id, stopped = gated(pipeline, server)
    assert stopped is None
    assert failing(pipeline, run_id) >= {ANOMALIES}
    assert statuses(pipeline, "repo-1")["peer_review_required"] == "passing"
    assert "peer_review_required" in statuses(pipeline, before.uuid), "the old one goes by its uuid"
    assert statuses(pipeline, "repo-0")["peer_review_required"] == "passing"


def test_an_outage_stops_publication_and_the_run_finishes_after_the_cure(
    pipeline: Pipeline, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(small_state(4))
    whole_run(pipeline, server)
    before = published(pipeline)
    server.state.repository("repo-3").restrictions = []
    endpoints = ("branch_restrictions", "pull_requests", "pipelines_config", "pipelines")
    for endpoint in endpoints:
        server.state.add_fault(endpoint)
    touch(server)
    pipeline.connect_to(server, "admin", **{**FAST, "retry_attempts": 1})
    run_id = extract()
    with pytest.raises(AirflowFailException) as stopped:
        tasks.gate(ACME, run_id, "staging")
    said = str(stopped.value)
    assert OUTAGE in said and "nothing was published" in said and "max_error_share" in said and "\n" not in said
    assert OUTAGE in caplog.text, "the task log names the expectation"
    row = outcomes(pipeline, run_id)[OUTAGE]
    assert (row["severity"], row["suite"], row["gate"]) == ("critical", "error_share", "staging")
    assert row["observed"]["observed_value"] == 1
    run = run_row(pipeline, run_id)
    assert (run["status"], run["quality"]) == ("gate_failed", "failed")
    assert OUTAGE in run["error"] and run["error"].startswith("gate staging")
    assert published(pipeline) == before
    server.state.faults.clear()
    tasks.read_chunk(ACME, run_id, 0)
    tasks.stage(ACME, run_id)
    tasks.gate(ACME, run_id, "staging")
    pipeline.judge(run_id, ACME)
    tasks.gate(ACME, run_id, "results")
    tasks.publish(ACME, run_id)
    pipeline.release(ACME)
    run = run_row(pipeline, run_id)
    assert (run["status"], run["error"], run["quality"]) == ("published", None, "passed_with_warnings")
    assert statuses(pipeline, "repo-3")["peer_review_required"] == "failing"


def test_a_small_workspace_that_lost_everything_keeps_what_was_published(pipeline: Pipeline, serve: Serve) -> None:
    server = serve(small_state(3))
    server.state.repository("repo-0").restrictions = []
    whole_run(pipeline, server)
    before = published(pipeline)
    server.state.workspaces[0].repositories.clear()
    run_id, stopped = gated(pipeline, server)
    assert stopped is not None and SHRINK in stopped and "lost sight" in stopped and "max_shrink_share" in stopped
    assert published(pipeline) == before
    run = run_row(pipeline, run_id)
    assert (run["status"], run["quality"]) == ("gate_failed", "failed") and SHRINK in run["error"]
    assert failing(pipeline, run_id) >= {SHRINK, NONE_LISTED}


def test_the_policy_lets_a_listing_shrink_for_one_run(
    pipeline: Pipeline, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(small_state(5))
    whole_run(pipeline, server)
    server.state.workspaces[0].repositories.clear()
    policy = tmp_path / "policy.yaml"
    policy.write_text("thresholds: {max_shrink_share: 1.0}\n")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    assert gated(pipeline, server)[1] is None
    assert {row["subject_type"] for row in results(pipeline)} == {"member", "workspace"}


def test_warnings_are_recorded_and_stop_nothing(
    pipeline: Pipeline, serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline.take("roster", _roster(tmp_path))
    with psycopg.connect(pipeline.dsn, autocommit=True) as connection, unguarded(connection):
        connection.execute("UPDATE registry.imports SET imported_at = now() - interval '8 days'")
    server = serve(small_state(3))
    server.state.repository("repo-0").restrictions[0].kind = "require_moon_phase"
    server.state.add_fault("branch_restrictions", slug="repo-1", kind="wrong_size")
    server.state.add_fault("pull_requests", slug="repo-2", kind="repeat_item")
    run_id, stopped = gated(pipeline, server)
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


def test_an_empty_workspace_passes_both_gates_and_is_told_of(pipeline: Pipeline, serve: Serve) -> None:
    run_id, stopped = gated(pipeline, serve(small_state(0, 0)))
    assert stopped is None
    assert run_row(pipeline, run_id)["status"] == "published"
    assert failing(pipeline, run_id) == {NONE_LISTED, ROSTER_AGE}


# ------------------------------------------------------------------ what is read, before and now

OK, INCOMPLETE = "ok", "incomplete"
OUTCOMES = (OK, "scope_missing", "permission_missing", "not_found", "failed", INCOMPLETE)
BELOW = [one for one in RESOURCES if one.of == "repository" and one.table]


@dataclass(frozen=True)
class Change:
    """What becomes of a call on a repository in a first run and in a second one."""

    resource: str
    outcomes: tuple[str, str]
    renamed: bool

    @property
    def slug(self) -> str:
        return "-".join((self.resource, *self.outcomes, *(["renamed"] if self.renamed else []))).replace("_", "-")


CHANGES = [
    Change(one.name, pair, renamed)
    for one in BELOW
    for pair in itertools.product(OUTCOMES, OUTCOMES)
    for renamed in (False, True)
    if one.read_as == "listing" or INCOMPLETE not in pair
    if not renamed or one.name in ("branch_restrictions", "effective_branching_model")
]


def test_no_way_from_one_outcome_of_a_call_to_another_holds_up_anything(
    pipeline: Pipeline, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pair of what became of a call before and now, for every resource; some main branches renamed meanwhile."""
    state = small_state(1)
    crew = people()
    for number, one in enumerate(CHANGES):
        made = repository(one.slug, crew, merged=1, number=number + 1)
        made.restrictions += Rules(10_000 + 10 * number).model("production", *PROTECTING).made
        state.workspaces[0].repositories.append(made)
    server = serve(state)
    turn = 0
    monkeypatch.setattr(fetch, "read", _ending_as({uuid_of(ACME, one.slug): one for one in CHANGES}, lambda: turn))
    whole_run(pipeline, server, requests_per_hour=0)
    healthy = statuses(pipeline, "repo-0")
    turn = 1
    for one in CHANGES:
        if one.renamed:
            state.repository(one.slug).mainbranch = "trunk"
    run_id, stopped = gated(pipeline, server, requests_per_hour=0)
    assert stopped is None
    assert failing(pipeline, run_id) - {ANOMALIES, ROSTER_AGE} == set()
    assert failing(pipeline, run_id, "results") == set()
    assert statuses(pipeline, "repo-0") == healthy
    bases: dict[str, list[str | None]] = {}
    for (_, name), verdict in pipeline.verdicts(ACME).items():
        bases.setdefault(name, []).append(verdict[1])
    assert {len(bases[one.slug]) for one in CHANGES} == {4}
    unread = [one.slug for one in CHANGES if one.resource == "branch_restrictions" and one.outcomes[1] != OK]
    assert [slug for slug in unread if "configuration" in bases[slug]] == [], "what was not read decides nothing"


def _ending_as(changes: dict[str, Change], turn: Callable[[], int]) -> Callable[[Client, Call], CallResult]:
    """``fetch.read`` with the outcomes of a turn."""
    asked = fetch.read

    def read_call(client: Client, call: Call) -> CallResult:
        change = changes.get(call.repository_id)
        if change is None:
            return asked(client, call)
        if (change.resource, call.resource.name) == ("pull_request_statuses", "branch_restrictions"):
            return call.result("permission_missing", message="so that builds are asked for")
        wanted = change.outcomes[turn()] if call.resource.name == change.resource else OK
        if wanted == OK:
            return asked(client, call)
        if wanted == INCOMPLETE:
            result = asked(client, call)
            return replace(result, incomplete_because="lacks some")
        return call.result(wanted, message="as the test wants")

    return read_call


# ------------------------------------------------------------------ single expectations

DEAD = (
    "UPDATE staging.coverage SET outcome = '{outcome}' WHERE repository_id IN"
    " (SELECT repository_id FROM staging.repositories ORDER BY slug LIMIT {repositories}){resource}"
)


@pytest.mark.parametrize(
    ("repositories", "outcome", "resource", "expected"),
    [
        (3, "failed", "", 0),
        (4, "failed", "", pytest.approx(4 / STAGED)),
        (STAGED, "not_found", "", 1),
        (STAGED, "permission_missing", "", 0),
        (STAGED, "scope_missing", "", 0),
        # An endpoint that Bitbucket took away says nothing about the others.
        (STAGED, "failed", " AND resource <> 'pipelines_config'", 0),
        (STAGED, "failed", " AND resource = 'branch_restrictions'", 0),
    ],
)
def test_only_repositories_of_which_nothing_could_be_read_tell_of_an_outage(
    staged: Pipeline, repositories: int, outcome: str, resource: str, expected: float
) -> None:
    execute(staged, DEAD.format(repositories=repositories, outcome=outcome, resource=resource))
    assert share(staged, "error_share") == expected


@pytest.mark.parametrize(
    ("listing", "key", "published", "left", "expected"),
    [
        ("repositories", "repository_id", STAGED + 3, STAGED, 0),
        ("repositories", "repository_id", STAGED + 4, STAGED, pytest.approx(4 / (STAGED + 4))),
        ("repositories", "repository_id", 3, 0, 1),
        ("repositories", "repository_id", 1, 0, 1),
        ("repositories", "repository_id", 0, 0, 0),
        ("members", "member_id", 8, 4, 0.5),
        ("members", "member_id", 7, 4, 0),
        ("members", "member_id", 2, 0, 1),
    ],
)
def test_a_listing_shrank_when_it_lost_more_than_three_or_everything(
    staged: Pipeline, listing: str, key: str, published: int, left: int, expected: float
) -> None:
    if published:
        name = ", slug" if listing == "repositories" else ""
        value = ", 'published-' || n" if name else ""
        execute(
            staged,
            f"INSERT INTO compliance.{listing} (workspace, {key}{name})"  # noqa: S608
            f" SELECT '{ACME}', '{{published-' || n || '}}'{value} FROM generate_series(1, {published}) AS n",
        )
    if not left:
        execute(staged, f"DELETE FROM staging.{listing}")  # noqa: S608
    assert share(staged, "shrink") == expected


def test_a_workspace_where_nothing_passes_breaks_no_expectation(staged: Pipeline) -> None:
    """What every new workspace looks like: nobody classified anything, no rules, no evidence, no roster."""
    execute(staged, "DELETE FROM staging.branch_restrictions")
    staged.judge(RUN, ACME)
    assert {row["status"] for row in staged.query("SELECT status FROM judged.verdicts")} == {"failing", "pending"}
    for gate in ("staging", "results"):
        for description, one in suite(gate).items():
            if one.kind == "UnexpectedRowsExpectation":
                assert seen(staged, one.broken_rows) == [], description


def test_old_data_breaks_no_expectation_for_a_verdict_that_does_not_pass(staged: Pipeline) -> None:
    old = suite("results")["nothing passes on data older than 48 hours"]
    change = "UPDATE judged.verdicts SET read_at = now() - interval '49 hours' WHERE status {} 'passing'"
    execute(staged, change.format("<>"))
    assert seen(staged, old.broken_rows) == []
    execute(staged, change.format("="))
    assert len(seen(staged, old.broken_rows)) == 3 * STAGED


# What is wrong with one repository, the tests that may not rely on it, and what the reason says.
WRONG_READING = (
    ("repo-1", "UPDATE staging.repositories SET is_private = null", {"repo_classified"}, "whether it is private"),
    (
        "repo-2",
        "UPDATE staging.repositories SET slug = ''",
        {"repo_classified", "status_checks_required", "peer_review_required", "branch_protection_enforced"},
        "has a slug",
    ),
    (
        "repo-3",
        "UPDATE staging.branch_restrictions SET value = -1",
        {"status_checks_required", "peer_review_required", "branch_protection_enforced"},
        "is at least 0",
    ),
    (
        "repo-4",
        "UPDATE staging.branch_restrictions SET pattern = 'release/*'",
        {"status_checks_required", "peer_review_required", "branch_protection_enforced"},
        WRONG_MATCH,
    ),
    (
        "repo-5",
        "UPDATE staging.coverage SET http_status = 403",
        {"status_checks_required", "peer_review_required", "branch_protection_enforced"},
        "that Bitbucket refused",
    ),
)


def test_what_the_gate_of_staging_finds_wrong_is_an_error_and_nothing_else_is(staged: Pipeline) -> None:
    before = {(row["test_id"], row["subject_id"]): row for row in staged.query("SELECT * FROM judged.verdicts")}
    ids = {
        row["slug"]: row["repository_id"]
        for row in staged.query("SELECT slug, repository_id FROM staging.repositories")
    }
    for slug, statement, _, _ in WRONG_READING:
        execute(staged, f"{statement} WHERE repository_id = '{ids[slug]}'")
    execute(
        staged,
        "INSERT INTO staging.member_emails SELECT workspace, ' Odd', member_id, now() FROM staging.members LIMIT 1",
    )
    tasks.gate(ACME, RUN, "staging")
    staged.judge(RUN, ACME)
    after = {(row["test_id"], row["subject_id"]): row for row in staged.query("SELECT * FROM judged.verdicts")}
    expected = {(test, ids[slug]): says for slug, _, tests, says in WRONG_READING for test in tests}
    [member] = [row["member_id"] for row in staged.query("SELECT member_id FROM staging.member_emails")]
    expected |= {(test, member): "is in lower case" for test in ("user_mfa_enabled", "offboarded_access_removed")}
    assert {key for key, row in after.items() if row["status"] == "error"} == expected.keys()
    for key, says in expected.items():
        assert says in after[key]["reason"] and after[key]["basis"] is None
    compared = ("status", "basis", "reason_code", "reason", "facts")
    for key in before.keys() - expected.keys():
        assert [after[key][column] for column in compared] == [before[key][column] for column in compared], key
    # The cure of it all is another staging.
    tasks.stage(ACME, RUN)
    tasks.gate(ACME, RUN, "staging")
    assert staged.query("SELECT * FROM staging.held_back") == []


# A statement that breaks a rule about verdicts, and the verdict that can't be relied on then.
TAMPERED = (
    ("DELETE FROM judged.verdicts", "peer_review_required", "repo-0", "there is one verdict for each subject"),
    ("UPDATE judged.verdicts SET status = 'fine'", "peer_review_required", "repo-1", "every status is one"),
    ("UPDATE judged.verdicts SET basis = 'hearsay'", "peer_review_required", "repo-2", "every basis is one"),
    ("UPDATE judged.verdicts SET basis = null", "peer_review_required", "repo-3", "nothing passes without a basis"),
    (
        "UPDATE judged.verdicts SET read_at = now() - interval '49 hours'",
        "peer_review_required",
        "repo-4",
        "nothing passes on data older than 48 hours",
    ),
    (
        "UPDATE judged.verdicts SET data_as_of = now() + interval '1 hour'",
        "peer_review_required",
        "repo-5",
        "no verdict rests on data from the future",
    ),
    ("UPDATE judged.verdicts SET data_as_of = null", "peer_review_required", "repo-6", "when its data was read"),
    ("UPDATE judged.verdicts SET reason = ' '", "status_checks_required", "repo-6", "its reason as a sentence"),
    ("UPDATE judged.verdicts SET facts = '[]'", "status_checks_required", "repo-7", "are JSON objects"),
    ("DELETE FROM judged.verdicts", "workspace_mfa_enforced", "acme", "there is one verdict for each subject"),
)


@pytest.mark.gated
def test_the_gate_of_results_puts_an_error_in_the_place_of_what_must_not_be_published(staged: Pipeline) -> None:
    tasks.gate(ACME, RUN, "staging")
    staged.judge(RUN, ACME)
    for statement, test_id, name, _ in TAMPERED:
        execute(staged, f"{statement} WHERE test_id = '{test_id}' AND subject_name = '{name}'")
    execute(
        staged,
        "UPDATE judged.verdicts SET subject_id = '{nobody}'"
        " WHERE test_id = 'repo_classified' AND subject_name = 'repo-0'",
    )
    tasks.gate(ACME, RUN, "results")
    tasks.publish(ACME, RUN)
    staged.release(ACME)
    rows = {(row["test_id"], row["subject_name"]): row for row in results(staged)}
    expected = {(test_id, name): rule for _, test_id, name, rule in TAMPERED}
    expected["repo_classified", "repo-0"] = "there is one verdict for each subject"
    assert {key for key, row in rows.items() if row["status"] == "error"} == expected.keys()
    for key, rule in expected.items():
        assert rows[key]["reason_code"] == "held_back" and rule in rows[key]["reason"], key
        assert rows[key]["basis"] is None and rows[key]["remediation"]
    assert "{nobody}" not in {row["subject_id"] for row in rows.values()}
    assert len(rows) == 4 * STAGED + 2 * 4 + 1
    assert run_row(staged, RUN)["quality"] == "passed_with_warnings"


def test_what_was_neither_read_nor_recorded_as_failed_counts_as_failed(staged: Pipeline) -> None:
    for calls in ("landing.calls", "staging.coverage"):
        execute(
            staged,
            f"DELETE FROM {calls} WHERE resource = 'pull_requests' AND repository_id ="  # noqa: S608
            " (SELECT repository_id FROM staging.repositories WHERE slug = 'repo-4')",
        )
    assert [row["slug"] for row in seen(staged, suite()[UNREAD].broken_rows)] == ["repo-4"]
    tasks.stage(ACME, RUN)
    staged.judge(RUN, ACME)
    [detail] = staged.query(
        "SELECT detail FROM judged.verdicts WHERE test_id = 'peer_review_required' AND subject_name = 'repo-4'"
    )
    assert detail["detail"]["merges"] is None


# ------------------------------------------------------------------ a gate and its record


def test_a_gate_that_runs_twice_adds_what_it_found_and_the_newest_counts(staged: Pipeline) -> None:
    tasks.gate(ACME, RUN, "staging")
    count = len(outcomes(staged, RUN))
    execute(staged, "UPDATE staging.granted_scopes SET run_id = 'another'")
    with pytest.raises(AirflowFailException) as stopped:
        tasks.gate(ACME, RUN, "staging")
    said = str(stopped.value)
    assert "the granted scopes are those of this run; seen: 1 row, the first: run_id another, data_as_of 2" in said
    assert "; nothing was published; clear the task stage_landing" in said
    tasks.stage(ACME, RUN)
    tasks.gate(ACME, RUN, "staging")
    rows = staged.query("SELECT count(*) AS n FROM quality.expectation_results WHERE run_id = %s", (RUN,))
    assert rows[0]["n"] == 3 * count > 0
    tries = staged.query("SELECT passed FROM quality.gate_outcomes WHERE run_id = %s ORDER BY outcome_id", (RUN,))
    assert [row["passed"] for row in tries] == [True, False, True]
    [run] = staged.query("SELECT quality FROM integration.runs WHERE run_id = %s", (RUN,))
    assert run["quality"] == "passed_with_warnings", "no roster was imported; what failed before is cured"


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
        "every repository has a slug",
        "INSERT INTO staging.repositories (workspace, repository_id, is_private, data_as_of)"
        " VALUES ('acme', '{no-slug}', true, now())",
        "{no-slug}",
    ),
    (
        "no repository stands twice",
        "INSERT INTO staging.repositories SELECT * FROM staging.repositories WHERE slug = 'repo-1'",
        "repository_id",
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
        UNREAD,
        "DELETE FROM landing.calls WHERE resource = 'pull_requests'"
        " AND repository_id = (SELECT repository_id FROM staging.repositories WHERE slug = 'repo-3')",
        "repo-3",
    ),
    (
        ANOMALIES,
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
        WRONG_MATCH,
        "UPDATE staging.branch_restrictions SET pattern = 'release/*' WHERE restriction_id = 3001",
        "3001",
    ),
    (
        "every pull request has its pull_request_key",
        "INSERT INTO staging.pull_requests (workspace, repository_id, pull_request_id, state)"
        " VALUES ('acme', '{gone}', null, 'OPEN')",
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
        "INSERT INTO staging.pull_requests (workspace, repository_id, pull_request_id, state)"
        " VALUES ('acme', '{gone}', 701, 'QUEUED')",
        "{gone}#701",
    ),
    (
        "every approval names who approved",
        "INSERT INTO staging.pull_requests (workspace, repository_id, pull_request_id, state, approved_by)"
        " VALUES ('acme', '{gone}', 702, 'OPEN', '{null}')",
        "702",
    ),
    (
        "every merge says who took part in its pull request",
        "INSERT INTO staging.pull_requests (workspace, repository_id, pull_request_id, state, "
        "author_id, destination_branch, merged_on)"
        " VALUES ('acme', '{gone}', 706, 'MERGED', '{a}', 'main', now())",
        "706",
    ),
    (
        "every merge says when and into which branch",
        "INSERT INTO staging.pull_requests (workspace, repository_id, pull_request_id, state, "
        "author_id, destination_branch, approved_by)"
        " VALUES ('acme', '{gone}', 703, 'MERGED', '{a}', 'main', '{}')",
        "703",
    ),
    (
        "every merge names the author of its pull request",
        "INSERT INTO staging.pull_requests (workspace, repository_id, pull_request_id, state, "
        "destination_branch, approved_by, merged_on)"
        " VALUES ('acme', '{gone}', 704, 'MERGED', 'main', '{}', now())",
        "704",
    ),
    (
        "no pull request was updated in the future",
        "INSERT INTO staging.pull_requests (workspace, repository_id, pull_request_id, state, updated_on)"
        " VALUES ('acme', '{gone}', 705, 'OPEN', now() + interval '2 days')",
        "705",
    ),
    (
        "every repository's merge checks has its repository_id",
        "INSERT INTO staging.merge_checks (workspace, pull_request_id, main_branch, checks) VALUES "
        "('acme', 1, 'main', '[]')",
        None,
    ),
    (
        "no repository's merge checks stands twice",
        "INSERT INTO staging.merge_checks (workspace, repository_id, pull_request_id, main_branch, checks)"
        " SELECT 'acme', '{gone}', 1, 'main', '[]' FROM generate_series(1, 2)",
        "{gone}",
    ),
    (
        "every repository's default reviewers has its repository_id",
        "INSERT INTO staging.default_reviewers (workspace, reviewers) VALUES ('acme', '{}')",
        None,
    ),
    (
        "no repository's default reviewers stands twice",
        "INSERT INTO staging.default_reviewers (workspace, repository_id, reviewers)"
        " SELECT 'acme', '{gone}', '{}' FROM generate_series(1, 2)",
        "{gone}",
    ),
    (
        "every pull request's builds has its pull_request_key",
        "INSERT INTO staging.pull_request_builds"
        " (workspace, repository_id, pull_request_id, builds, builds_failed, builds_in_progress) VALUES "
        "('acme', '{gone}', null, 1, 0, 0)",
        None,
    ),
    (
        "no pull request's builds stands twice",
        "INSERT INTO staging.pull_request_builds"
        " (workspace, repository_id, pull_request_id, builds, builds_failed, builds_in_progress) SELECT "
        "'acme', '{gone}', 801, 1, 0, 0 FROM generate_series(1, 2)",
        "{gone}#801",
    ),
    (
        "builds that failed or are in progress are between 0 and all builds of a pull request",
        "INSERT INTO staging.pull_request_builds"
        " (workspace, repository_id, pull_request_id, builds, builds_failed, builds_in_progress) VALUES "
        "('acme', '{gone}', 802, 1, 1, 1)",
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
        UNLISTED,
        "UPDATE staging.coverage SET outcome = 'failed', http_status = 500 WHERE resource = 'members'",
        "members",
    ),
    (
        OUTAGE,
        "UPDATE staging.coverage SET outcome = 'failed', message = 'it broke' WHERE run_id = 'staged'"
        " AND repository_id NOT IN ('', (SELECT repository_id FROM staging.branch_restrictions"
        " WHERE restriction_id = 3001))",
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
    staged: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    _unprotected(staged, "staging")
    execute(staged, *(statement for _, statement, _ in STAGING_BROKEN))
    with pytest.raises(AirflowFailException) as stopped:
        tasks.gate(ACME, RUN, "staging")

    rules = suite()
    assert rules.keys() == {expectation for expectation, _, _ in STAGING_BROKEN} | {NONE_LISTED}
    rows = outcomes(staged, RUN)
    assert {name for name in rules if rows[name]["success"]} == {NONE_LISTED}
    log = caplog.text
    for expectation, _, named in STAGING_BROKEN:
        assert rows[expectation]["severity"] == rules[expectation].severity
        assert named is None or named in str(rows[expectation]["observed"]["unexpected_rows"]), expectation
        assert named is None or named in log, expectation
        assert f"what to do: {rules[expectation].hint}" in log
    shown = rows[SHRINK]["observed"]
    assert shown["unexpected_count"] == 25 and len(shown["unexpected_rows"]) == 20
    assert "25 rows), the first 20:" in log
    assert "example.com" not in log + str(rows) and "Person" not in log + str(rows), "nobody's address or name"
    criticals = [name for name, one in rules.items() if one.severity == "critical"]
    assert f"(and {len(criticals) - 1} more)" in str(stopped.value) and "\n" not in str(stopped.value)


def test_every_table_of_staging_has_an_expectation_over_its_own_view(pipeline: Pipeline) -> None:
    """But what the gate itself writes."""
    tables = pipeline.query(
        "SELECT tables.table_name, usage.view_name FROM information_schema.tables AS tables"
        " LEFT JOIN information_schema.view_table_usage AS usage ON usage.table_schema = 'staging'"
        " AND usage.table_name = tables.table_name AND usage.view_schema = 'quality'"
        " AND usage.view_name = tables.table_name"
        " WHERE tables.table_schema = 'staging' AND tables.table_type = 'BASE TABLE'"
        " AND tables.table_name <> 'held_back'"
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
        for setting in SETTINGS.items():
            connection.execute("SELECT set_config(%s, %s, false)", setting)
        connection.execute("SET ROLE compliance_pipeline")
        for row in views:
            connection.execute(sql.SQL("SELECT * FROM quality.{}").format(sql.Identifier(row["table_name"])))


def test_an_expectation_that_can_not_be_evaluated_stops_publication_and_is_tried_again(staged: Pipeline) -> None:
    with psycopg.connect(staged.dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE OR REPLACE VIEW quality.unread_repositories AS SELECT ''::text AS repository_id, ''::text AS slug,"
            " (1 / count(*) FILTER (WHERE repository_id = ''))::text AS resource FROM staging.repositories"
        )
    with pytest.raises(GateUnanswered, match="division by zero") as stopped:
        tasks.gate(ACME, RUN, "staging")
    assert UNREAD in str(stopped.value) and stopped.value.retryable
    assert failing(staged, RUN) == {UNREAD, ROSTER_AGE}


# Every further expectation of the gate of results, with a statement that breaks it for one subject.
RESULTS_BROKEN = (
    (
        "every population has in its table what was read, and nothing else, or the reason is known",
        "INSERT INTO compliance.changes (workspace, repository_id, kind, change_key, merged_on, forced, removed,"
        " policy_version, first_run_id, recorded_at)"
        " VALUES ('acme', '{made-up}', 'pull_request', '1', now(), false, false, 'p', 'no such run', now())",
        "{made-up} 1",
    ),
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
        "UPDATE judged.verdicts SET read_at = now() - interval '49 hours'"
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


def test_every_expectation_about_results_can_fail_and_shows_its_rows(
    staged: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    _unprotected(staged, "judged")
    with psycopg.connect(staged.dsn, autocommit=True) as connection:
        for expectation, statement, _ in RESULTS_BROKEN:
            assert connection.execute(statement).rowcount == 1, expectation
    with pytest.raises(AirflowFailException):
        tasks.gate(ACME, RUN, "results")
    rules = suite("results")
    assert rules.keys() == {expectation for expectation, _, _ in RESULTS_BROKEN}
    rows = outcomes(staged, RUN, "results")
    assert {name for name in rules if rows[name]["success"]} == set()
    for expectation, _, named in RESULTS_BROKEN:
        shown = rows[expectation]["observed"].get("unexpected_rows", [])
        assert named is None or named in str(shown), expectation
        assert rows[expectation]["severity"] == rules[expectation].severity
        assert f"what to do: {rules[expectation].hint}" in caplog.text
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
    staged: Pipeline,
) -> None:
    with psycopg.connect(staged.dsn, autocommit=True) as connection:
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
        connection.execute("SELECT set_config('compliance.run_id', %s, false)", (RUN,))
        found = connection.execute("SELECT repository FROM quality.unsupported_verdicts").fetchall()
    expected = {f"repo-{number}" for number, case in enumerate(EVIDENCE_AGES) if not case[3]}
    assert {row[0] for row in found} == expected
