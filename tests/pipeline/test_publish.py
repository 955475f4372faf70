"""The published contract: its columns, its dates, its history, who may read it, and that nobody sees half of it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

from bitbucket_compliance.core.database import run_sql
from bitbucket_compliance.pipeline.publish import publish as publish_module
from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from local.postgres import EmbeddedPostgres
from local.postgres_cluster import ADMIN_ROLE
from sandbox.build import person
from sandbox.model import Member
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.conftest import Database
from tests.harness import Pipeline
from tests.pipeline.small import (
    ACME,
    FAST,
    extract,
    history,
    protect,
    results,
    small_state,
    start,
    statuses,
    whole_run,
    write_csv,
)

Serve = Callable[[SandboxState], SandboxServer]
PEERS = "peer_review_required"
ABSENT = ("removed_or_invisible", "test_disabled")

CONTRACT = {
    "current_results": (
        "workspace, test_id, test_title, severity, subject_type, subject_id, subject_name, status, basis, reason_code,"
        " reason, remediation, detail, first_seen_at, status_since, failing_since, due_at, exception_id, evidence_id,"
        " bypassable, bypassed, data_as_of, fresh_until, is_stale, evaluated_at, run_id, policy_version, facts_hash,"
        " workspace_id"
    ),
    "repositories": (
        "workspace, repository_id, slug, name, project_key, visibility, language, default_branch, open_pull_requests,"
        " required_approvals, required_builds, merge_checks_enforced, push_restricted, force_push_prevented,"
        " deletion_prevented, pipelines_enabled, last_pipeline_state, last_pipeline_at, classification, sensitivity,"
        " owner, updated_on, data_as_of, merge_rules_seen, workspace_id"
    ),
    "members": (
        "workspace, member_id, account_id, display_name, nickname, member_type, role, matched_by,"
        " repositories_reachable, data_as_of, added_on, last_accessed, workspace_id, needs_review"
    ),
    "member_employment": "workspace, member_id, hr_status, hr_end_date, workspace_id",
}
RULE_COLUMNS = (
    "required_approvals",
    "required_builds",
    "merge_checks_enforced",
    "push_restricted",
    "force_push_prevented",
    "deletion_prevented",
)


@pytest.fixture
def acme(serve: Serve) -> SandboxServer:
    """A sandbox with three healthy repositories."""
    return serve(small_state(3))


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a policy in force."""

    def put(text: str) -> None:
        path = tmp_path / "policy.yaml"
        path.write_text(text)
        monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(path))

    return put


def result(pipeline: Pipeline, subject: str, test: str = PEERS) -> dict[str, Any]:
    rows = pipeline.query(
        "SELECT * FROM compliance.current_results WHERE subject_name = %s AND test_id = %s", (subject, test)
    )
    return rows[0]


def inventory(pipeline: Pipeline, slug: str) -> dict[str, Any]:
    return pipeline.query("SELECT * FROM compliance.repositories WHERE slug = %s", (slug,))[0]


# ------------------------------------------------------------------------------- columns, comments


@pytest.mark.parametrize("table", CONTRACT)
def test_the_columns_are_those_of_the_contract_in_its_order(database: Database, table: str) -> None:
    rows = database.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'compliance' AND table_name = %s"
        " ORDER BY ordinal_position",
        (table,),
    ).fetchall()
    assert [row["column_name"] for row in rows] == CONTRACT[table].split(", ")


def test_every_column_of_the_published_schema_is_explained(database: Database) -> None:
    rows = database.execute(
        """
        SELECT relations.relname || '.' || columns.attname AS name
        FROM pg_class AS relations
        INNER JOIN pg_attribute AS columns ON relations.oid = columns.attrelid
        WHERE
            relations.relnamespace = 'compliance'::regnamespace
            AND relations.relkind IN ('r', 'v', 'm', 'p')
            AND columns.attnum > 0
            AND NOT columns.attisdropped
            AND coalesce(col_description(relations.oid, columns.attnum), '') = ''
        ORDER BY 1
        """
    ).fetchall()
    assert [row["name"] for row in rows] == []


