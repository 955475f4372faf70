"""Listens to Postgres for events of webhooks and fires once a burst is over.

The table decides, not the notification: events that came while nobody listened are found by a query, and two triggerers
that query at once announce each event once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from bitbucket_cloud.configuration import DEFAULTS

if TYPE_CHECKING:
    import psycopg

    AsyncConnection: TypeAlias = psycopg.AsyncConnection[dict[str, Any]]

log = logging.getLogger(__name__)

CHANNEL = "webhook_events"
#: Seconds between two queries while events wait, and while none do (then a notification ends the wait).
TICK = 1.0
REST = 30.0
#: Seconds until a database that went away is tried again, at first and at most.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0

_ANNOUNCE = Path(__file__).with_name("announce_events.sql")


class WebhookEventTrigger(BaseEventTrigger):
    """Fires for each workspace whose events wait and no run is at work on.

    Args:
        postgres_conn_id: Airflow connection to the Postgres that holds the events.
        quiet_seconds: a run is asked for when no event came for so long,
        longest_seconds: or when the first one has been waiting for so long.
        silent_seconds: a run that showed no sign of life for so long is taken for dead.
        schema: where the events are.
        role: Postgres role that the session steps into; None: the login acts as itself.
    """

    def __init__(
        self,
        postgres_conn_id: str,
        *,
        quiet_seconds: float,
        longest_seconds: float,
        silent_seconds: float,
        schema: str = DEFAULTS.schema,
        role: str | None = DEFAULTS.role,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.postgres_conn_id = postgres_conn_id
        self.schema = schema
        self.role = role
        self.seconds = {
            "quiet_seconds": quiet_seconds,
            "longest_seconds": longest_seconds,
            "silent_seconds": silent_seconds,
        }

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Where the class is, and its arguments."""
        arguments = {
            "postgres_conn_id": self.postgres_conn_id,
            "schema": self.schema,
            "role": self.role,
            **self.seconds,
        }
        return "bitbucket_cloud.triggers.webhook_events.WebhookEventTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """An event for each announcement, without end; a database that went away is waited for."""
        announce = await asyncio.to_thread(_statement, self.schema)
        pause = FIRST_PAUSE
        while True:
            try:
                async with await self._connect() as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    pause = FIRST_PAUSE
                    while True:
                        waiting = await (await connection.execute(announce, self.seconds)).fetchall()
                        for row in waiting:
                            if row["announced"]:
                                yield TriggerEvent({"workspace": row["workspace"], "events": row["waiting"]})  # type: ignore[no-untyped-call]
                        # Not for each notification of a burst.
                        await (asyncio.sleep(TICK) if waiting else _notified(connection, REST))
            except Exception as error:  # also a connection that is not there yet: whoever adds it restarts nothing
                reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
                log.warning("%s: no events can be looked for (%s); trying again", self.postgres_conn_id, reason)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _connect(self) -> AsyncConnection:
        import psycopg
        from psycopg.rows import dict_row

        from bitbucket_cloud.database import SESSION, set_role

        parameters = await asyncio.to_thread(_parameters, self.postgres_conn_id)
        connection = await psycopg.AsyncConnection.connect(**parameters, autocommit=True, row_factory=dict_row)
        if self.role is not None:
            await connection.execute(set_role(self.role))
        await connection.execute(SESSION)
        return connection


def _statement(schema: str) -> bytes:
    from bitbucket_cloud.database import statement

    return statement(_ANNOUNCE, schema)


async def _notified(connection: AsyncConnection, seconds: float) -> None:
    """Wait for a notification, ``seconds`` at most."""
    async for _ in connection.notifies(timeout=seconds, stop_after=1):
        return


def _parameters(conn_id: str) -> dict[str, Any]:
    """How libpq reaches the database: what opens it otherwise knows every form that a connection may have."""
    from bitbucket_cloud.configuration import installed
    from bitbucket_cloud.database import opened

    connection = opened(conn_id, installed())
    try:
        known: dict[str, Any] = connection.info.get_parameters()
        return {**known, "password": connection.info.password}
    finally:
        connection.close()
