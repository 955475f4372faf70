"""A made-up workspace of any size that lands as extract lands it, without a client and without a server.

SQL makes the answers and puts them into the session's tables that extract copies its answers into; from there on the
statements are extract's own, and so is the plan of what is read. Bodies stay the same until ``change`` changes some.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from bitbucket_compliance.core.database import run_sql
from bitbucket_compliance.pipeline.extract.plan.plan import plan_reading
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.pipeline.run.task_frame import task_frame

SQL = Path(__file__).with_name("workspace")
WORKSPACE = "bench"


@dataclass(frozen=True)
class Landed:
    """What landing brought.

    Attributes:
        read: repositories that were read.
        requests: that the answers would have taken.
        seconds: that extract's own statements took, the making of the answers left out.
    """

    read: int
    requests: int
    seconds: float


class Unlimited:
    """A request budget that never ends."""

    limit = None

    def left(self) -> None:
        """Requests left: any number."""


class MadeUp:
    """The workspace in one database, whose connection id is the pipeline's.

    Args:
        dsn: of a migrated database.
        repositories, members: how many.
        pull_requests: of each repository; two of five are open, the others merged in the window. At least 15.
    """

    def __init__(self, dsn: str, repositories: int, members: int = 3000, pull_requests: int = 20):
        self.dsn = dsn
        self._sizes = {"repositories": repositories, "members": members, "pull_requests": pull_requests}

    def create(self) -> None:
        """Make the workspace, and what people declared about it."""
        with psycopg.connect(self.dsn) as connection:
            self._run(connection, "create.sql")
            self._run(connection, "declare.sql")
            connection.execute("SELECT staging.refresh_statistics('registry')")

    def land(self, run_id: str) -> Landed:
        """What extract does in a run: land the listings, plan, land what is due."""
        with task_frame("landing", WORKSPACE, run_id) as (connection, run):
            keys = {"run_id": run_id, "fetched_at": datetime.now(UTC)}
            seconds = self._incoming(connection, run, "listings.sql", keys)
            started = time.monotonic()
            chunks = plan_reading(connection, run, Unlimited())
            seconds += time.monotonic() - started
            for chunk in chunks:
                seconds += self._incoming(connection, run, "readings.sql", {**keys, "chunk": chunk})
        [row] = self.query(
            """
            SELECT
                (SELECT count(*) FROM landing.repository_reads WHERE run_id = %(run_id)s) AS read,
                (SELECT sum(requests) FROM landing.calls WHERE run_id = %(run_id)s) AS requests
            """,
            {"run_id": run_id},
        )
        return Landed(int(row["read"]), int(row["requests"]), seconds)

    def change(self, day: int, repositories: int) -> int:
        """Change the rules of some repositories; returns how many verdicts that changes."""
        with psycopg.connect(self.dsn, row_factory=dict_row) as connection:
            row = self._run(connection, "change.sql", {"day": day, "changes": repositories}).fetchone()
        assert row is not None and row["repositories"] == repositories, row
        return int(row["verdicts"])

    def a_day_passes(self) -> None:
        """Move the times that the pipeline wrote down a day into the past, and clear away as autovacuum would."""
        with psycopg.connect(self.dsn) as connection:
            self._run(connection, "a_day_passes.sql")
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("SET ROLE compliance_owner")
            connection.execute("VACUUM landing.objects, landing.calls, landing.repository_reads")
            connection.execute("VACUUM staging.repositories, staging.coverage, compliance.result_history")

    def query(self, statement: str, values: object = None) -> list[dict[str, Any]]:
        """Rows of one statement."""
        with psycopg.connect(self.dsn, row_factory=dict_row) as connection:
            return connection.execute(statement, values).fetchall()  # type: ignore[call-overload]

    def _incoming(self, connection: psycopg.Connection[Any], run: Run, file: str, keys: dict[str, Any]) -> float:
        """Make answers and land them; returns the seconds that landing took."""
        run_sql(connection, "pipeline/extract/landing/make_incoming.sql")
        self._run(connection, file, keys)
        started = time.monotonic()
        for landed in ("objects", "calls", "reads"):
            run_sql(connection, f"pipeline/extract/landing/land_{landed}.sql", run.keys)
        connection.commit()
        return time.monotonic() - started

    def _run(
        self, connection: psycopg.Connection[Any], file: str, keys: dict[str, Any] | None = None
    ) -> psycopg.Cursor[Any]:
        """A file may hold several statements, which only a client-side cursor sends with values."""
        values = {"workspace": WORKSPACE, **self._sizes, **(keys or {})}
        cursor = psycopg.ClientCursor(connection, row_factory=dict_row)
        return cursor.execute((SQL / file).read_text(encoding="utf-8"), values)  # type: ignore[arg-type]
