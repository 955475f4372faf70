"""Whether there is anything to do yet: scheduled tasks are skipped, with the reason, until something is connected."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

from bitbucket_compliance.core.airflow_errors import AirflowNotFoundException, AirflowSkipException
from bitbucket_compliance.core.bitbucket import CONFIGURATION, connection_ids
from bitbucket_compliance.core.database import CONNECTION_ID, Connection, connect
from bitbucket_compliance.core.errors import ConnectionRefused, NothingConnected, postgres_errors
from bitbucket_compliance.pipeline.run.identity import kept_as

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


def all_connected(*, needs_workspaces: bool = True) -> list[Settings]:
    """The settings of each Bitbucket connection that somebody connected; a bad one holds up none of the others.

    Args:
        needs_workspaces: see ``connected_settings``.

    Raises:
        NothingConnected: none of them is connected yet.
        ConnectionRefused: none can be used, and one is there that somebody has to mend.
        PostgresUnavailable, PostgresRefused, SchemaMissing: whether they are connected can't be told.
    """
    found: list[Settings] = []
    problems: list[NothingConnected | ConnectionRefused] = []
    for conn_id in connection_ids():
        try:
            found.append(connected_settings(conn_id, needs_workspaces=needs_workspaces))
        except (NothingConnected, ConnectionRefused) as error:
            problems.append(error)
    if not found:
        # What has to be mended goes before what was not set up yet.
        raise next((one for one in problems if isinstance(one, ConnectionRefused)), problems[0])
    for problem in problems:
        told = log.error if isinstance(problem, ConnectionRefused) else log.info
        told("left out: %s", problem)
    return found


def connection_of(connection: Connection, workspace: str) -> str:
    """The id of the Bitbucket connection that reads a workspace: the one that names it, by slug or uuid.

    The first one where none does. Ends the transaction: requests may follow that take their time.

    Args:
        connection: in the pipeline's role; it knows what a workspace was called before.

    Raises:
        ConnectionRefused: several name it, or none does and one of them can't be read.
    """
    first, *others = connection_ids()
    if not others:
        return first
    wanted = kept_as(connection, workspace)
    naming: list[str] = []
    unreadable: list[str] = []
    for conn_id in (first, *others):
        try:
            named = _settings(conn_id).workspaces
        except (NothingConnected, ConnectionRefused) as problem:
            unreadable.append(str(problem))
            continue
        if wanted in {kept_as(connection, name) for name in named}:
            naming.append(conn_id)
    connection.commit()
    if len(naming) > 1:
        raise ConnectionRefused(
            f"workspace {wanted} is named by the connections {' and '.join(naming)}; leave it in the extra workspaces "
            "of one of them"
        )
    if unreadable and not naming:
        raise ConnectionRefused(f"workspace {wanted} is named by no connection that can be read; {unreadable[0]}")
    return naming[0] if naming else first


def connected_settings(conn_id: str, *, needs_workspaces: bool = True) -> Settings:
    """The settings of a Bitbucket connection, once somebody connected it.

    Args:
        needs_workspaces: a connection that names none counts as not connected.

    Raises:
        NothingConnected: there is no such Airflow connection, it names no workspace, or no person gave it the consent
            that its grant asks for.
        ConnectionRefused: a field of the connection can't be used.
        PostgresUnavailable, PostgresRefused, SchemaMissing: whether it is connected can't be told.
    """
    from bitbucket_cloud.settings import AUTHORIZATION_CODE

    settings = _settings(conn_id)
    if needs_workspaces and not settings.workspaces:
        raise NothingConnected(
            f"connection {conn_id} names no workspace yet: list the slugs of the workspaces to judge in its extra "
            "workspaces"
        )
    if settings.auth == AUTHORIZATION_CODE and not _has_consent(conn_id):
        raise NothingConnected(f"connection {conn_id} is not connected to Bitbucket yet; {CONFIGURATION.to_connect}")
    return settings


def _settings(conn_id: str) -> Settings:
    from bitbucket_cloud.errors import ConfigurationError
    from bitbucket_cloud.hooks.bitbucket import BitbucketHook

    _require(conn_id, "Bitbucket")
    try:
        return BitbucketHook(conn_id, CONFIGURATION).settings
    except ConfigurationError as error:
        raise ConnectionRefused(str(error)) from error


def _require(conn_id: str, what: str) -> None:
    try:
        BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise NothingConnected(
            f"there is no Airflow connection {conn_id} yet (it names {what}); create it under Admin, Connections, or "
            f"set AIRFLOW_CONN_{conn_id.upper()}"
        ) from None


def _has_consent(conn_id: str) -> bool:
    """Whether tokens of the connection are kept, also such as Bitbucket no longer takes."""
    with postgres_errors(), closing(connect()) as connection:
        query = "SELECT 1 FROM integration.connections WHERE conn_id = %s"
        return connection.execute(query, (conn_id,)).fetchone() is not None
