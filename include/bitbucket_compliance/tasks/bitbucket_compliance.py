"""The bodies of the tasks of the DAG bitbucket_compliance, one function a task."""

import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import datetime
from threading import Thread
from typing import Any, TypeVar

import psycopg
from structlog.contextvars import bound_contextvars

from bitbucket_compliance.core.airflow_errors import AirflowFailException
from bitbucket_compliance.core.database import CONNECTION_ID, Connection, connect
from bitbucket_compliance.core.errors import PipelineError
from bitbucket_compliance.core.own_session import require_own_session
from bitbucket_compliance.core.postgres_address import PostgresAddress
from bitbucket_compliance.pipeline import extract
from bitbucket_compliance.pipeline.gate import gate as gates
from bitbucket_compliance.pipeline.gate.validation import load_library
from bitbucket_compliance.pipeline.judge import judge as judging
from bitbucket_compliance.pipeline.publish import publish as publishing
from bitbucket_compliance.pipeline.run import lifecycle
from bitbucket_compliance.pipeline.run.identity import workspace_of
from bitbucket_compliance.pipeline.run.lease import Airflow
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.pipeline.run.task_frame import task_frame
from bitbucket_compliance.pipeline.stage import stage as staging
from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.tasks import lineage, metrics
from bitbucket_compliance.tasks.connected import connection_of
from bitbucket_compliance.tasks.frame import bitbucket_client, fail_without_retry, skip_where_not_needed
from bitbucket_compliance.tasks.local_files import local_places

T = TypeVar("T")

log = logging.getLogger(__name__)


def start_run(
    workspace: str,
    run_id: str,
    full_refresh: bool,
    incremental: bool = False,
    asked_at: datetime | None = None,
    airflow: Airflow | None = None,
) -> bool:
    """Open the run; see ``bitbucket_compliance.pipeline.run.lifecycle.start_run``."""
    with fail_without_retry():
        return lifecycle.start_run(
            workspace, run_id, full_refresh=full_refresh, incremental=incremental, asked_at=asked_at, airflow=airflow
        )


def finish_run(workspace: str, run_id: str) -> None:
    """Give the workspace back; see ``bitbucket_compliance.pipeline.run.lifecycle.finish_run``."""
    with fail_without_retry():
        lifecycle.finish_run(workspace, run_id)


def end_run(workspace: str, run_id: str) -> None:
    """Give the workspace back, and fail where the run did not publish: Airflow's run ends as this task does.

    A person who marks a run as failed leaves tasks that are skipped behind, which Airflow takes for a success.
    """
    with fail_without_retry():
        failed = lifecycle.finish_run(workspace, run_id)
    _report_metrics(workspace, run_id)
    if failed:
        raise AirflowFailException(failed)


def _report_metrics(workspace: str, run_id: str) -> None:
    """Send the workspace's figures to Airflow's metrics; the run has ended, and nothing here changes how."""
    try:
        with closing(connect()) as connection:
            metrics.report(connection, workspace_of(connection, run_id, workspace))
    except (PipelineError, psycopg.Error) as error:
        log.warning("figures could not be sent to Airflow's metrics: %s", error)


def preflight(workspace: str, run_id: str) -> None:
    """Learn what the grant allows, and warn of what one worker alone would see.

    A pooler that lends sessions by the transaction is refused here, before anything is read.
    """
    from airflow.configuration import conf

    with fail_without_retry(), closing(connect()) as connection:
        require_own_session(connection, PostgresAddress.of_connection(CONNECTION_ID).dsn)

    for told in local_places(conf.get("core", "executor", fallback="")):
        log.warning("%s", told)
    # One request, and a person may be waiting for it: no long series of retries before the first answer.
    _reading_step("preflight", workspace, run_id, extract.preflight, retry_attempts=3)


def list_workspace(workspace: str, run_id: str) -> None:
    """Land the listings of the workspace."""
    _reading_step("list_workspace", workspace, run_id, extract.list_workspace)


