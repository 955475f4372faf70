"""The bodies of the DAGs' tasks: take the keys, open the frame, hand a hook to what needs one.

Errors that waiting can't cure fail the task at once; the others are left to Airflow's retries.
"""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

from airflow.sdk.exceptions import AirflowFailException

from bitbucket_compliance.core.database import CONNECTION_ID, Connection, connect
from bitbucket_compliance.core.errors import ImportRefused, PipelineError, one_line, postgres_errors
from bitbucket_compliance.pipeline.run import run
from bitbucket_compliance.pipeline.run.task_frame import task_frame
from bitbucket_compliance.registry import imports

log = logging.getLogger(__name__)

REPORT_VARIABLE = "COMPLIANCE_RUN_REPORT"

T = TypeVar("T")


@contextmanager
def fails_for_good() -> Iterator[None]:
    """Fail a task at once for an error of ours that waiting can't cure; the others are left to Airflow's retries."""
    try:
        yield
    except PipelineError as error:
        log.error("%s", error)
        if error.retryable:
            raise
        raise AirflowFailException(str(error)) from None


def start_run(
    workspace: str, run_id: str, full_refresh: bool, incremental: bool = False, asked_at: datetime | None = None
) -> None:
    """Open the run; see ``bitbucket_compliance.pipeline.run.run.start_run``."""
    with fails_for_good():
        run.start_run(workspace, run_id, full_refresh=full_refresh, incremental=incremental, asked_at=asked_at)


def finish_run(workspace: str, run_id: str) -> None:
    """Give the workspace back; see ``bitbucket_compliance.pipeline.run.run.finish_run``."""
    with fails_for_good():
        run.finish_run(workspace, run_id)


def preflight(workspace: str, run_id: str) -> None:
    """Learn what the grant allows."""
    from bitbucket_compliance.pipeline.extract import preflight as body

    # One request, and a person may be waiting for it: no long series of retries before the first answer.
    _reading_step("preflight", workspace, run_id, body, retry_attempts=3)


def list_workspace(workspace: str, run_id: str) -> None:
    """Land the listings of the workspace."""
    from bitbucket_compliance.pipeline.extract import list_workspace as body

    _reading_step("list_workspace", workspace, run_id, body)


def plan_reading(workspace: str, run_id: str) -> list[int]:
    """Choose the repositories that are due and split them into chunks; returns their numbers."""
    from bitbucket_compliance.pipeline.extract import plan_reading as body

    return _reading_step(
        "plan_reading",
        workspace,
        run_id,
        lambda connection, this_run, client: body(connection, this_run, client.budget),
    )


def read_chunk(workspace: str, run_id: str, chunk: int) -> None:
    """Read one chunk of repositories."""
    from bitbucket_compliance.pipeline.extract import read_chunk as body

    _reading_step(
        f"read_repositories {chunk}",
        workspace,
        run_id,
        lambda connection, this_run, client: body(connection, this_run, client, chunk),
    )


def stage(workspace: str, run_id: str) -> None:
    """Stage what the run landed."""
    from bitbucket_compliance.pipeline.stage.stage import stage_landing

    _step("stage", workspace, run_id, stage_landing)


def gate(workspace: str, run_id: str, name: str) -> None:
    """Validate one gate."""
    from bitbucket_compliance.pipeline.gate.gate import gate as body

    _step(f"gate {name}", workspace, run_id, lambda connection, this_run: body(connection, this_run, name))


def judge(workspace: str, run_id: str, test_id: str) -> None:
    """Judge one security test."""
    from bitbucket_compliance.pipeline.judge.judge import judge as body

    _step(test_id, workspace, run_id, lambda connection, this_run: body(connection, this_run, test_id))


def publish(workspace: str, run_id: str) -> None:
    """Publish the run."""
    from bitbucket_compliance.pipeline.publish.publish import publish as body

    _step("publish", workspace, run_id, body)


def export_results(name: str, workspace: str, at: str, run_id: str, target: str) -> list[str]:
    """Write an export of the format ``name`` below ``target``; returns the addresses of the files.

    See ``bitbucket_compliance.reporting.exports``; an empty text means that nothing was asked for.
    """
    from bitbucket_compliance.reporting.exports.export import export
    from bitbucket_compliance.reporting.exports.state import Wanted

    with fails_for_good(), postgres_errors():
        folder = _folder(target)
        connection = connect()
        try:
            return [one.file for one in export(connection, name, Wanted(workspace, at, run_id), folder)]
        finally:
            connection.close()


