"""What the bar around every page says: what waits for somebody, and what keeps the results from being of today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from bitbucket_compliance.core.bitbucket import connection_ids
from bitbucket_compliance.core.errors import PolicyInvalid
from bitbucket_compliance.security_tests.policies import policy_of
from compliance_console_app.database import Connection, row, rows
from compliance_console_app.services.webhooks import LONG_WAIT

#: A workspace is read once a day, and that takes a while: only what is older than both says that a reading is missing.
OLD = timedelta(hours=26)
_LOOK = "Look at the connection"


@dataclass(frozen=True)
class Banner:
    """Something that is wrong with the data of every page.

    Attributes:
        kind: what a test or a style finds it by.
        text: what is wrong, and why.
        since: since when; None: not known.
        path: the page that mends it, below the console's root.
        button: what its button says; to whoever may not mend it, where it leads.
    """

    kind: str
    text: str
    since: datetime | None
    path: str
    button: str


@dataclass(frozen=True)
class Frame:
    """What stands around a page.

    Attributes:
        waiting: by the names that ``web.navigation`` counts by, how much waits.
        banners: what is wrong, the cause before its consequences.
        time_zone: in which days of the workspace begin and end, by its policy.
    """

    waiting: Mapping[str, int] = field(default_factory=dict)
    banners: tuple[Banner, ...] = ()
    time_zone: str = "UTC"


def around(connection: Connection, workspace: str, *, may_connect: bool, may_sync: bool) -> Frame:
    """The frame of a page that shows ``workspace`` to somebody; empty: none has published results."""
    banners = [_of_connection(state, may_connect) for state in _unusable(connection)]
    if not workspace:
        return Frame({}, tuple(banners))
    waiting = row(connection, "frame/waiting", {"workspace": workspace}) or {}
    state = row(connection, "frame/runs", {"workspace": workspace}) or {}
    try:
        zone = policy_of(connection, workspace).thresholds.time_zone
    except PolicyInvalid:
        zone = "UTC"
        text = f"The policy of {workspace} holds something that can't be used, so no run can begin."
        banners.append(Banner("policy", text, None, "policies", "Look at the policy"))
    return Frame(waiting, (*banners, *_of_runs(state, datetime.now(UTC), may_sync)), zone)


def _unusable(connection: Connection) -> list[dict[str, Any]]:
    return rows(connection, "frame/connections", {"conn_ids": list(connection_ids())})


def _of_connection(state: Mapping[str, Any], may_connect: bool) -> Banner:
    conn_id = state["conn_id"]
    path = "integrations" if conn_id == connection_ids()[0] else f"integrations?{urlencode({'connection': conn_id})}"
    if state["state"] == "disconnected":
        text = f"The connection {conn_id} is disconnected: nothing new is read, and results stay as they are."
        return Banner("disconnected", text, state["since"], path, "Connect" if may_connect else _LOOK)
    why = f": {state['reason'].rstrip('.')}" if state["reason"] else ""
    text = f"The connection {conn_id} needs a new consent{why}."
    return Banner("needs_reconnect", text, state["since"], path, "Reconnect" if may_connect else _LOOK)


def _of_runs(state: Mapping[str, Any], now: datetime, may_sync: bool) -> list[Banner]:
    found = []
    if state["status"] in ("failed", "gate_failed"):
        why = (state["error"] or "the run says why").rstrip(".")
        what = "was held back by a quality gate" if state["status"] == "gate_failed" else "failed"
        text = f"The last run {what}, so results are those of the run before: {why}."
        path = f"runs/{quote(state['run_id'], safe='')}"
        found.append(Banner("run_failed", text, state["failing_since"], path, "Look at the run"))
    if state["published_at"] and state["published_at"] < now - OLD:
        text = "Results are older than a day: no whole reading was published since."
        button = "Sync now" if may_sync else _LOOK
        found.append(Banner("old", text, state["published_at"], "integrations", button))
    if state["waiting_since"] and state["waiting_since"] < now - LONG_WAIT:
        one = state["waiting"] == 1
        text = (
            f"{state['waiting']:,} {'event of Bitbucket waits' if one else 'events of Bitbucket wait'} to be answered."
        )
        found.append(Banner("events", text, state["waiting_since"], "integrations", "See the webhooks"))
    return found
