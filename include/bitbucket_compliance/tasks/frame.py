"""What the bodies of all DAGs' tasks share: failing at once or trying again, the connection, Bitbucket's client."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from bitbucket_compliance.core.airflow_errors import AirflowFailException, AirflowSkipException
from bitbucket_compliance.core.bitbucket import CONFIGURATION
from bitbucket_compliance.core.database import Connection, connect
from bitbucket_compliance.core.errors import PipelineError, RunNotNeeded, postgres_errors
from bitbucket_compliance.core.persons import AIRFLOW, person

log = logging.getLogger(__name__)


@contextmanager
def fail_without_retry() -> Iterator[None]:
    """Fail a task at once for an error that waiting cannot cure; every other error is left to Airflow's retries."""
    try:
        yield
    except PipelineError as error:
        log.error("%s", error)
        if error.retryable:
            raise
        raise AirflowFailException(str(error)) from None


@contextmanager
def skip_where_not_needed() -> Iterator[None]:
    """Skip a task of a run that is not needed, and say why in its log."""
    try:
        yield
    except RunNotNeeded as reason:
        log.info("skipped: %s", reason)
        raise AirflowSkipException(str(reason)) from None


@contextmanager
def compliance_postgres() -> Iterator[Connection]:
    """A connection to the compliance database for one task.

    Errors of the server become those of ``core.errors``, and fail the task at once where waiting cannot cure them.
    """
    with fail_without_retry(), postgres_errors(), closing(connect()) as connection:
        yield connection


def triggering_person(dag_run: Any) -> str:
    """Who triggered the run, as ``airflow:<login>``; ``airflow:scheduler`` where nobody did.

    Airflow notes the login when the run is made; no parameter changes it.

    Raises:
        PersonUnclear: the login can't be told from another one.
    """
    return person(AIRFLOW, dag_run.triggering_user_name or "scheduler")


@contextmanager
def bitbucket_client(conn_id: str, **settings: Any) -> Iterator[Any]:
    """The client of a Bitbucket connection, whose errors become those of ``core.errors``.

    Args:
        conn_id: see ``bitbucket_compliance.tasks.connected.connection_of``.
        settings: replace what the Airflow connection sets, as ``BitbucketHook.get_conn`` takes it.

    Raises:
        ConnectionRefused: the credentials or scopes of the connection do not suffice.
        WaitForRequests: the hour's requests are used up.
        BitbucketUnavailable: Bitbucket does not answer.
    """
    from bitbucket_cloud import errors as bitbucket
    from bitbucket_cloud.hooks.bitbucket import BitbucketHook
    from bitbucket_compliance.core.errors import BitbucketUnavailable, ConnectionRefused
    from bitbucket_compliance.pipeline.extract.fetch import wait_for_requests

    try:
        with BitbucketHook(conn_id, CONFIGURATION).get_conn(**settings) as client:
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