def notify(workspace: str | None = None) -> None:
    """Tell what changed and was not told yet, through the connection of ``COMPLIANCE_NOTIFY_CONN_ID``.

    Args:
        workspace: None: every workspace, in one message.
    """
    from bitbucket_compliance.reporting.notifications.changes import Change, tell
    from bitbucket_compliance.reporting.notifications.errors import NotificationNotSent
    from bitbucket_compliance.reporting.notifications.render import render
    from bitbucket_compliance.reporting.notifications.settings import Settings
    from compliance_notifiers.errors import NotSent
    from compliance_notifiers.notifier import ComplianceNotifier
    from compliance_notifiers.senders import sender_for

    settings = Settings.from_environment()

    def send(changes: Sequence[Change]) -> None:
        escape = sender_for(settings.conn_id, settings.recipients).escape
        message = render(changes, escape)
        ComplianceNotifier(
            settings.conn_id, message.subject, message.text, message.data, message.key, settings.recipients
        )({})

    with fails_for_good(), postgres_errors():
        settings.check()
        connection = connect()
        try:
            tell(connection, settings.conn_id, workspace, send)
        except NotSent as error:
            raise NotificationNotSent(str(error), retryable=error.retryable) from None
        finally:
            connection.close()


def connected_workspaces() -> list[dict[str, Any]]:
    """A run's ``conf`` for each workspace of the connection's extra ``workspaces``."""
    from bitbucket_cloud.hooks.bitbucket import BitbucketHook

    with fails_for_good():
        workspaces = BitbucketHook().workspaces
        if not workspaces:
            raise PipelineError(
                "connection bitbucket_default: extra workspaces is empty; list the slugs of the workspaces to judge"
            )
    return [{"workspace": slug, "full_refresh": False} for slug in workspaces]


def workspaces_with_events() -> list[dict[str, Any]]:
    """A run's ``conf`` for each workspace whose events wait for one."""
    from bitbucket_compliance.pipeline.run.events.waiting import announced_workspaces

    with fails_for_good(), postgres_errors(), closing(connect()) as connection:
        found = announced_workspaces(connection)
    return [{"workspace": slug, "incremental": True} for slug in found]


def import_declared(kind: str, path: str, captured_on: str | None, imported_by: str) -> None:
    """Take one declared CSV file; prints lines ``imported:`` and ``unmatched:``, or one ``refused:`` a bad value."""
    with fails_for_good(), postgres_errors():
        connection = connect()
        try:
            day = date.fromisoformat(captured_on) if captured_on else None
            taken = imports.import_file(connection, kind, Path(path), imported_by=imported_by, captured_on=day)
            for line in taken.splitlines():
                log.info("%s", line)
        except ImportRefused as refused:
            for line in imports.problem_lines(refused):
                log.error("%s", line)
            raise
        except ValueError as bad:
            raise ImportRefused(f"captured_on {captured_on!r} is no date; write it as YYYY-MM-DD", []) from bad
        finally:
            connection.close()


def import_from(kind: str, source: str, origin: Mapping[str, str], captured_on: str, imported_by: str) -> None:
    """Take declared data from a file (``source`` file), or the roster from a query (sql) or a directory (scim).

    Args:
        origin: ``path`` of the file, or ``conn_id`` and, for sql, ``query_file``; empty where they don't apply.
    """
    from bitbucket_compliance.core.errors import SourceWrong
    from bitbucket_compliance.registry.roster_sources import Source

    if source == "file" and origin["path"]:
        import_declared(kind, origin["path"], captured_on or None, imported_by)
        return
    with fails_for_good():
        if source == "file":
            raise SourceWrong("an import from a file needs path, the path of the CSV")
        if kind != "roster":
            raise SourceWrong(f"only a roster comes from {source}; {kind} comes from a file")
        _import_roster(Source.of(source, origin["conn_id"], origin["query_file"]), imported_by)


def refresh_roster(source: str, imported_by: str) -> None:
    """Take the roster from the source that ``COMPLIANCE_ROSTER_SOURCE`` names."""
    from bitbucket_compliance.registry.roster_sources import Source

    with fails_for_good():
        named = Source.parse(source)
    if named.kind == "file":
        import_declared("roster", named.path, None, imported_by)
        return
    with fails_for_good():
        _import_roster(named, imported_by)


