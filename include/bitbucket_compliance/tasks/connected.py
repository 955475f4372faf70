"""Whether there is anything to do yet: scheduled tasks are skipped, with the reason, until something is connected."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

from bitbucket_compliance.core.airflow_errors import AirflowNotFoundException, AirflowSkipException
from bitbucket_compliance.core.bitbucket import CONFIGURATION
from bitbucket_compliance.core.database import CONNECTION_ID, connect
from bitbucket_compliance.core.errors import ConnectionRefused, NothingConnected, postgres_errors

if TYPE_CHECKING:
    from bitbucket_cloud.settings import Settings

log = logging.getLogger(__name__)


@contextmanager
def skip_until_connected() -> Iterator[None]:
    """Skip the task, and say why in its log, while nobody has set up or connected what it works with.

    A connection that was there and was lost is a failure as before.
    """
    try:
        _require(CONNECTION_ID, "the Postgres of the results")
        yield
    except NothingConnected as reason:
        log.info("skipped: %s", reason)
        raise AirflowSkipException(str(reason)) from None


def connected_settings(*, needs_workspaces: bool = True) -> Settings:
    """The settings of the Bitbucket connection, once somebody connected it.

    Args:
        needs_workspaces: a connection that names none counts as not connected.

    Raises:
        NothingConnected: there is no such Airflow connection, it names no workspace, or no person gave it the consent
            that its grant asks for.
        ConnectionRefused: a field of the connection can't be used.
        PostgresUnavailable, PostgresRefused, SchemaMissing: whether it is connected can't be told.
    """
    from bitbucket_cloud.errors import ConfigurationError
    from bitbucket_cloud.hooks.bitbucket import BitbucketHook
    from bitbucket_cloud.settings import AUTHORIZATION_CODE

    conn_id = BitbucketHook.default_conn_name
    _require(conn_id, "Bitbucket")
    try:
        settings = BitbucketHook(configuration=CONFIGURATION).settings
    except ConfigurationError as error:
        raise ConnectionRefused(str(error)) from error
    if needs_workspaces and not settings.workspaces:
        raise NothingConnected(
            f"connection {conn_id} names no workspace yet: list the slugs of the workspaces to judge in its extra "
            "workspaces"
        )
    if settings.auth == AUTHORIZATION_CODE and not _has_consent(conn_id):
        raise NothingConnected(f"connection {conn_id} is not connected to Bitbucket yet; {CONFIGURATION.to_connect}")
    return settings


def _require(conn_id: str, what: str) -> None:
    try:
        BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise NothingConnected(
            f"there is no Airflow connection {conn_id} yet, which names {what}; create it under Admin, Connections, or "
            f"set AIRFLOW_CONN_{conn_id.upper()}"
        ) from None


def _has_consent(conn_id: str) -> bool:
    """Whether tokens of the connection are kept, also such as Bitbucket no longer takes."""
    with postgres_errors(), closing(connect()) as connection:
        query = "SELECT 1 FROM integration.connections WHERE conn_id = %s"
        return connection.execute(query, (conn_id,)).fetchone() is not None
