"""The bodies of the tasks of the DAG bitbucket_webhooks: which events are announced, and of which repositories.

``bitbucket_cloud.webhooks.registration`` registers them. Without ``COMPLIANCE_WEBHOOK_URL`` webhooks are off, and
polling alone finds what changed.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, Final

from bitbucket_compliance.core.bitbucket import CONFIGURATION, connection_ids
from bitbucket_compliance.core.database import Connection, connect
from bitbucket_compliance.core.errors import BitbucketUnavailable, PipelineError, postgres_errors
from bitbucket_compliance.pipeline.extract.selection import announced_events
from bitbucket_compliance.pipeline.run.identity import kept_as
from bitbucket_compliance.security_tests.policies import policy_of
from bitbucket_compliance.tasks.connected import all_connected, connection_of, skip_until_connected
from bitbucket_compliance.tasks.frame import bitbucket_client, fail_without_retry
from bitbucket_compliance.tasks.webhook_report import registered_lines, removed_lines

log = logging.getLogger(__name__)

URL_VARIABLE: Final = "COMPLIANCE_WEBHOOK_URL"
ACTIONS: Final = ("ensure", "rotate", "remove")


class WebhooksOff(Exception):
    """No failure: nobody set where Bitbucket should deliver to."""


class WebhooksRefused(PipelineError):
    """Webhooks can't be looked after like this: the action or workspace is not known."""


def webhook_url() -> str:
    """The address that Bitbucket delivers to.

    Raises:
        WebhooksOff: there is none.
    """
    url = os.environ.get(URL_VARIABLE, "").strip()
    if not url:
        raise WebhooksOff(
            f"webhooks are off: {URL_VARIABLE} is not set; set it to the public https address of the receiver, "
            "such as https://host/webhooks/bitbucket"
        )
    return url


def plan_task(action: str, workspace: str) -> list[str]:
    """As ``plan``; skips the run where webhooks are off or nothing is connected yet."""
    from bitbucket_compliance.core.airflow_errors import AirflowSkipException

    with fail_without_retry(), skip_until_connected():
        try:
            if action != "remove":
                webhook_url()
            all_connected(needs_workspaces=action != "remove")
            return plan(action, workspace)
        except WebhooksOff as off:
            log.info("%s", off)
            raise AirflowSkipException(str(off)) from None


def look_after_task(action: str, workspace: str, reactivate: bool) -> None:
    """As ``look_after``; what came of it stands in the log."""
    with fail_without_retry():
        for line in look_after(action, workspace, reactivate=reactivate):
            log.info("%s", line)


def plan(action: str, workspace: str = "") -> list[str]:
    """The workspaces to look after; for ``rotate`` their connection has its new secret then.

    Args:
        action: one of ``ACTIONS``.
        workspace: one alone; empty: all of each connection. A new secret is for all of its connection in any case.

    Raises:
        WebhooksOff: there is no address to deliver to; webhooks can be removed nevertheless.
        WebhooksRefused: no such action, or no such workspace in the connection.
        ConnectionRefused, BitbucketUnavailable, PostgresUnavailable: as their names say.
    """
    if action not in ACTIONS:
        raise WebhooksRefused(f"action {action!r} is not known; it is one of {', '.join(ACTIONS)}")
    if action != "remove":
        webhook_url()
    from bitbucket_cloud.webhooks.secrets.webhook_secrets import WebhookSecrets

    workspace = workspace.strip()
    conn_ids = (_connection_of(workspace, action),) if workspace else _connected(action)
    workspaces: list[str] = []
    for conn_id in conn_ids:
        with bitbucket_client(conn_id) as client:
            workspaces += _chosen(client.settings, "" if action == "rotate" else workspace, action)
            if action == "rotate":
                WebhookSecrets(_database()).rotate(conn_id)
    return list(dict.fromkeys(workspaces))


def _connected(action: str) -> tuple[str, ...]:
    """The connections to look after; of one alone its own error says what is wrong with it."""
    if len(connection_ids()) == 1:
        return connection_ids()
    return tuple(settings.conn_id for settings in all_connected(needs_workspaces=action != "remove"))


def _connection_of(workspace: str, action: str) -> str:
    """The connection that reads a workspace; to remove webhooks, the one that they are recorded for."""
    with postgres_errors(), closing(connect()) as connection:
        if action == "remove":
            query = "SELECT conn_id FROM integration.webhooks WHERE workspace = %s ORDER BY conn_id LIMIT 1"
            recorded = connection.execute(query, (kept_as(connection, workspace),)).fetchone()
            if recorded is not None:
                return str(recorded["conn_id"])
        return connection_of(connection, workspace)