def test_every_published_relation_and_function_is_explained(database: Database) -> None:
    rows = database.execute(
        """
        SELECT relname AS name FROM pg_class
        WHERE relnamespace = 'compliance'::regnamespace AND relkind IN ('r', 'v', 'm', 'p')
            AND obj_description(oid, 'pg_class') IS NULL
        UNION ALL
        SELECT proname FROM pg_proc
        WHERE pronamespace = 'compliance'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL
        """
    ).fetchall()
    assert rows == []


# --------------------------------------------------------------------------------------------- roles

READABLE = (
    "current_results",
    "result_history",
    "repositories",
    "members",
    "runs",
    "test_summary",
    "tests",
    "test_controls",
    "reason_codes",
    "evidence",
    "exceptions",
    "exception_subjects",
    "exception_endings",
)
CLOSED = (
    "landing.objects",
    "landing.calls",
    "staging.members",
    "staging.member_emails",
    "judged.verdicts",
    "registry.people",
    "registry.roster",
    "registry.evidence_members",
    "registry.exceptions",
    "registry.exception_decisions",
    "integration.runs",
    "integration.workspace_leases",
    "quality.expectation_results",
    "quality.verdicts",
)


@pytest.fixture
def as_role(dsn: str) -> Iterator[Callable[[str], psycopg.Connection[Any]]]:
    """Connections that act as a role."""
    opened: list[psycopg.Connection[Any]] = []

    def connect(role: str) -> psycopg.Connection[Any]:
        connection = psycopg.connect(dsn, autocommit=True)
        opened.append(connection)
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        return connection

    yield connect
    for connection in opened:
        connection.close()


Roles = Callable[[str], psycopg.Connection[Any]]


def may(connection: psycopg.Connection[Any], statement: str, relation: str | None = None) -> bool:
    """Whether the role may run a statement, ``{}`` in it standing for a relation; nothing of it stays."""
    name = sql.Identifier(*relation.split(".")) if relation else sql.SQL("")
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(sql.SQL(statement).format(name))  # type: ignore[arg-type]
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


def test_a_reader_selects_from_the_published_views_and_does_nothing_else(as_role: Roles) -> None:
    reader = as_role("compliance_reader")
    for name in READABLE:
        assert may(reader, "SELECT * FROM {}", f"compliance.{name}"), name
    assert may(reader, "SELECT * FROM compliance.results_as_of(now())")
    assert not may(reader, "SELECT * FROM compliance.member_employment")
    assert {name for name in CLOSED if may(reader, "SELECT 1 FROM {}", name)} == set()
    for table in ("results", "result_history", "repositories", "members", "member_employment"):
        for statement in ("UPDATE {} SET workspace = 'x'", "DELETE FROM {}", "TRUNCATE {}"):
            assert not may(reader, statement, f"compliance.{table}"), (statement, table)
    assert not may(reader, "UPDATE compliance.tests SET enabled = false")
    assert not may(reader, "CREATE TABLE compliance.mine (a int)")
    assert not may(reader, "CREATE SCHEMA mine")


def test_employment_is_for_the_people_reader_alone(as_role: Roles) -> None:
    people = as_role("compliance_people_reader")
    assert may(people, "SELECT * FROM compliance.member_employment")
    assert not may(people, "DELETE FROM compliance.member_employment")
    assert {name for name in CLOSED if may(people, "SELECT 1 FROM {}", name)} == set()
    assert not may(as_role("compliance_console"), "SELECT * FROM compliance.member_employment")


def test_the_pipeline_writes_results_and_only_adds_to_what_people_declared(as_role: Roles) -> None:
    worker = as_role("compliance_pipeline")
    for relation in ("landing.calls", "staging.members", "judged.verdicts", "compliance.results"):
        assert may(worker, "DELETE FROM {}", relation), relation
    for table in (
        "people",
        "imports",
        "classification",
        "evidence",
        "evidence_members",
        "evidence_decisions",
        "evidence_subjects",
        "exceptions",
        "exception_decisions",
        "exception_subjects",
        "policy_overrides",
    ):
        assert may(worker, "SELECT * FROM {}", f"registry.{table}")
        assert not may(worker, "DELETE FROM {}", f"registry.{table}"), table
        assert not may(worker, "TRUNCATE {}", f"registry.{table}"), table
    assert not may(worker, "UPDATE registry.people SET name = 'x'")
    assert not may(worker, "UPDATE registry.evidence SET captured_on = now()")
    assert not may(worker, "DELETE FROM registry.evidence_decisions")
    assert not may(worker, "UPDATE registry.exceptions SET expires_at = now()")
    assert not may(worker, "DELETE FROM compliance.exception_endings")
    assert not may(worker, "UPDATE compliance.exception_endings SET cause = 'expired'")
    assert not may(worker, "DROP TABLE compliance.results")
    assert not may(worker, "CREATE TABLE compliance.mine (a int)")


