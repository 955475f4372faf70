"""Who holds the lock that a session waits for: asked while it waits, since afterwards nobody can tell."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import sqlalchemy.exc
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from bitbucket_compliance.core.database import Connection, log_in, one_row, run_sql
from bitbucket_compliance.core.errors import PipelineError, PostgresBusy, one_line

log = logging.getLogger(__name__)

#: Seconds between two looks at a statement that is not done; a lock is waited for several times as long.
LOOK_SECONDS = 10.0


@contextmanager
def naming_blockers(connection: Connection) -> Iterator[None]:
    """Say of a lock that could not be had in time which sessions held it.

    Every statement of the connection that takes long is looked after by a session of its own, in the role of the
    login: it sees the sessions of all that log in the same way.

    Raises:
        PostgresBusy: a lock of this connection, or of another one that works for it, could not be had in time.
    """
    pid = one_row(connection.execute("SELECT pg_backend_pid() AS pid"))["pid"]
    connection.commit()
    watch = _Watch(connection, pid)
    watch.start()
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise _busy(error, watch.blockers) from error
    except sqlalchemy.exc.DBAPIError as error:
        if isinstance(error.orig, psycopg.errors.LockNotAvailable):
            raise _busy(error.orig, watch.blockers) from error
        raise
    finally:
        watch.ended.set()


class _Watch(threading.Thread):
    """Looks now and then who keeps the session waiting.

    Attributes:
        blockers: a sentence on each, as last seen.
    """

    def __init__(self, connection: Connection, pid: int) -> None:
        super().__init__(name=f"lock waits of {pid}", daemon=True)
        self.connection = connection
        self.pid = pid
        self.ended = threading.Event()
        self.blockers: list[str] = []

    def run(self) -> None:
        while not self.ended.wait(LOOK_SECONDS):
            # A session that executes nothing waits for nothing.
            if self.connection.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.blockers = self._look() or self.blockers

    def _look(self) -> list[str]:
        try:
            with closing(log_in()) as other:
                other.row_factory = dict_row
                return [told(row) for row in run_sql(other, "core/blockers.sql", {"pid": self.pid})]
        except (psycopg.Error, PipelineError) as error:
            log.debug("who holds a lock could not be asked: %s", one_line(error))
            return []


def told(row: dict[str, Any]) -> str:
    """A session as a person is told of it: a row of ``blockers.sql``."""
    since = f" since {row['since']:%H:%M:%S %Z}" if row["since"] else ""
    named = f" ({row['application_name']})" if row["application_name"] else ""
    return f"session {row['pid']}{named} of login {row['login']}, {row['state']}{since}"


def _busy(error: psycopg.errors.LockNotAvailable, blockers: list[str]) -> PostgresBusy:
    held = f"; it is held by {'; '.join(blockers)}" if blockers else ""
    return PostgresBusy(
        f"compliance_postgres: the step did not get a lock in time ({one_line(error)}){held}; the step is tried again; "
        "if the same session still holds the lock then, end that session: SELECT pg_terminate_backend(session)"
    )
