"""Runs that are cut off: what was landed is not asked for again, and one run at a time writes for a workspace."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException
from psycopg import sql

from bitbucket_compliance.core.database import run_sql
from bitbucket_compliance.core.errors import PostgresUnavailable, RunNotNeeded, WaitForOtherRun
from bitbucket_compliance.pipeline.extract.landing.writer import LandingWriter
from bitbucket_compliance.pipeline.extract.repositories import reader as chunk_module
from bitbucket_compliance.pipeline.fill import fill
from bitbucket_compliance.pipeline.publish import publish as publish_module
from bitbucket_compliance.pipeline.run import lease as lease_module
from bitbucket_compliance.pipeline.run.task_frame import task_frame
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from local.postgres import EmbeddedPostgres
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.small import ACME, FAST, extract, history, read, results, small_state, start, statuses, whole_run

Serve = Callable[[SandboxState], SandboxServer]
PER_REPOSITORY = ("branch_restrictions", "pull_requests", "pipelines_config", "pipelines")


@pytest.fixture
def acme(serve: Serve) -> SandboxServer:
    """A sandbox with six healthy repositories."""
    return serve(small_state(6))


@pytest.fixture(autouse=True)
def _patient_connection(pipeline: Pipeline, acme: SandboxServer) -> Iterator[None]:
    pipeline.connect_to(acme, "admin", **{**FAST, "connections": 1})
    yield
    pipeline.release()


def paths(server: SandboxServer) -> Counter[tuple[str, str]]:
    """How often each answer about a repository was given, by endpoint and path."""
    return Counter(
        (record.endpoint, record.path) for record in server.state.requests if record.slug and record.status == 200
    )


def planned() -> str:
    """A run whose chunks wait to be read."""
    run_id = start(full_refresh=True)
    tasks.preflight(ACME, run_id)
    tasks.list_workspace(ACME, run_id)
    assert tasks.plan_reading(ACME, run_id) == [0]
    return run_id


def finish(pipeline: Pipeline, run_id: str) -> None:
    """Everything behind the reading."""
    tasks.stage(ACME, run_id)
    pipeline.judge(run_id, ACME)
    tasks.publish(ACME, run_id)
    tasks.finish_run(ACME, run_id)


def landed(pipeline: Pipeline, run_id: str) -> int:
    rows = pipeline.query(
        "SELECT count(*) AS n FROM landing.calls WHERE run_id = %s AND repository_id <> ''", (run_id,)
    )
    return int(rows[0]["n"])


def dies_after(monkeypatch: pytest.MonkeyPatch, answers: int, death: Callable[[], object]) -> Any:
    """Let the chunk's reader die once so many answers came."""
    taken = iter(range(1_000_000))
    real = chunk_module.ChunkReader.take

    def take(self: Any, repository: Any, answer: Any) -> None:
        if next(taken) == answers:
            death()
        real(self, repository, answer)

    context = monkeypatch.context()
    patch = context.__enter__()
    patch.setattr(chunk_module.ChunkReader, "take", take)
    return context


class Killed(Exception):
    """What stands for the end of a process in these tests."""


def kill() -> None:
    raise Killed


# ------------------------------------------------------------------------------------------ chunks


@pytest.mark.parametrize("grant", ["admin", "five"])
def test_a_chunk_that_dies_is_retried_from_where_it_stood(
    pipeline: Pipeline, acme: SandboxServer, monkeypatch: pytest.MonkeyPatch, grant: str
) -> None:
    pipeline.connect_to(acme, grant, **{**FAST, "connections": 1})
    run_id = planned()
    context = dies_after(monkeypatch, 17, kill)
    with pytest.raises(Killed):
        tasks.read_chunk(ACME, run_id, 0)
    context.__exit__(None, None, None)
    kept = landed(pipeline, run_id)
    assert kept == 17, "what came before the end is landed"
    known = pipeline.query(
        "SELECT resource, repository_id, item_key FROM landing.calls WHERE run_id = %s AND requests > 0"
        " AND repository_id <> ''",
        (run_id,),
    )
    acme.state.reset()
    tasks.read_chunk(ACME, run_id, 0)
    uuids = {one.slug: one.uuid for one in acme.state.workspaces[0].repositories}
    again = {
        (record.endpoint, uuids[record.slug], record.path.split("/")[-2] if "statuses" in record.path else "")
        for record in acme.state.requests
        if record.slug
    }
    assert again.isdisjoint({(row["resource"], row["repository_id"], row["item_key"]) for row in known})
    assert again, "something was left to ask"
    finish(pipeline, run_id)
    died = pipeline.verdicts(ACME)
    whole_run(pipeline, acme, grant=grant, full_refresh=True)
    assert pipeline.verdicts(ACME) == died