def test_the_console_declares_and_reads_but_judges_nothing(as_role: Roles) -> None:
    console = as_role("compliance_console")
    assert may(console, "SELECT * FROM compliance.current_results")
    assert may(console, "SELECT * FROM registry.evidence")
    for statement in (
        "DELETE FROM compliance.results",
        "UPDATE compliance.result_history SET status = 'passing'",
        "DELETE FROM registry.evidence",
        "UPDATE registry.classification SET owner = 'x'",
        "SELECT * FROM landing.objects",
        "INSERT INTO judged.enabled_tests VALUES ('a', 'b', 'c', 'd', now())",
    ):
        assert not may(console, statement), statement


def test_nothing_is_granted_to_public(database: Database) -> None:
    rows = database.execute(
        """
        SELECT 'relation ' || relations.oid::regclass AS granted
        FROM pg_class AS relations
        CROSS JOIN LATERAL aclexplode(relations.relacl) AS acl
        INNER JOIN pg_namespace AS schemas ON relations.relnamespace = schemas.oid
        WHERE acl.grantee = 0 AND schemas.nspname = ANY(%(schemas)s)
        UNION ALL
        SELECT 'function ' || functions.oid::regprocedure
        FROM pg_proc AS functions
        INNER JOIN pg_namespace AS schemas ON functions.pronamespace = schemas.oid
        CROSS JOIN LATERAL aclexplode(coalesce(functions.proacl, acldefault('f', functions.proowner))) AS acl
        WHERE acl.grantee = 0 AND schemas.nspname = ANY(%(schemas)s)
        UNION ALL
        SELECT 'schema ' || schemas.nspname
        FROM pg_namespace AS schemas
        CROSS JOIN LATERAL aclexplode(schemas.nspacl) AS acl
        WHERE acl.grantee = 0 AND schemas.nspname = ANY(%(schemas)s)
        """,
        {"schemas": ["landing", "staging", "judged", "registry", "integration", "quality", "compliance"]},
    ).fetchall()
    assert rows == []


