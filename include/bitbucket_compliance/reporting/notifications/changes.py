"""Find the changes that were not told yet, have them sent as one message, and mark them as told.

They are marked in the transaction that sends them, once the message went out. If sending fails, they stay untold and go
out next time. If the process dies or the database goes away between sending and marking, they go out a second time:
never lost, at worst repeated, with the same key for receivers that look at it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from bitbucket_compliance.core.database import Connection, run_sql

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Change:
    """One thing that people may be told of (``integration.notifiable_changes``).

    Attributes:
        kind: failing, fixed, overdue, expiring (evidence) or reopened (an exception).
        change_key: its id, which never changes.
        occurred_at: when it happened.
        reason: a sentence; for reopened expired, facts_changed or withdrawn; None where there is nothing to add.
        due_at: when it has to be fixed; for evidence, the end of its validity.
    """

    kind: str
    change_key: str
    workspace: str
    occurred_at: datetime
    test_id: str
    test_title: str
    severity: str
    subject_type: str
    subject_id: str
    subject_name: str
    reason: str | None
    due_at: datetime | None


def tell(connection: Connection, conn_id: str, workspace: str | None, send: Callable[[Sequence[Change]], None]) -> int:
    """Send what was not told through a connection yet, as one message; nothing is sent where nothing changed.

    Args:
        conn_id: Airflow connection: what was told through one is news to another.
        workspace: None: every workspace that was published.
        send: raises where the message did not go out.

    Returns:
        How many changes were told.
    """
    workspaces = [workspace] if workspace else _published(connection)
    # Committed before anything is sent: a first message that fails must not lose what it would have told.
    with connection.transaction():
        _run(connection, "lock_sender", conn_id)
        for slug in workspaces:
            _run(connection, "first_use", conn_id, workspace=slug)
    with connection.transaction():
        _run(connection, "lock_sender", conn_id)
        changes = [change for slug in workspaces for change in _untold(connection, conn_id, slug)]
        if changes:
            send(changes)
            _mark_told(connection, conn_id, changes)
    log.info("progress: %d changes told through %s", len(changes), conn_id)
    return len(changes)


def _published(connection: Connection) -> list[str]:
    with connection.transaction():
        return [row["workspace"] for row in run_sql(connection, "reporting/exports/snapshot/published_workspaces.sql")]


def _untold(connection: Connection, conn_id: str, workspace: str) -> list[Change]:
    return [Change(**row) for row in _run(connection, "untold_changes", conn_id, workspace=workspace)]


def _mark_told(connection: Connection, conn_id: str, changes: Sequence[Change]) -> None:
    _run(
        connection,
        "mark_told",
        conn_id,
        change_keys=[change.change_key for change in changes],
        workspaces=[change.workspace for change in changes],
        moments=[change.occurred_at for change in changes],
    )


def _run(connection: Connection, name: str, conn_id: str, **keys: Any) -> Cursor[dict[str, Any]]:
    return run_sql(connection, f"reporting/notifications/{name}.sql", {"conn_id": conn_id, **keys})