def _import_roster(source: Any, imported_by: str) -> None:
    from bitbucket_compliance.registry.roster_sources import read_sql

    try:
        # The source is asked before a connection to our own database is held open.
        roster = read_sql(source.conn_id, Path(source.path)) if source.kind == "sql" else _directory(source.conn_id)
        with postgres_errors(), closing(connect()) as connection:
            log.info("%s", imports.import_roster(connection, roster, imported_by=imported_by))
    except ImportRefused as refused:
        for line in imports.problem_lines(refused):
            log.error("%s", line)
        raise


def _directory(conn_id: str) -> imports.File:
    """The users of a SCIM directory as a roster; what is wrong with the directory becomes ours to tell."""
    from airflow.sdk.exceptions import AirflowException

    from bitbucket_compliance.core.errors import SourceUnavailable, SourceWrong
    from bitbucket_compliance.registry.roster_sources import of_directory
    from scim_directory.errors import ScimError
    from scim_directory.hooks.scim import ScimHook

    hook = ScimHook(conn_id)
    try:
        settings = hook.settings
        return of_directory(
            conn_id,
            hook.users(),
            end_date_attribute=settings.end_date_attribute,
            account_id_attribute=settings.account_id_attribute,
        )
    except ScimError as error:
        raise (SourceUnavailable if error.retryable else SourceWrong)(str(error)) from error
    except AirflowException as error:
        raise SourceWrong(f"scim:{conn_id}: no such Airflow connection can be used ({one_line(error)})") from error


def reopen_expired() -> None:
    """Let published results show the exceptions that hold now."""
    from bitbucket_compliance.pipeline.housekeeping.housekeeping import reopen_expired as body

    with fails_for_good(), postgres_errors(), closing(connect()) as connection:
        log.info("exceptions: %d results changed", body(connection))


def forget_old() -> None:
    """Delete what policy keeps no longer."""
    from bitbucket_compliance.pipeline.housekeeping.housekeeping import forget_old as body

    with fails_for_good(), postgres_errors(), closing(connect()) as connection:
        log.info("deleted: %d landed bodies", body(connection))


def _folder(target: str) -> Path:
    """A folder of the worker's, or a place in an object store: it has the methods of a Path, whatever is behind it."""
    from airflow.sdk import ObjectStoragePath

    from bitbucket_compliance.reporting.exports.model import ExportRefused

    try:
        folder = ObjectStoragePath(target)
        folder.fs  # noqa: B018 - the store is looked up here
    except (ValueError, ImportError) as error:
        raise ExportRefused(f"target {target}: {one_line(error)}; install Airflow's provider for this store") from error
    return cast(Path, folder)


def report_failure(context: Any) -> None:
    """Callback of a failed task: one line in its log, and in the file named by ``COMPLIANCE_RUN_REPORT``."""
    error = context.get("exception")
    task_id = context["task_instance"].task_id
    reason = one_line(error) if isinstance(error, BaseException) else str(error or "the task failed")
    log.error("task %s failed: %s", task_id, reason)
    target = os.environ.get(REPORT_VARIABLE)
    if target:
        with Path(target).open("a", encoding="utf-8") as report:
            report.write(json.dumps({"task_id": task_id, "error": reason}) + "\n")


def _reading_step(
    step: str, workspace: str, run_id: str, body: Callable[[Connection, run.Run, Any], T], **settings: Any
) -> T:
    with (
        fails_for_good(),
        task_frame(step, workspace, run_id) as (connection, this_run),
        bitbucket_client(**settings) as client,
    ):
        return body(connection, this_run, client)


def _step(step: str, workspace: str, run_id: str, body: Callable[[Connection, run.Run], None]) -> None:
    with fails_for_good(), task_frame(step, workspace, run_id) as (connection, this_run):
        body(connection, this_run)


@contextmanager
def bitbucket_client(**settings: Any) -> Iterator[Any]:
    """The hook's client; what is wrong with the connection itself becomes ours to tell."""
    from bitbucket_cloud import errors as bitbucket
    from bitbucket_cloud.hooks.bitbucket import BitbucketHook
    from bitbucket_compliance.core.errors import BitbucketUnavailable, ConnectionRefused
    from bitbucket_compliance.pipeline.extract.fetch import wait_for_requests

    try:
        with BitbucketHook(store_conn_id=CONNECTION_ID).get_conn(**settings) as client:
            yield client
    except (
        bitbucket.AuthenticationError,
        bitbucket.ConfigurationError,
        bitbucket.EndpointNotAllowed,
    ) as error:
        raise ConnectionRefused(str(error)) from error
    except bitbucket.RateLimited as error:
        raise wait_for_requests(error) from error
    except bitbucket.BitbucketError as error:
        raise BitbucketUnavailable(str(error)) from error