@pytest.fixture
def pipeline_login(postgres: EmbeddedPostgres, dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The connection ``compliance_postgres`` logs in as a role that is compliance_pipeline and nothing more."""
    name, password = "just_the_pipeline", "only-for-this-test"
    role = sql.Identifier(name)
    with psycopg.connect(postgres.uri("postgres", ADMIN_ROLE), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password)))
        admin.execute(sql.SQL("GRANT compliance_pipeline TO {}").format(role))
        database = conninfo_to_dict(dsn)["dbname"]
        monkeypatch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", postgres.uri(str(database), name, password))
        yield
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (name,))
        admin.execute(sql.SQL("DROP ROLE {}").format(role))


@pytest.mark.filterwarnings("ignore:You are using a generic SQLDatasource")
@pytest.mark.usefixtures("pipeline_login")
def test_a_login_that_is_the_pipeline_and_no_more_can_do_a_whole_run(pipeline: Pipeline, acme: SandboxServer) -> None:
    pipeline.connect_to(acme, "admin", **FAST)
    run_id = extract()
    tasks.gate(ACME, run_id, "staging")
    pipeline.judge(run_id, ACME)
    tasks.gate(ACME, run_id, "results")
    tasks.publish(ACME, run_id)
    tasks.finish_run(ACME, run_id)
    assert statuses(pipeline, "repo-0")[PEERS] == "passing"


@pytest.mark.usefixtures("pipeline_login")
def test_a_login_that_is_the_pipeline_and_no_more_can_import_declared_files(pipeline: Pipeline, tmp_path: Path) -> None:
    people = [("person-0@example.com", "Person 0", "active", "", "")]
    pipeline.take("roster", write_csv(tmp_path / "r.csv", "email,name,status,end_date,account_id", people))
    classes = [("repository", "repo-0", "production", "", "")]
    header = "target_type,target,classification,sensitivity,owner"
    pipeline.take("classification", write_csv(tmp_path / "c.csv", header, classes))
    assert len(pipeline.query("SELECT 1 FROM registry.imports")) == 2


# --------------------------------------------------------------------------------------------- dates


def test_failing_since_and_due_survive_error_and_pending_and_end_on_passing(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    repository = acme.state.repository("repo-0")
    repository.restrictions = []
    repository.pull_requests = []
    whole_run(pipeline, acme)
    first = result(pipeline, "repo-0")
    assert first["status"] == "failing"
    assert first["failing_since"] == first["status_since"] == first["first_seen_at"]
    assert first["due_at"] == first["failing_since"] + timedelta(days=30)

    fault = acme.state.add_fault("branch_restrictions", slug="repo-0")
    whole_run(pipeline, acme)
    error = result(pipeline, "repo-0")
    assert error["status"] == "error"
    assert (error["failing_since"], error["due_at"]) == (first["failing_since"], first["due_at"])
    assert error["status_since"] > first["status_since"]

    fault.remaining = 0
    whole_run(pipeline, acme, grant="five")
    pending = result(pipeline, "repo-0")
    assert (pending["status"], pending["reason_code"]) == ("pending", "rules_no_longer_readable")
    assert (pending["failing_since"], pending["due_at"]) == (first["failing_since"], first["due_at"])

    whole_run(pipeline, acme)
    again = result(pipeline, "repo-0")
    assert again["status"] == "failing"
    assert (again["failing_since"], again["due_at"]) == (first["failing_since"], first["due_at"])
    assert again["status_since"] > pending["status_since"]
    whole_run(pipeline, acme)
    assert result(pipeline, "repo-0")["status_since"] == again["status_since"], "nothing changed"

    protect(repository)
    whole_run(pipeline, acme)
    passing = result(pipeline, "repo-0")
    assert passing["status"] == "passing"
    assert (passing["failing_since"], passing["due_at"]) == (None, None)
    assert passing["first_seen_at"] == first["first_seen_at"]

    repository.restrictions = []
    whole_run(pipeline, acme)
    relapse = result(pipeline, "repo-0")
    assert relapse["failing_since"] == relapse["status_since"] > passing["status_since"]


def test_a_pending_verdict_that_never_failed_has_no_due_date(pipeline: Pipeline, acme: SandboxServer) -> None:
    acme.state.add_fault("*", slug="repo-0")
    whole_run(pipeline, acme)
    row = result(pipeline, "repo-0")
    assert (row["status"], row["failing_since"], row["due_at"]) == ("error", None, None)


def test_the_due_date_follows_the_severity_of_the_policy(
    pipeline: Pipeline, acme: SandboxServer, policy: Callable[[str], None]
) -> None:
    severities = {
        PEERS: ("critical", 7),
        "status_checks_required": ("high", 30),
        "branch_protection_enforced": ("medium", 90),
    }
    policy("tests: {" + ", ".join(f"{test}: {{severity: {word}}}" for test, (word, _) in severities.items()) + "}\n")
    acme.state.repository("repo-0").restrictions = []
    whole_run(pipeline, acme)
    for test, (severity, days) in severities.items():
        row = result(pipeline, "repo-0", test)
        assert row["severity"] == severity
        assert row["due_at"] - row["failing_since"] == timedelta(days=days)


def test_staleness_is_computed_when_it_is_read(pipeline: Pipeline, acme: SandboxServer, database: Database) -> None:
    whole_run(pipeline, acme)
    row = result(pipeline, "repo-0")
    assert not row["is_stale"]
    assert row["fresh_until"] == row["data_as_of"] + timedelta(hours=48)
    assert row["data_as_of"] <= row["first_seen_at"]
    database.execute(
        "UPDATE compliance.results SET fresh_until = now() - interval '1 second' WHERE subject_name = 'repo-0'"
    )
    assert result(pipeline, "repo-0")["is_stale"]
    assert not result(pipeline, "repo-1")["is_stale"]
    summary = database.execute("SELECT stale FROM compliance.test_summary WHERE test_id = %s", (PEERS,)).fetchone()
    assert summary is not None and summary["stale"] == 1


# ------------------------------------------------------------------------------------------- history


def assert_whole(pipeline: Pipeline) -> None:
    """Intervals of a subject follow each other without overlap and without gap; the last one is open."""
    chains: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in history(pipeline):
        chains.setdefault((row["workspace"], row["test_id"], row["subject_id"]), []).append(row)
    for key, chain in chains.items():
        for before, after in itertools.pairwise(chain):
            assert before["valid_to"] == after["valid_from"], key
            same = ("status", "basis", "reason_code", "facts_hash", "exception_id", "policy_version")
            assert [before[name] for name in same] != [after[name] for name in same], key
        assert all(row["valid_to"] is None or row["valid_to"] > row["valid_from"] for row in chain)
        assert [row["valid_to"] for row in chain[:-1]].count(None) == 0
        assert chain[-1]["valid_to"] is None


COMPARED = (
    "test_id",
    "subject_id",
    "subject_name",
    "status",
    "basis",
    "reason_code",
    "reason",
    "facts_hash",
    "exception_id",
    "policy_version",
)


def shown(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return sorted(tuple(str(row[name]) for name in COMPARED) for row in rows)


def test_history_has_no_gap_no_overlap_and_tells_what_was_shown_at_any_time(
    pipeline: Pipeline, acme: SandboxServer, policy: Callable[[str], None]
) -> None:
    workspace = acme.state.workspaces[0]
    snapshots = []

    def publish_and_look() -> None:
        whole_run(pipeline, acme)
        now = pipeline.query("SELECT clock_timestamp() AS now")[0]["now"]
        snapshots.append((now, shown(results(pipeline))))

    publish_and_look()
    workspace.repositories[0].restrictions = []
    publish_and_look()
    removed = workspace.repositories.pop()
    leaver = workspace.members.pop()
    publish_and_look()
    fault = acme.state.add_fault("*", slug="repo-1")
    publish_and_look()
    workspace.repositories.append(removed)
    workspace.members.append(leaver)
    fault.remaining = 0
    publish_and_look()
    policy("tests: {repo_classified: {enabled: false}}\n")
    publish_and_look()
    policy("thresholds: {min_approvals: 5}\n")
    publish_and_look()
    publish_and_look()
    assert_whole(pipeline)
    for at, state in snapshots:
        assert shown(pipeline.query("SELECT * FROM compliance.results_as_of(%s)", (at,))) == state
    states = [state for _, state in snapshots]
    changed = [before != after for before, after in itertools.pairwise(states)]
    assert changed == [True] * 6 + [False], "each change was seen, the last run changed nothing"
    assert pipeline.query("SELECT * FROM compliance.results_as_of('2000-01-01')") == []


def test_a_removed_subject_leaves_the_results_for_history_and_may_come_back(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    repositories = acme.state.workspaces[0].repositories
    repositories[2].restrictions = []
    whole_run(pipeline, acme)
    before = result(pipeline, "repo-2")
    removed = repositories.pop()
    whole_run(pipeline, acme)
    assert statuses(pipeline, "repo-2") == {}
    assert pipeline.query("SELECT 1 FROM compliance.repositories WHERE slug = 'repo-2'") == []
    open_rows = [r for r in history(pipeline) if r["subject_name"] == "repo-2" and r["valid_to"] is None]
    assert {row["test_id"] for row in open_rows} == {
        "repo_classified",
        "status_checks_required",
        PEERS,
        "branch_protection_enforced",
    }
    assert {(row["status"], row["reason_code"]) for row in open_rows} == {("not_applicable", "removed_or_invisible")}
    count = len(history(pipeline))
    whole_run(pipeline, acme)
    assert len(history(pipeline)) == count, "being away is no news"
    repositories.append(removed)
    whole_run(pipeline, acme)
    assert result(pipeline, "repo-2")["facts_hash"] == before["facts_hash"]
    assert_whole(pipeline)


def test_a_subject_that_comes_back_was_first_seen_when_it_was_first_judged(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    """The column's own comment: when this subject was first judged by this test."""
    whole_run(pipeline, acme)
    first = result(pipeline, "repo-2")["first_seen_at"]
    removed = acme.state.workspaces[0].repositories.pop()
    whole_run(pipeline, acme)
    acme.state.workspaces[0].repositories.append(removed)
    whole_run(pipeline, acme)
    assert result(pipeline, "repo-2")["first_seen_at"] == first


def test_a_test_that_is_switched_off_was_not_run_and_has_no_results(
    pipeline: Pipeline, acme: SandboxServer, policy: Callable[[str], None]
) -> None:
    whole_run(pipeline, acme)
    policy(f"tests: {{{PEERS}: {{enabled: false}}}}\n")
    whole_run(pipeline, acme)
    assert not any(test == PEERS for test, _ in statuses(pipeline))
    summary = {r["test_id"]: r for r in pipeline.query("SELECT * FROM compliance.test_summary")}
    assert len(summary) == len(CATALOGUE)
    assert summary[PEERS]["status"] == summary["pipelines_enabled"]["status"] == "not_run"
    assert [summary[PEERS][name] for name in ("passing", "failing", "pending", "error")] == [0, 0, 0, 0]
    assert not summary[PEERS]["enabled"]
    assert (summary["status_checks_required"]["status"], summary["status_checks_required"]["passing"]) == ("passing", 3)
    gone = [row for row in history(pipeline) if row["test_id"] == PEERS and row["valid_to"] is None]
    assert {row["reason_code"] for row in gone} == {"test_disabled"}
    policy("")
    whole_run(pipeline, acme)
    assert result(pipeline, "repo-0")["status"] == "passing"
    assert_whole(pipeline)


def test_a_new_policy_opens_new_intervals(
    pipeline: Pipeline, acme: SandboxServer, policy: Callable[[str], None]
) -> None:
    whole_run(pipeline, acme)
    old = {row["policy_version"] for row in results(pipeline)}
    count = len(results(pipeline))
    policy("thresholds: {max_error_share: 0.3}\n")
    whole_run(pipeline, acme)
    new = {row["policy_version"] for row in results(pipeline)}
    assert len(old) == len(new) == 1 and old != new
    assert len(history(pipeline)) == 2 * count
    known = pipeline.query("SELECT policy_version FROM registry.policy_versions")
    assert {row["policy_version"] for row in known} == old | new
    assert result(pipeline, "repo-0")["status_since"] == result(pipeline, "repo-0")["first_seen_at"]
    assert_whole(pipeline)


def test_publishing_twice_changes_nothing(pipeline: Pipeline, acme: SandboxServer) -> None:
    pipeline.connect_to(acme, "admin", **FAST)
    run_id = extract()
    pipeline.judge(run_id, ACME)
    tasks.publish(ACME, run_id)
    tables = ("current_results", "result_history", "repositories", "members", "tests", "test_summary")
    before = {t: pipeline.query(f"SELECT * FROM compliance.{t} ORDER BY 1, 2, 3, 4, 5, 6") for t in tables}  # noqa: S608
    run = pipeline.query("SELECT status, requests_spent, coverage, repositories FROM compliance.runs")
    tasks.publish(ACME, run_id)
    for table, rows in before.items():
        assert pipeline.query(f"SELECT * FROM compliance.{table} ORDER BY 1, 2, 3, 4, 5, 6") == rows, table  # noqa: S608
    assert pipeline.query("SELECT status, requests_spent, coverage, repositories FROM compliance.runs") == run
    tasks.stage(ACME, run_id)
    pipeline.judge(run_id, ACME)
    tasks.publish(ACME, run_id)
    assert (
        pipeline.query("SELECT * FROM compliance.result_history ORDER BY 1, 2, 3, 4, 5, 6") == before["result_history"]
    )
    tasks.finish_run(ACME, run_id)


def test_a_name_that_changes_is_shown_and_is_no_news_for_history(pipeline: Pipeline, acme: SandboxServer) -> None:
    whole_run(pipeline, acme)
    count = len(history(pipeline))
    acme.state.workspaces[0].members[0].account.display_name = "Married Name"
    whole_run(pipeline, acme)
    assert ("offboarded_access_removed", "Married Name") in statuses(pipeline)
    assert len(history(pipeline)) == count


# ------------------------------------------------------------------------------------------- readers


def test_a_reader_sees_the_state_before_or_after_never_a_mix(
    pipeline: Pipeline, acme: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = whole_run(pipeline, acme)
    for repository in acme.state.workspaces[0].repositories:
        repository.restrictions = []
    acme.state.workspaces[0].repositories.pop()
    pipeline.connect_to(acme, "admin", **FAST)
    second = extract()
    pipeline.judge(second, ACME)
    seen: list[tuple[str, set[str], int, int]] = []

    def look(where: str) -> None:
        info = make_conninfo(pipeline.dsn, options="-c default_transaction_isolation=repeatable\\ read")
        with psycopg.connect(info, row_factory=dict_row) as reader:
            runs = {row["run_id"] for row in reader.execute("SELECT run_id FROM compliance.current_results")}
            repositories = len(reader.execute("SELECT 1 FROM compliance.repositories").fetchall())
            open_rows = reader.execute(
                "SELECT 1 FROM compliance.result_history WHERE valid_to IS NULL AND reason_code <> ALL(%s)",
                (list(ABSENT),),
            ).fetchall()
            seen.append((where, runs, repositories, len(open_rows)))

    long_reader = psycopg.connect(pipeline.dsn, row_factory=dict_row)
    long_reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    before = long_reader.execute("SELECT * FROM compliance.results ORDER BY test_id, subject_id").fetchall()

    def run_and_look(connection: Any, path: str, keys: Any) -> Any:
        done = run_sql(connection, path, keys)
        watcher = threading.Thread(target=look, args=(path,))
        watcher.start()
        watcher.join(10)
        return done

    monkeypatch.setattr(publish_module, "run_sql", run_and_look)
    tasks.publish(ACME, second)
    tasks.finish_run(ACME, second)
    assert len(seen) >= 10
    for where, runs, repositories, open_rows in seen:
        assert (runs, repositories, open_rows) == ({first}, 3, 3 * 4 + 4 * 2 + 1), where
    assert long_reader.execute("SELECT * FROM compliance.results ORDER BY test_id, subject_id").fetchall() == before
    long_reader.close()
    seen.clear()
    look("after")
    assert seen[0][1:] == ({second}, 2, 2 * 4 + 4 * 2 + 1)


# ----------------------------------------------------------------------------- inventory and members


def test_the_inventory_tells_what_was_read(pipeline: Pipeline, acme: SandboxServer, tmp_path: Path) -> None:
    rows = [("repository", "repo-0", "production", "restricted", "owner@example.com")]
    header = "target_type,target,classification,sensitivity,owner"
    pipeline.take("classification", write_csv(tmp_path / "classes.csv", header, rows))
    acme.state.repository("repo-1").restrictions = []
    acme.state.repository("repo-1").pipelines_enabled = None
    acme.state.repository("repo-1").pipelines = []
    acme.state.repository("repo-1").is_private = False
    acme.state.repository("repo-1").language = ""
    acme.state.repository("repo-0").pull_requests[-1].state = "OPEN"
    whole_run(pipeline, acme)
    one = inventory(pipeline, "repo-0")
    assert [one[name] for name in RULE_COLUMNS] == [1, 1, True, True, True, True]
    assert (one["open_pull_requests"], one["visibility"], one["default_branch"]) == (1, "private", "main")
    assert (one["classification"], one["sensitivity"], one["owner"]) == (
        "production",
        "restricted",
        "owner@example.com",
    )
    assert (one["pipelines_enabled"], one["last_pipeline_state"]) == (True, "SUCCESSFUL")
    assert one["last_pipeline_at"] is not None and one["project_key"] == "ACM"
    none = inventory(pipeline, "repo-1")
    assert [none[name] for name in RULE_COLUMNS] == [0, 0, False, False, False, False]
    assert (none["open_pull_requests"], none["visibility"], none["language"]) == (0, "public", None)
    assert (none["pipelines_enabled"], none["last_pipeline_state"], none["last_pipeline_at"]) == (False, None, None)
    assert (none["classification"], none["sensitivity"], none["owner"]) == (None, None, None)


def test_what_could_not_be_read_is_null_and_never_false(pipeline: Pipeline, acme: SandboxServer) -> None:
    acme.state.repository("repo-0").gone = True
    acme.state.repository("repo-1").identity_permission = "read"
    acme.state.repository("repo-2").mainbranch = None
    whole_run(pipeline, acme)
    whole_run(pipeline, acme)  # what an earlier run read must not fill in either
    unread = (*RULE_COLUMNS, "pipelines_enabled")
    gone = inventory(pipeline, "repo-0")
    assert {gone[name] for name in (*unread, "open_pull_requests", "last_pipeline_state", "last_pipeline_at")} == {None}
    assert {inventory(pipeline, "repo-1")[name] for name in unread} == {None}
    assert inventory(pipeline, "repo-1")["last_pipeline_state"] == "SUCCESSFUL"
    assert {inventory(pipeline, "repo-2")[name] for name in RULE_COLUMNS} == {None}
    whole_run(pipeline, acme, grant="five")
    assert {inventory(pipeline, "repo-2")[name] for name in unread} == {None}


def test_values_of_an_earlier_run_do_not_stand_in_for_what_this_run_could_not_read(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    whole_run(pipeline, acme)
    assert inventory(pipeline, "repo-0")["push_restricted"] is True
    for endpoint in ("branch_restrictions", "pipelines_config", "pipelines", "pull_requests"):
        acme.state.add_fault(endpoint, slug="repo-0")
    whole_run(pipeline, acme)
    row = inventory(pipeline, "repo-0")
    names = (*RULE_COLUMNS, "pipelines_enabled", "open_pull_requests", "last_pipeline_state", "last_pipeline_at")
    assert {row[name] for name in names} == {None}


def test_members_show_how_the_roster_names_them(pipeline: Pipeline, serve: Serve, tmp_path: Path) -> None:
    state = small_state(1, 4)
    members = state.workspaces[0].members
    members[2].account.display_name = "  PERSON  Two\u00a0"
    state.workspaces[0].members.append(Member(person("nobody", "Nobody Knows", "nobody@example.com")))
    state.workspaces[0].members.append(Member(state.identity))
    accounts = [member.account.account_id for member in members]
    rows = [
        ("", "Someone", "active", "", accounts[0]),
        (" Person-1@Example.com ", "Else", "terminated", "2020-01-31", ""),
        ("elsewhere@example.com", "person two", "active", "", ""),
        ("person-3@example.com", "Person 3", "on_leave", "", accounts[3]),
        ("person-3@example.com", "Person 3", "terminated", "2020-01-31", accounts[3]),
        ("", "Acme integration", "active", "", state.identity.account_id),
    ]
    pipeline.take("roster", write_csv(tmp_path / "roster.csv", "email,name,status,end_date,account_id", rows))
    whole_run(pipeline, serve(state))
    found = {
        row["account_id"]: (row["matched_by"], row["member_type"], row["role"])
        for row in pipeline.query("SELECT * FROM compliance.members")
    }
    assert [found[account] for account in accounts[:4]] == [
        ("account_id", "user", "owner"),
        ("email", "user", "member"),
        ("name", "user", "member"),
        ("account_id", "user", "member"),
    ]
    assert found[members[4].account.account_id] == (None, "user", "member")
    assert found[state.identity.account_id][1] == "app_user"
    employment = {
        row["member_id"]: row["hr_status"] for row in pipeline.query("SELECT * FROM compliance.member_employment")
    }
    uuids = [member.account.uuid for member in members]
    assert employment == {uuids[0]: "active", uuids[1]: "terminated", uuids[3]: "on_leave"}


def test_runs_tell_what_was_read_and_what_it_cost(pipeline: Pipeline, acme: SandboxServer) -> None:
    acme.state.repository("repo-0").gone = True
    run_id = whole_run(pipeline, acme)
    row = pipeline.query("SELECT * FROM compliance.runs WHERE run_id = %s", (run_id,))[0]
    assert (row["status"], row["repositories"], row["full_refresh"]) == ("published", 3, False)
    assert row["coverage"]["branch_restrictions"] == {"ok": 2, "not_found": 1}
    assert row["coverage"]["repositories"] == {"ok": 1}
    assert set(row["scopes_granted"]) >= {"account", "repository", "pullrequest", "pipeline", "repository:admin"}
    assert row["requests_spent"] == sum(1 for r in acme.state.requests if r.path.startswith("/2.0/"))
    assert row["started_at"] <= row["finished_at"]
    open_run = start()
    shown_now = pipeline.query("SELECT status FROM compliance.runs WHERE run_id = %s", (open_run,))
    assert shown_now[0]["status"] == "running"
    pipeline.release(ACME)