def _chosen(settings: Any, workspace: str, action: str) -> list[str]:
    with postgres_errors(), closing(connect()) as connection:
        # Events are found under the slug that everything else of the workspace is kept under.
        connected = [kept_as(connection, one) for one in settings.workspaces]
        workspace = kept_as(connection, workspace) if workspace else ""
        if action == "remove":
            # Also of workspaces that were taken out of the connection.
            connected += _recorded(connection, settings.conn_id)
    connected = list(dict.fromkeys(connected))
    if not connected:
        raise WebhooksRefused(
            f"connection {settings.conn_id}: extra workspaces is empty; list the slugs of the workspaces to judge"
        )
    if workspace and workspace not in connected:
        raise WebhooksRefused(
            f"workspace {workspace} is none of connection {settings.conn_id}; it names {', '.join(connected)}"
        )
    return [workspace] if workspace else connected


def _recorded(connection: Connection, conn_id: str) -> list[str]:
    rows = connection.execute(
        "SELECT DISTINCT workspace FROM integration.webhooks WHERE conn_id = %s ORDER BY workspace", (conn_id,)
    )
    return [row["workspace"] for row in rows]


def look_after(action: str, workspace: str, *, reactivate: bool = False) -> list[str]:
    """Register and repair a workspace's webhooks, or remove them; sentences on what came of it.

    Args:
        action: one of ``ACTIONS``; ``rotate`` hands out the secret that ``plan`` made.
        workspace: as the connection names it.
        reactivate: switch on what somebody switched off, and ask again where it was refused.

    Raises:
        WebhooksOff: there is no address to deliver to.
        BitbucketUnavailable: Bitbucket can't be asked for the workspace's webhook.
        ConnectionRefused, PostgresUnavailable, PolicyInvalid: as their names say.
    """
    if action == "remove":
        return _remove(workspace)
    return _ensure(workspace, webhook_url(), reactivate=reactivate)


def _ensure(workspace: str, url: str, *, reactivate: bool) -> list[str]:
    from bitbucket_cloud.webhooks.registration import ensure

    with postgres_errors(), closing(connect()) as connection:
        events = announced_events(policy_of(connection, workspace))
        known = _known_repositories(connection, workspace)
        conn_id = connection_of(connection, workspace)
    with bitbucket_client(conn_id) as client:
        repositories = known or _repositories_at_bitbucket(client, workspace)
        done = ensure(client, _database(), workspace, url, events, repositories, reactivate=reactivate)
    failed = next((one for one in done.outcomes if not one.repository_id and one.state == "failed"), None)
    if failed is not None:
        raise BitbucketUnavailable(f"{failed.place}: {failed.problem}")
    return registered_lines(workspace, done)


def _remove(workspace: str) -> list[str]:
    from bitbucket_cloud.webhooks.removal import remove
    from bitbucket_cloud.webhooks.secrets.webhook_secrets import WebhookSecrets

    conn_id = _connection_of(workspace, "remove")
    with bitbucket_client(conn_id) as client:
        done = remove(client, _database(), [workspace])
        with postgres_errors(), closing(connect()) as connection:
            is_last = not _recorded(connection, conn_id)
        if is_last:
            WebhookSecrets(_database()).forget(conn_id)
    return removed_lines(workspace, done, registered_again=bool(os.environ.get(URL_VARIABLE, "").strip()))


def _database() -> Any:
    from bitbucket_cloud.database import Database

    return Database.from_airflow(CONFIGURATION)


def _known_repositories(connection: Connection, workspace: str) -> list[tuple[str, str]]:
    """The repositories of the inventory; no request."""
    rows = connection.execute(
        "SELECT repository_id, slug FROM compliance.repositories WHERE workspace = %s ORDER BY slug", (workspace,)
    )
    return [(row["repository_id"], row["slug"] or "") for row in rows]


def _repositories_at_bitbucket(client: Any, workspace: str) -> Iterator[tuple[str, str]]:
    """The same before the first run, asked for only once they are needed."""

    def uuid_of(repository: Mapping[str, Any]) -> str:
        return str(repository["uuid"])

    fields = ("values.uuid", "values.slug")
    listing = client.read_whole("repositories", key=uuid_of, fields=fields, workspace=workspace)
    doubt = listing.doubt(uuid_of)
    if doubt:
        # The webhooks of repositories that it lacks would be taken for left over.
        raise BitbucketUnavailable(f"the repositories of workspace {workspace} {doubt.reason}; run again")
    for repository in listing.values:
        yield repository["uuid"], repository.get("slug") or ""
