"""Which changes were not told yet, and that each is told once through a connection.

A change is noted as told in the transaction that sent it, after the sender said that it went out. Whatever fails before
leaves it untold, and it goes out next time; where the process dies, or the database goes away, between the two, it goes
out a second time: never lost, at worst repeated, with the same key for receivers that look at it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from bitbucket_compliance.core.database import PACKAGE, Connection, run_sql

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Change:
    """One thing that people may be told of (``integration.notifiable_changes``).

    Attributes:
        kind: failing, fixed, overdue, expiring (evidence) or reopened (an exception).
        change_key: names it for good.
        occurred_at: when it came about.
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
    with connection.transaction():
        _take_turn(connection, conn_id)
        for one in workspaces:
            _start(connection, conn_id, one)
    with connection.transaction():
        _take_turn(connection, conn_id)
        changes = [change for one in workspaces for change in _untold(connection, conn_id, one)]
        if changes:
            send(changes)
            _note(connection, conn_id, changes)
    log.info("progress: %d changes told through %s", len(changes), conn_id)
    return len(changes)


def _published(connection: Connection) -> list[str]:
    with connection.transaction():
        return [row["workspace"] for row in run_sql(connection, "reporting/exports/published_workspaces.sql")]


def _take_turn(connection: Connection, conn_id: str) -> None:
    run_sql(connection, "reporting/notifications/take_turn.sql", {"conn_id": conn_id})


def _start(connection: Connection, conn_id: str, workspace: str) -> None:
    """Committed before anything is sent, so that a first message that fails does not lose what it would have told."""
    keys = {"conn_id": conn_id, "workspace": workspace}
    first = run_sql(connection, "reporting/notifications/since_when.sql", keys).fetchone()
    if first is not None:
        run_sql(connection, "reporting/notifications/start.sql", {**keys, "moment": first["moment"]})


def _untold(connection: Connection, conn_id: str, workspace: str) -> list[Change]:
    with connection.cursor(row_factory=class_row(Change)) as cursor:
        text = (PACKAGE / "reporting" / "notifications" / "untold.sql").read_bytes()
        return cursor.execute(text, {"conn_id": conn_id, "workspace": workspace}).fetchall()


def _note(connection: Connection, conn_id: str, changes: Sequence[Change]) -> None:
    keys = {
        "conn_id": conn_id,
        "change_keys": [change.change_key for change in changes],
        "workspaces": [change.workspace for change in changes],
        "moments": [change.occurred_at for change in changes],
    }
    run_sql(connection, "reporting/notifications/note.sql", keys)