def test_a_chunk_that_was_read_whole_asks_nothing_the_second_time(pipeline: Pipeline, acme: SandboxServer) -> None:
    acme.state.repository("repo-5").identity_permission = "write"
    run_id = planned()
    tasks.read_chunk(ACME, run_id, 0)
    acme.state.reset()
    tasks.read_chunk(ACME, run_id, 0)
    assert [record.path for record in acme.state.requests if record.slug] == []


def test_only_failed_calls_are_made_again(pipeline: Pipeline, acme: SandboxServer) -> None:
    acme.state.add_fault("pull_requests", slug="repo-1")
    acme.state.repository("repo-2").gone = True
    run_id = planned()
    tasks.read_chunk(ACME, run_id, 0)
    acme.state.reset()
    tasks.read_chunk(ACME, run_id, 0)
    asked = [(record.endpoint, record.slug) for record in acme.state.requests if record.slug]
    assert asked == [("pull_requests", "repo-1")]
    finish(pipeline, run_id)
    assert statuses(pipeline, "repo-1")["peer_review_required"] == "passing"
    assert statuses(pipeline, "repo-2")["peer_review_required"] == "error"


def test_a_process_that_is_killed_loses_at_most_the_batch_it_collected(
    pipeline: Pipeline, acme: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9: no finally clause runs; a batch is there whole, calls and objects, or not at all."""
    run_id = planned()
    with monkeypatch.context() as patch:
        patch.setattr(chunk_module, "LandingWriter", _small_batches(closes_at=3))
        with pytest.raises(PostgresUnavailable):
            tasks.read_chunk(ACME, run_id, 0)
    kept = landed(pipeline, run_id)
    assert kept == 10, "two batches of five"
    halves = pipeline.query(
        "SELECT calls.resource FROM landing.calls AS calls WHERE calls.outcome = 'ok' AND calls.run_id = %s"
        " AND calls.items <> (SELECT count(*) FROM landing.objects AS objects WHERE objects.run_id = calls.run_id"
        " AND objects.resource = calls.resource AND coalesce(objects.repository_id, '') = calls.repository_id)",
        (run_id,),
    )
    assert halves == []
    before = sum(paths(acme).values())
    tasks.read_chunk(ACME, run_id, 0)
    assert sum(paths(acme).values()) - before == 24 - kept
    finish(pipeline, run_id)
    assert set(statuses(pipeline, "repo-5").values()) == {"passing", "failing"}


def _small_batches(closes_at: int) -> Callable[..., LandingWriter]:
    class Writer(LandingWriter):
        def __init__(self, connection: Any, run: Any) -> None:
            super().__init__(connection, run, batch_calls=5)
            self.flushes = 0

        def flush(self) -> None:
            self.flushes += 1
            if self.flushes >= closes_at:
                self.connection.close()
            super().flush()

    return Writer


# ---------------------------------------------------------------------------------------- Postgres


def restart(postgres: EmbeddedPostgres) -> None:
    """Stop and start on the same port; whoever is connected is thrown out."""
    port = postgres.port
    postgres.stop()
    postgres.start()
    assert postgres.port == port


def test_postgres_may_restart_between_two_tasks(
    pipeline: Pipeline, acme: SandboxServer, postgres: EmbeddedPostgres
) -> None:
    run_id = planned()
    restart(postgres)
    tasks.read_chunk(ACME, run_id, 0)
    finish(pipeline, run_id)
    assert statuses(pipeline, "repo-0")["peer_review_required"] == "passing"


def test_postgres_that_restarts_during_a_task_fails_it_and_a_retry_finishes(
    pipeline: Pipeline, acme: SandboxServer, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_run(pipeline, acme, connections=1)
    healthy = pipeline.verdicts(ACME)
    run_id = planned()
    context = dies_after(monkeypatch, 9, lambda: restart(postgres))
    with pytest.raises(PostgresUnavailable) as caught:
        tasks.read_chunk(ACME, run_id, 0)
    context.__exit__(None, None, None)
    assert "compliance_postgres" in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.retryable
    tasks.read_chunk(ACME, run_id, 0)
    finish(pipeline, run_id)
    assert pipeline.verdicts(ACME) == healthy


def test_postgres_that_is_down_is_named(pipeline: Pipeline, acme: SandboxServer, postgres: EmbeddedPostgres) -> None:
    run_id = planned()
    postgres.stop()
    try:
        for task in (
            lambda: tasks.read_chunk(ACME, run_id, 0),
            lambda: tasks.start_run(ACME, "another", False),
            lambda: tasks.finish_run(ACME, run_id),
        ):
            with pytest.raises(PostgresUnavailable) as caught:
                task()
            assert "compliance_postgres" in str(caught.value) and "\n" not in str(caught.value)
            assert "check host and port of the connection" in str(caught.value)
    finally:
        postgres.start()
    tasks.read_chunk(ACME, run_id, 0)
    finish(pipeline, run_id)
    assert statuses(pipeline, "repo-0")["peer_review_required"] == "passing"


def test_a_connection_that_breaks_while_publishing_publishes_nothing(
    pipeline: Pipeline, acme: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_run(pipeline, acme, connections=1)
    before = (results(pipeline), history(pipeline))
    acme.state.repository("repo-0").restrictions = []
    run_id = extract(full_refresh=True)
    pipeline.judge(run_id, ACME)
    for step in (
        "pipeline/publish/results.sql",
        "pipeline/publish/open_history.sql",
        "pipeline/publish/members.sql",
        "pipeline/publish/run.sql",
    ):
        with monkeypatch.context() as patch:
            patch.setattr(publish_module, "run_sql", _breaks_after(step, run_sql))
            patch.setattr(publish_module, "fill", _breaks_after(step, fill))
            with pytest.raises(PostgresUnavailable):
                tasks.publish(ACME, run_id)
        assert (results(pipeline), history(pipeline)) == before, step
    tasks.publish(ACME, run_id)
    tasks.finish_run(ACME, run_id)
    assert statuses(pipeline, "repo-0")["peer_review_required"] == "failing"


def _breaks_after(step: str, execute: Callable[..., Any] = run_sql) -> Callable[..., Any]:
    def run_and_break(connection: Any, *given: Any, **named: Any) -> Any:
        done = execute(connection, *given, **named)
        if step in given:
            with psycopg.connect(connection.info.dsn, password=connection.info.password, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
        return done

    return run_and_break


def test_staging_that_fails_in_the_middle_is_taken_back(
    pipeline: Pipeline, acme: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_run(pipeline, acme, connections=1)
    before = pipeline.query("SELECT * FROM staging.coverage ORDER BY repository_id, resource")
    run_id = planned()
    tasks.read_chunk(ACME, run_id, 0)
    import bitbucket_compliance.pipeline.stage.stage as stage_module

    real = stage_module.fill

    def breaks(connection: Any, table: str, *given: Any) -> int:
        if table == "staging.pull_requests":
            raise Killed
        return real(connection, table, *given)

    with monkeypatch.context() as patch:
        patch.setattr(stage_module, "fill", breaks)
        with pytest.raises(Killed):
            tasks.stage(ACME, run_id)
    assert pipeline.query("SELECT * FROM staging.coverage ORDER BY repository_id, resource") == before
    finish(pipeline, run_id)


# ------------------------------------------------------------------------------ two runs, one lease


def lease(pipeline: Pipeline) -> str | None:
    rows = pipeline.query("SELECT run_id FROM integration.workspace_leases WHERE workspace = %s", (ACME,))
    return rows[0]["run_id"] if rows else None


def test_a_run_that_was_superseded_stops_at_its_next_task_and_can_not_publish(
    pipeline: Pipeline, acme: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = extract()
    pipeline.judge(old, ACME)
    monkeypatch.setattr(lease_module, "SILENCE", 0.0)
    new = start()
    assert lease(pipeline) == new
    acme.state.reset()
    for task in (
        lambda: tasks.list_workspace(ACME, old),
        lambda: tasks.read_chunk(ACME, old, 0),
        lambda: tasks.stage(ACME, old),
        lambda: tasks.judge(ACME, old, "repo_classified"),
        lambda: tasks.publish(ACME, old),
    ):
        with pytest.raises(AirflowFailException, match=f"held by: {new}"):
            task()
    assert acme.state.requests == []
    assert results(pipeline) == []
    tasks.finish_run(ACME, old)
    assert lease(pipeline) == new, "the end of the old run leaves the new one its lease"
    read(new)
    finish(pipeline, new)
    status = {row["run_id"]: row["status"] for row in pipeline.query("SELECT run_id, status FROM compliance.runs")}
    assert status == {old: "superseded", new: "published"}
    assert {row["run_id"] for row in results(pipeline)} == {new}


def test_the_last_word_before_the_commit_is_whether_the_run_still_holds_the_workspace(
    pipeline: Pipeline, acme: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_run(pipeline, acme, connections=1)
    before = (results(pipeline), history(pipeline))
    acme.state.repository("repo-0").restrictions = []
    run_id = extract(full_refresh=True)
    pipeline.judge(run_id, ACME)

    def taken_over(connection: Any, path: str, keys: Any) -> Any:
        if path == "pipeline/publish/run.sql":
            with psycopg.connect(pipeline.dsn, autocommit=True) as other:
                other.execute("UPDATE integration.workspace_leases SET run_id = 'another'")
        return run_sql(connection, path, keys)

    _wait_for_locks_no_longer_than(pipeline, "3s")
    monkeypatch.setattr(publish_module, "run_sql", taken_over)
    with pytest.raises(AirflowFailException, match="held by: another"):
        tasks.publish(ACME, run_id)
    assert (results(pipeline), history(pipeline)) == before
    row = pipeline.query("SELECT status, error FROM compliance.runs WHERE run_id = %s", (run_id,))[0]
    assert row["status"] == "superseded", "the reason is noted, without waiting for a lock of one's own"
    assert row["error"].startswith("publish: ")


def _wait_for_locks_no_longer_than(pipeline: Pipeline, limit: str) -> None:
    """So that a task that waits for itself fails its test instead of hanging it."""
    with psycopg.connect(pipeline.dsn, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET lock_timeout = {}").format(name, sql.Literal(limit)))


def test_a_run_that_works_is_never_taken_over_however_long_it_is_silent(
    pipeline: Pipeline, acme: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "SILENCE", 0.0)
    old = start()
    with task_frame("long work", ACME, old):
        with pytest.raises(RunNotNeeded) as caught:
            start()
        day = datetime.now(UTC).strftime("%Y-%m-%d")
        assert f"run {old} of workspace {ACME}, at work since {day}" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert lease(pipeline) == old
    new = start()
    assert lease(pipeline) == new


def test_a_run_that_meets_another_between_two_of_its_tasks_looks_again_and_is_skipped_once_it_worked_on(
    pipeline: Pipeline, acme: SandboxServer
) -> None:
    old = start()
    asked_at = datetime.now(UTC)
    with pytest.raises(WaitForOtherRun) as caught:
        tasks.start_run(ACME, "later", False, asked_at=asked_at)
    assert timedelta(seconds=50) < caught.value.resume_at - asked_at < timedelta(seconds=70)
    tasks.preflight(ACME, old)
    with pytest.raises(RunNotNeeded, match=f"run {old} of workspace {ACME}, at work since"):
        tasks.start_run(ACME, "later", False, asked_at=asked_at)
    assert lease(pipeline) == old
    assert len(pipeline.query("SELECT 1 FROM integration.runs")) == 1, "a run that is skipped leaves no trace"


def test_a_start_after_a_silent_lease_takes_over(
    pipeline: Pipeline, acme: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "SILENCE", 1.0)
    dead = start()
    with pytest.raises(WaitForOtherRun, match=f"run {dead} .* may have been interrupted") as caught:
        start()
    time.sleep(max((caught.value.resume_at - datetime.now(UTC)).total_seconds(), 0.0))
    new = start()
    rows = {r["run_id"]: r for r in pipeline.query("SELECT run_id, status, error FROM compliance.runs")}
    assert (rows[dead]["status"], rows[dead]["error"]) == ("failed", "the run was interrupted")
    assert rows[new]["status"] == "running"
    read(new)
    finish(pipeline, new)


def test_a_task_that_starts_again_in_the_same_run_keeps_its_lease(pipeline: Pipeline, acme: SandboxServer) -> None:
    run_id = start()
    tasks.start_run(ACME, run_id, False)
    assert lease(pipeline) == run_id
    assert len(pipeline.query("SELECT 1 FROM compliance.runs")) == 1
    read(run_id)
    finish(pipeline, run_id)


def test_of_two_runs_started_at_once_one_works_and_the_other_does_not(pipeline: Pipeline, acme: SandboxServer) -> None:
    gate = threading.Barrier(2)
    done: list[str] = []
    refused: list[BaseException] = []

    def one_run() -> None:
        gate.wait(5)
        try:
            run_id = start()
        except (RunNotNeeded, WaitForOtherRun) as reason:
            refused.append(reason)
            return
        read(run_id)
        finish(pipeline, run_id)
        done.append(run_id)

    threads = [threading.Thread(target=one_run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(done), len(refused)) == (1, 1)
    assert pipeline.query("SELECT run_id, status FROM compliance.runs") == [{"run_id": done[0], "status": "published"}]
    assert {row["run_id"] for row in results(pipeline)} == {done[0]}


def test_runs_of_two_workspaces_do_not_wait_for_each_other(pipeline: Pipeline, acme: SandboxServer) -> None:
    other = small_state(1, slug="other").workspaces[0]
    acme.state.workspaces.append(other)
    first = start()
    second = start("other")
    read(second, "other")
    tasks.stage("other", second)
    pipeline.judge(second, "other")
    tasks.publish("other", second)
    read(first)
    finish(pipeline, first)
    rows = pipeline.query("SELECT workspace, count(*) AS n FROM compliance.current_results GROUP BY 1")
    assert {row["workspace"]: row["n"] for row in rows} == {ACME: 6 * 4 + 4 * 2 + 1, "other": 4 + 4 * 2 + 1}
    pipeline.release("other")
