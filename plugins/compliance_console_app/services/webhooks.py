"""The webhooks of the connection: whether their events arrive, and what to do where they don't."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bitbucket_cloud.errors import BitbucketError
from bitbucket_compliance.core.errors import one_line
from compliance_console_app.database import CONFIGURATION, Connection, row, rows

log = logging.getLogger(__name__)

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


def health(connection: Connection, workspaces: Sequence[str], conn_id: str) -> list[Health]:
    """For each workspace of the connection, in its order."""
    found = rows(connection, "webhooks/health", {"workspaces": list(workspaces), "conn_id": conn_id})
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
    state = ", ".join(wrong) or "active"
    if facts["repositories"] and not facts["of_workspace"]:
        everywhere = _counted(facts["repositories"], "repository", "repositories")
        delivering = f"{facts['repositories_active']} of {everywhere}"
        state = f"{state}; active on {delivering}" if wrong else f"active on {delivering}"
    return Health(facts["workspace"], state, not wrong and not told, tuple(told), facts)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _warnings(facts: dict[str, Any]) -> list[str]:
    """What the webhooks themselves don't tell."""
    found = []
    if facts["waiting_since"] and facts["waiting_since"] < datetime.now(UTC) - LONG_WAIT:
        waiting = _counted(facts["waiting"], "event waits", "events wait")
        found.append(
            f"{waiting}, the oldest for longer than ten minutes: look at the runs, at the requests left, "
            "and whether Airflow's triggerer is at work."
        )
    if facts["gaps_in_a_week"]:
        changes = _counted(facts["gaps_in_a_week"], "change", "changes")
        found.append(
            f"Polling found {changes} in the last week that no event announced: "
            "look whether the receiver can be reached from the internet."
        )
    if facts["refused_at"] and facts["refused_at"] > datetime.now(UTC) - timedelta(days=1):
        found.append(
            f"Deliveries came whose signature was wrong ({facts['refused']} in all, counted once a minute at most): "
            "somebody tries, or the secret is another one at Bitbucket. Rotate the secret."
        )
    return found


def remove(conn_id: str, workspaces: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    """Delete our webhooks at Bitbucket; never fails, as whoever disconnects wants the tokens gone.

    Returns:
        How many were deleted, and a sentence for each that is left there.
    """
    from bitbucket_cloud.database import Database
    from bitbucket_cloud.hooks.bitbucket import BitbucketHook
    from bitbucket_cloud.webhooks.removal import remove as remove_webhooks

    try:
        # A person waits: no long series of retries.
        hook = BitbucketHook(conn_id, CONFIGURATION)
        with hook.get_conn(retry_attempts=2, rate_limit_pauses=1) as client:
            done = remove_webhooks(client, Database.from_airflow(CONFIGURATION), workspaces)
    except Exception as error:  # whatever it is, it holds no disconnect up
        return 0, (f"webhooks may be left at Bitbucket: {_said(error, 'they could not be deleted')}",)
    return done.deleted, done.left


def forget_secret(conn_id: str) -> tuple[str, ...]:
    """Forget the connection's webhook secrets: no delivery is accepted any more; a sentence where that failed."""
    from bitbucket_cloud.database import Database
    from bitbucket_cloud.webhooks.secrets.webhook_secrets import WebhookSecrets

    try:
        WebhookSecrets(Database.from_airflow(CONFIGURATION)).forget(conn_id)
    except Exception as error:  # as above
        return (f"the webhook secret could not be deleted: {_said(error, 'it is still there')}",)
    return ()


def _said(error: Exception, what: str) -> str:
    """The line for a person; of what is none of ours only the kind, as its text may hold anything."""
    log.warning("%s: %s", what, type(error).__name__, exc_info=not isinstance(error, BitbucketError))
    return one_line(error) if isinstance(error, BitbucketError) else f"{what} ({type(error).__name__})"


def recorded(connection: Connection, conn_id: str) -> tuple[str, ...]:
    """Workspaces of which a webhook, or the refusal of one, is recorded; the connection may name them no more."""
    found = row(connection, "webhooks/recorded", {"conn_id": conn_id})
    return tuple(found["workspaces"] or ()) if found else ()


def registered(connection: Connection, conn_id: str) -> int:
    """Webhooks that are recorded for the connection, in all its workspaces."""
    found = row(connection, "webhooks/recorded", {"conn_id": conn_id})
    return int(found["webhooks"]) if found else 0
