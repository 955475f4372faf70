"""Sessions at Postgres that are handed on, as a pooler does: what a new one has to learn takes longer than most tests.

A task connects, works and closes. Its session is then rolled back, emptied of all that was set, locked, prepared and
made in it (``DISCARD ALL``), and given to the next one that asks for the same address.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, Self
from unittest import mock
from urllib.parse import urlsplit

import psycopg
from psycopg import pq

from bitbucket_compliance.core import database

_FINE = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.EMPTY_QUERY)


class _Kept:
    """Sessions that wait for the next one, by address; none are kept unless ``is_on``."""

    def __init__(self) -> None:
        self.is_on = False
        self._lock = Lock()
        self._by_address: dict[str, list[Any]] = defaultdict(list)

    def put(self, address: str, session: Any) -> None:
        with self._lock:
            self._by_address[address].append(session)

    def take(self, address: str) -> Any:
        with self._lock:
            sessions = self._by_address[address]
            return sessions.pop() if sessions else None

    def end(self, name: str | None = None) -> None:
        """Close those of a database, or all."""
        with self._lock:
            for address in [one for one in self._by_address if name in (None, urlsplit(one).path.lstrip("/"))]:
                for session in self._by_address.pop(address):
                    session.finish()


KEPT = _Kept()


class HandedOn(psycopg.Connection[Any]):
    """A connection that keeps its session for the next one when it is closed."""

    _address = ""

    @classmethod
    def to(cls, address: str, *, row_factory: Any = psycopg.rows.tuple_row, **options: Any) -> Self:
        """A connection to an address, over a session that was kept or a new one."""
        while session := KEPT.take(address):
            if _answers(session, b""):
                found = cls(session, row_factory)
                break
            session.finish()
        else:
            found = cls.connect(address, row_factory=row_factory, **options)
        found._address = address
        return found

    def close(self) -> None:
        """Keep the session where it is as good as new once it was emptied, or else end it."""
        session = self.pgconn
        if KEPT.is_on and not self.closed and _is_empty(session):
            self.pgconn = pq.PGconn.connect_start(b"host=/nowhere")
            KEPT.put(self._address, session)
        super().close()


def _is_empty(session: Any) -> bool:
    return (
        session.transaction_status != pq.TransactionStatus.ACTIVE
        and _answers(session, b"ROLLBACK")
        and _answers(session, b"DISCARD ALL")
    )


def _answers(session: Any, statement: bytes) -> bool:
    try:
        return session.exec_(statement).status in _FINE
    except psycopg.Error:
        return False


class _Driver:
    """The driver, but for how it connects."""

    connect = staticmethod(HandedOn.to)

    def __getattr__(self, name: str) -> Any:
        return getattr(psycopg, name)


@contextmanager
def handed_on() -> Iterator[None]:
    """Whoever connects through ``core.database`` gets a session that is handed on, as long as this lasts."""
    with mock.patch.object(database, "psycopg", _Driver()), mock.patch.object(KEPT, "is_on", True):
        try:
            yield
        finally:
            KEPT.end()
