"""The webhooks of the connection: whether their events arrive, and what to do where they don't."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bitbucket_cloud.errors import BitbucketError, ConfigurationError
from compliance_console_app.access import CONNECTION_ID
from compliance_console_app.database import Connection, rows
from include.pipeline.db import CONNECTION_ID as POSTGRES
from include.pipeline.errors import one_line

URL_VARIABLE = "COMPLIANCE_WEBHOOK_URL"
#: events that wait for longer are worth a look
LONG_WAIT = timedelta(minutes=10)
ACTIONS = {"ensure": "registered or repaired", "rotate": "given a new secret"}


@dataclass(frozen=True)
class Health:
    """What the page shows of a workspace's webhooks.

    Attributes:
        state: ``active``, ``not registered``, or what is wrong in a word or two.
        is_well: whether nothing is to be done.
        told: what a person should know, as sentences.
        facts: the row of ``integration.webhook_health``.
    """

    workspace: str
    state: str
    is_well: bool
    told: tuple[str, ...]
    facts: dict[str, Any]


def address() -> str:
    """Where Bitbucket delivers to; empty: webhooks are off."""
    return os.environ.get(URL_VARIABLE, "").strip()


def health(connection: Connection, workspaces: Sequence[str], conn_id: str = CONNECTION_ID) -> list[Health]:
    """For each workspace of the connection, in its order."""
    found = rows(connection, "webhook_health", {"workspaces": list(workspaces), "conn_id": conn_id})
    return [_health(facts) for facts in found]


def _health(facts: dict[str, Any]) -> Health:
    if facts["active"] is None:
        nothing = "Nothing is registered yet: press Register or repair."
        return Health(facts["workspace"], "not registered", False, (nothing,), facts)
    wrong = [
        name
        for name, count in (
            ("switched off at Bitbucket", facts["disabled"]),
            ("missing", facts["missing"]),
            ("could not be asked for", facts["failed"]),
        )
        if count
    ]
    told = [*(facts["first_problems"] or []), *_warnings(facts)]
    if not facts["active"] and not wrong:
        wrong = ["not allowed"]
    state = ", ".join(wrong) or ("active" if facts["of_workspace"] else f"active on {facts['active']} repositories")
    return Health(facts["workspace"], state, not wrong and not told, tuple(told), facts)


def _warnings(facts: dict[str, Any]) -> list[str]:
    """What the webhooks themselves don't tell."""
    found = []
    if facts["waiting_since"] and facts["waiting_since"] < datetime.now(UTC) - LONG_WAIT:
        found.append(
            f"{facts['waiting']} events wait for longer than ten minutes: look at the runs, at the requests left, and "
            "whether Airflow's triggerer is at work."
        )
    if facts["gaps_in_a_week"]:
        found.append(
            f"Polling found {facts['gaps_in_a_week']} changes of the last week that no event announced: "
            "look whether the receiver can be reached from the internet."
        )
    if facts["refused_at"] and facts["refused_at"] > datetime.now(UTC) - timedelta(days=1):
        found.append(
            "Deliveries came whose signature was wrong: somebody tries, or the secret is another one at Bitbucket. "
            "Rotate the secret."
        )
    return found


def remove(workspaces: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    """Delete our webhooks at Bitbucket, and their secrets here; never fails.

    Returns:
        How many were deleted, and a sentence for each that is left there.
    """
    from bitbucket_cloud.hooks.bitbucket import BitbucketHook
    from bitbucket_cloud.store import Store
    from bitbucket_cloud.webhook_secrets import WebhookSecrets
    from bitbucket_cloud.webhooks import remove as remove_webhooks

    store = Store.from_airflow(POSTGRES)
    try:
        # A person waits: no long series of retries.
        hook = BitbucketHook(CONNECTION_ID, store_conn_id=POSTGRES)
        with hook.get_conn(retry_attempts=2, rate_limit_pauses=1) as client:
            done = remove_webhooks(client, store, workspaces)
        deleted, left = done.deleted, done.left
    except BitbucketError as error:
        deleted, left = 0, (f"webhooks may be left at Bitbucket: {one_line(error)}",)
    try:
        WebhookSecrets(store).forget(CONNECTION_ID)
    except (BitbucketError, ConfigurationError) as error:
        left = (*left, f"the webhook secret could not be deleted: {one_line(error)}")
    return deleted, left


def registered(connection: Connection, conn_id: str = CONNECTION_ID) -> int:
    """Webhooks that are recorded for the connection, in all its workspaces."""
    row = connection.execute(
        "SELECT count(*) AS webhooks FROM integration.webhooks WHERE conn_id = %s AND hook_id IS NOT NULL", (conn_id,)
    ).fetchone()
    return int(row["webhooks"]) if row else 0
