"""An upgrade has the tables and views to itself: it waits for who is at work, and nobody waits long for it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from bitbucket_compliance.core.errors import PostgresBusy
from bitbucket_compliance.core.lock_waits import told

Cursor = psycopg.Cursor[Any]

#: Seconds for which an upgrade tries to have everything to itself before it gives up.
PATIENCE = 60.0
#: One try is over before anybody whom it holds up looks for a deadlock (Postgres does so after a second): nobody is
#: ever ended as part of one.
_TRY_SECONDS = 0.8
_LONGEST_WAIT = 0.3
_PAUSE = 0.2
_LOCKABLE = Path(__file__).with_name("lockable.sql")
_HOLDERS = Path(__file__).with_name("lock_holders.sql")


def begin_alone(cursor: Cursor, drop: Callable[[Cursor], None]) -> None:
    """Drop what is made anew and lock the pipeline's tables until the transaction ends, once nobody writes to them.

    What could not be had is let go before the next try, so that runs and readers go on in between. Views go before what
    they read, as whoever asks one locks it first: a reader that comes meanwhile waits and holds nothing.

    Args:
        drop: drops views before what they depend on, and triggers after them.

    Raises:
        PostgresBusy: somebody was at work all the time; says who.
    """
    cursor.execute(_LOCKABLE.read_text(encoding="utf-8"))
    tables = [sql.Identifier(*relation.replace('"', "").split(".")) for (relation,) in cursor.fetchall()]
    lock = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.SQL(", ").join(tables)) if tables else None
    until = time.monotonic() + PATIENCE
    while _holders(cursor, writers_alone=True) or not _begun(cursor, lock, drop):
        if time.monotonic() > until:
            raise PostgresBusy(_told(_holders(cursor)))
        time.sleep(_PAUSE)


def _begun(cursor: Cursor, lock: sql.Composed | None, drop: Callable[[Cursor], None]) -> bool:
    started = time.monotonic()
    try:
        with cursor.connection.transaction():
            _wait_at_most(cursor, _LONGEST_WAIT)
            drop(cursor)
            if lock:
                _wait_at_most(cursor, max(_TRY_SECONDS - (time.monotonic() - started), 0.05))
                cursor.execute(lock)
            cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
        return False
    return True


def _wait_at_most(cursor: Cursor, seconds: float) -> None:
    cursor.execute("SELECT set_config('lock_timeout', %s, true)", (f"{seconds * 1000:.0f}ms",))


def _holders(cursor: Cursor, *, writers_alone: bool = False) -> list[str]:
    """A sentence on each session that has a table or view locked, or, of tables, locked for writing."""
    cursor.execute(_HOLDERS.read_text(encoding="utf-8"), {"writers_alone": writers_alone})
    names = [column.name for column in cursor.description or ()]
    return [told(dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def _told(sessions: list[str]) -> str:
    held = f": {'; '.join(sessions)}" if sessions else ""
    return (
        f"compliance_postgres: the upgrade waited {PATIENCE:.0f} s for sessions that are at work{held}; nothing was "
        "changed: upgrade again when they are done, or end them: SELECT pg_terminate_backend(session)"
    )