def plan_reading(workspace: str, run_id: str) -> list[int]:
    """Choose the repositories that are due and split them into chunks; returns the numbers of the chunks."""

    def plan(connection: Connection, this_run: Run, client: Any) -> list[int]:
        chunks = extract.plan_reading(connection, this_run, client.limiter, client.settings.workspaces)
        client.limiter.expect(extract.planned_requests(connection, this_run))
        return chunks

    return _reading_step("plan_reading", workspace, run_id, plan)


def read_chunk(workspace: str, run_id: str, chunk: int) -> None:
    """Read one chunk of repositories."""
    _reading_step(
        f"read_repositories {chunk}",
        workspace,
        run_id,
        lambda connection, this_run, client: extract.read_chunk(connection, this_run, client, chunk),
    )


def stage(workspace: str, run_id: str) -> None:
    """Stage what the run landed."""
    _step("stage", workspace, run_id, staging.stage_landing)


def gate(workspace: str, run_id: str, name: str) -> None:
    """Validate one gate: ``staging`` or ``results``."""
    _step(f"gate {name}", workspace, run_id, lambda connection, this_run: gates.gate(connection, this_run, name))


def judge(workspace: str, run_id: str, test_id: str) -> None:
    """Judge by one security test."""
    _step(
        test_id,
        workspace,
        run_id,
        lambda connection, this_run: judging.judge(connection, this_run, test_id),
        is_test=True,
    )


def publish(workspace: str, run_id: str) -> dict[str, Any]:
    """Publish the run; returns what the event of the asset carries, see ``publishing.Publication``."""
    return asdict(_step("publish", workspace, run_id, publishing.publish))


def answer_at_once(workspace: str, run_id: str) -> dict[str, Any]:
    """Every step from preflight to publish, one after the other in this process; returns what ``publish`` does.

    For a run of a few repositories, most of whose time Airflow would take between the steps. Tried again, or after a
    wait, it goes through all of them: each knows what it has done already.
    """
    with _library_of_the_gates_loaded_meanwhile():
        preflight(workspace, run_id)
        list_workspace(workspace, run_id)
        for chunk in plan_reading(workspace, run_id):
            read_chunk(workspace, run_id, chunk)
        stage(workspace, run_id)
    gate(workspace, run_id, "staging")
    for test in CATALOGUE:
        judge(workspace, run_id, test.test_id)
    gate(workspace, run_id, "results")
    return publish(workspace, run_id)


@contextmanager
def _library_of_the_gates_loaded_meanwhile() -> Iterator[None]:
    """Load what takes seconds while the steps wait for Bitbucket."""
    loading = Thread(target=load_library, name="load the library of the gates")
    loading.start()
    try:
        yield
    finally:
        loading.join()


def _reading_step(
    step: str, workspace: str, run_id: str, body: Callable[[Connection, Run, Any], T], **settings: Any
) -> T:
    """A step that asks Bitbucket; ``settings`` are those of ``bitbucket_client``. Log lines carry what it works on."""
    with (
        bound_contextvars(workspace=workspace, run=run_id, step=step),
        fail_without_retry(),
        skip_where_not_needed(),
        task_frame(step, workspace, run_id) as (connection, this_run),
        bitbucket_client(
            connection_of(connection, this_run.workspace), spender=this_run.workspace, **settings
        ) as client,
    ):
        done = body(connection, this_run, client)
        lineage.note(connection, step)
        return done


def _step(step: str, workspace: str, run_id: str, body: Callable[[Connection, Run], T], *, is_test: bool = False) -> T:
    with (
        bound_contextvars(workspace=workspace, run=run_id, step=step),
        fail_without_retry(),
        skip_where_not_needed(),
        task_frame(step, workspace, run_id) as (connection, this_run),
    ):
        done = body(connection, this_run)
        lineage.note(connection, step, is_test=is_test)
        return done
