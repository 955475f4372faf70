"""Workspaces share a database: one that is being published, however long it takes, holds up no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException
from psycopg import sql

from bitbucket_compliance.core.database import run_sql
from bitbucket_compliance.pipeline.publish import publish as publish_module
from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.security_tests.upgrade import upgrade
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.small import ACME, FAST, extract, small_state, start, whole_run

Serve = Callable[[SandboxState], SandboxServer]
BETA = "beta"


def ready_to_publish(pipeline: Pipeline, server: SandboxServer, workspace: str) -> str:
    pipeline.connect_to(server, "admin", **FAST)
    run_id = extract(workspace)
    pipeline.judge(run_id, workspace)
    return run_id


def wait_for_no_lock(pipeline: Pipeline) -> None:
    """Whoever waits for a lock for a second fails."""
    with psycopg.connect(pipeline.dsn, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET lock_timeout = '1s'").format(name))


def test_a_workspace_is_published_while_another_one_holds_its_transaction_open(
    pipeline: Pipeline, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = {slug: serve(small_state(2, slug=slug)) for slug in (ACME, BETA)}
    for slug, server in servers.items():
        whole_run(pipeline, server, workspace=slug)
    runs = {slug: ready_to_publish(pipeline, server, slug) for slug, server in servers.items()}
    wait_for_no_lock(pipeline)
    meanwhile: list[str] = []

    def and_then_beta(connection: Any, path: str, keys: Any) -> Any:
        done = run_sql(connection, path, keys)
        if path == "pipeline/publish/by_status.sql" and keys["workspace"] == ACME:
            # All is written, nothing committed.
            tasks.publish(BETA, runs[BETA])
            meanwhile.extend(published(pipeline))
        return done

    monkeypatch.setattr(publish_module, "run_sql", and_then_beta)
    tasks.publish(ACME, runs[ACME])
    assert runs[BETA] in meanwhile and runs[ACME] not in meanwhile
    assert set(runs.values()) <= set(published(pipeline))


def published(pipeline: Pipeline) -> list[str]:
    rows = pipeline.query("SELECT run_id FROM compliance.runs WHERE status = 'published'")
    return [row["run_id"] for row in rows]


def test_the_catalogue_is_there_before_anything_ran_and_a_run_can_not_write_it(pipeline: Pipeline) -> None:
    known = pipeline.query("SELECT test_id, severity, cannot_see FROM compliance.tests ORDER BY display_order")
    assert [(row["test_id"], row["severity"], tuple(row["cannot_see"])) for row in known] == [
        (test.test_id, test.severity, tuple(test.cannot_see)) for test in CATALOGUE
    ]
    for table in ("tests", "test_controls", "reason_codes"):
        with psycopg.connect(pipeline.dsn) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SET ROLE compliance_pipeline")
            connection.execute(sql.SQL("DELETE FROM compliance.{}").format(sql.Identifier(table)))


def test_an_upgrade_mends_the_catalogue_and_touches_no_row_that_is_as_it_should_be(pipeline: Pipeline) -> None:
    tables = ("tests", "test_controls", "reason_codes")
    rows = {table: catalogue(pipeline, table) for table in tables}
    upgrade(pipeline.dsn)
    for table in tables:
        assert catalogue(pipeline, table) == rows[table]
    with psycopg.connect(pipeline.dsn) as connection:
        connection.execute("UPDATE compliance.tests SET severity = 'medium' WHERE test_id = 'repo_classified'")
        connection.execute("UPDATE compliance.reason_codes SET remediation = 'Nothing' WHERE status = 'failing'")
        connection.execute("INSERT INTO compliance.test_controls VALUES ('old', 'F', 'C', 'primary', 's', null, 't')")
        connection.execute("DELETE FROM compliance.reason_codes WHERE test_id = 'repo_classified'")
    upgrade(pipeline.dsn)
    for table in tables:
        mended = catalogue(pipeline, table)
        assert [row | {"xmin": ""} for row in mended] == [row | {"xmin": ""} for row in rows[table]]


def catalogue(pipeline: Pipeline, table: str) -> list[dict[str, Any]]:
    """The rows of a table with the transaction that wrote each."""
    return pipeline.query(f"SELECT t.xmin::text, t.* FROM compliance.{table} AS t ORDER BY 2, 3, 4")  # noqa: S608


def test_a_run_under_another_versions_catalogue_stops_and_says_to_upgrade(pipeline: Pipeline, serve: Serve) -> None:
    run_id = ready_to_publish(pipeline, serve(small_state(1)), ACME)
    with psycopg.connect(pipeline.dsn) as connection:
        connection.execute("DELETE FROM compliance.tests WHERE test_id = 'peer_review_required'")
    for step in (lambda: tasks.publish(ACME, run_id), start):
        with pytest.raises(AirflowFailException, match=r"the security test peer_review_required.*run `make upgrade`"):
            step()
    assert published(pipeline) == []
