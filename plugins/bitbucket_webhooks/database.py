"""The receiver's part of Postgres: which webhooks there are, and the table that keeps their events."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from bitbucket_cloud.auth.encryption import WebhookEncryption
from bitbucket_cloud.errors import ConfigurationError
from bitbucket_cloud.webhooks.events import Event
from bitbucket_cloud.webhooks.signature import secret_of_webhook

log = logging.getLogger(__name__)

T = TypeVar("T")
Connection = psycopg.AsyncConnection[dict[str, Any]]

#: Seconds that one delivery may wait for the database in all, be it away or slow: Bitbucket gives up after 10.
PATIENCE = 4.0
#: Seconds for which a webhook, and the fact that there is none, is remembered.
KNOWN_FOR = 5.0
UNKNOWN_FOR = 1.0
#: Seconds between two look-ups of a webhook whose signatures don't match: its secret may be a new one.
LOOK_AGAIN_AFTER = 0.2
#: Webhooks remembered at most.
MOST_KNOWN = 4096
CONNECTIONS = 4

_SQL = Path(__file__).parent


class DatabaseAway(Exception):
    """Postgres did not answer within ``PATIENCE`` seconds, or refused."""


@dataclass(frozen=True)
class Webhook:
    """A webhook as it was registered.

    Attributes:
        hook_id: Bitbucket's uuid, with braces.
        secrets: what its deliveries may be signed with.
        problem: why one of them can't be decrypted; None: all can.
    """

    hook_id: str
    conn_id: str
    workspace: str
    secrets: tuple[str, ...] = field(repr=False)
    problem: str | None = None


class Database:
    """Connections that reconnect by themselves, in the role ``compliance_receiver`` where the login has more rights.

    Args:
        conninfo: gives libpq's connection string, asked for when the first connection is made.
        encryption: makes what decrypts the secrets; called for the first webhook that is looked up.
    """

    def __init__(self, conninfo: Callable[[], Awaitable[str]], encryption: Callable[[], WebhookEncryption]) -> None:
        self._conninfo = conninfo
        self._encryption = encryption
        self._pool: AsyncConnectionPool[Connection] | None = None
        self._opening = asyncio.Lock()
        # So that many requests in the name of one webhook look it up once.
        self._looking = [asyncio.Lock() for _ in range(64)]
        self._known: OrderedDict[str, tuple[float, Webhook | None]] = OrderedDict()
        self._counted: dict[str, float] = {}

    async def webhook(self, hook_id: str, deadline: float, *, afresh: bool = False) -> Webhook | None:
        """The webhook of this uuid (with braces), or None.

        Args:
            deadline: on ``time.monotonic``, until which the database is waited for.
            afresh: look again: what is remembered may be older than a new secret.

        Raises:
            DatabaseAway, ConfigurationError (no key decrypts the secrets).
        """
        asked_at = time.monotonic()
        async with self._looking[hash(hook_id) % len(self._looking)]:
            looked_at, known = self._known.get(hook_id, (float("-inf"), None))
            if afresh and looked_at < asked_at:
                await asyncio.sleep(max(0.0, looked_at + LOOK_AGAIN_AFTER - time.monotonic()))
            elif time.monotonic() - looked_at < (UNKNOWN_FOR if known is None else KNOWN_FOR):
                return known
            return await self._look_up(hook_id, deadline)

    async def _look_up(self, hook_id: str, deadline: float) -> Webhook | None:
        looked_at = time.monotonic()
        row = await self._with_connection(deadline, lambda one: _one(one, "find_webhook.sql", {"hook_id": hook_id}))
        found = self._decrypted(row) if row else None
        self._known[hook_id] = (looked_at, found)
        self._known.move_to_end(hook_id)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return found

    async def take_in(self, webhook: Webhook, event: Event, deadline: float) -> bool:
        """Keep an event; False where it came before. It is committed when this returns.

        Raises:
            DatabaseAway: nothing was kept, or nobody knows: the same event may be taken in again.
        """
        values = {**vars(event), "conn_id": webhook.conn_id, "workspace": webhook.workspace, "hook_id": webhook.hook_id}
        row = await self._with_connection(deadline, lambda one: _one(one, "insert_event.sql", values))
        return row is not None

    async def count_refusal(self, webhook: Webhook, deadline: float) -> None:
        """Count a delivery with a wrong signature, once a minute at most; what fails is left."""
        now = time.monotonic()
        if now - self._counted.get(webhook.hook_id, float("-inf")) < 60:
            return
        self._counted[webhook.hook_id] = now
        try:
            values = {"hook_id": webhook.hook_id}
            await self._with_connection(deadline, lambda one: one.execute(_text("count_refusal.sql"), values))
        except DatabaseAway:
            log.warning("a refused delivery could not be counted")

    async def close(self) -> None:
        """Give the connections back."""
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    def _decrypted(self, row: dict[str, Any]) -> Webhook:
        encryption = self._encryption()
        secrets = []
        problem: ConfigurationError | None = None
        for sealed in row["sealed"]:
            try:
                secret = encryption.decrypt_webhook_secret(row["conn_id"], sealed)
                secrets.append(secret_of_webhook(secret, row["workspace"], row["repository_id"]))
            except ConfigurationError as error:
                problem = error
        if problem and not secrets:
            raise problem
        told = str(problem) if problem else None
        return Webhook(row["hook_id"], row["conn_id"], row["workspace"], tuple(secrets), told)

    async def _with_connection(self, deadline: float, work: Callable[[Connection], Awaitable[T]]) -> T:
        """What ``work`` returns, tried again while the database is away: everything here may be done twice."""
        while True:
            left = deadline - time.monotonic()
            try:
                async with asyncio.timeout(max(0.1, left)):
                    pool = await self._opened_pool()
                    async with pool.connection(timeout=max(0.1, left)) as connection:
                        return await work(connection)
            except TimeoutError as error:
                raise DatabaseAway("no answer in time") from error
            except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
                if time.monotonic() > deadline - 0.2:
                    raise DatabaseAway(_reason(error)) from error
                await asyncio.sleep(0.2)
            except psycopg.Error as error:
                # A schema that is not there, or a login without the right: waiting changes nothing within seconds.
                raise DatabaseAway(_reason(error)) from error

    async def _opened_pool(self) -> AsyncConnectionPool[Connection]:
        async with self._opening:
            if self._pool is None:
                pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
                    await self._conninfo(),
                    connection_class=psycopg.AsyncConnection[dict[str, Any]],
                    min_size=1,
                    max_size=CONNECTIONS,
                    open=False,
                    check=AsyncConnectionPool.check_connection,
                    configure=_configured,
                    reconnect_timeout=0,
                    kwargs={"row_factory": dict_row, "autocommit": True, "connect_timeout": 5},
                )
                await pool.open()
                self._pool = pool
            return self._pool


def _reason(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


async def _configured(connection: Connection) -> None:
    await connection.execute(_text("set_role.sql"))


async def _one(connection: Connection, name: str, values: dict[str, Any]) -> dict[str, Any] | None:
    cursor = await connection.execute(_text(name), values)
    return await cursor.fetchone()


@cache
def _text(name: str) -> bytes:
    return (_SQL / name).read_bytes()
