"""How long readers wait for an answer over a year of history; ``make bench-reporting``.

A workspace of 10,000 repositories and 3,000 members with 365 daily runs, in each of which 1 % of all verdicts changed,
is written straight into what publish writes (``tests/bench/year``), into the embedded Postgres with the settings of the
demo. Then every query of ``docs/queries.md``, every one behind a chart of the dashboard and some that use the views
otherwise are asked six times by a login that may read and nothing else; the first time warms up, the median of the
others counts. The plan of the slowest is printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from bitbucket_compliance.core.database import as_json
from bitbucket_compliance.policy.model import Policy
from bitbucket_compliance.security_tests.policies import load_policy
from bitbucket_compliance.security_tests.upgrade import upgrade
from local.postgres import EmbeddedPostgres
from local.postgres_cluster import ADMIN_ROLE
from tests.bench.charts import charts
from tests.bench.goals import Goals
from tests.documents.questions import PEOPLE_READER, READER, queries

YEAR = Path(__file__).with_name("year")
WORKSPACE = "demo-workspace"  # the one that the queries name
DATABASE = "bench_reporting"
ANALYST = "bench_analyst"

MOST_SECONDS = 1.0
REPETITIONS = 5


@dataclass(frozen=True)
class Size:
    """How large the made-up workspace is, and how much of it changes from one run to the next."""

    repositories: int = 10_000
    members: int = 3_000
    runs: int = 365
    share: float = 0.01


@dataclass(frozen=True)
class Timed:
    """One query: what it answered how fast (seconds, median), and how Postgres went about it."""

    name: str
    rows: int
    seconds: float
    plan: str


def main(argv: list[str] | None = None) -> None:
    """Print what was measured; exit code 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Size()
    parser.add_argument("--repositories", type=int, default=default.repositories)
    parser.add_argument("--members", type=int, default=default.members)
    parser.add_argument("--runs", type=int, default=default.runs)
    parser.add_argument(
        "--share", type=float, default=default.share, help="of the verdicts that change from run to run"
    )
    options = parser.parse_args(argv)
    size = Size(**vars(options))
    goals = Goals()
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as postgres:
        upgrade(postgres.uri(DATABASE))
        started = time.monotonic()
        make_history(postgres.uri(DATABASE), size)
        print(f"{os.cpu_count()} cores; the embedded Postgres with the settings of the demo")
        print(f"made in {time.monotonic() - started:.0f} s: {_held(postgres.uri(DATABASE))}")
        with analyst(postgres) as dsn:
            measured = [measure(dsn, name, statement) for name, statement in statements().items()]
    show(measured, goals)
    goals.show()


@contextmanager
def server(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[EmbeddedPostgres]:
    """A Postgres with an empty database; ``settings`` are in the place of those of the demo."""
    postgres = EmbeddedPostgres(folder / "data", settings)
    postgres.start()
    try:
        with psycopg.connect(postgres.uri("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
        yield postgres
    finally:
        postgres.delete()


@contextmanager
def analyst(postgres: EmbeddedPostgres) -> Iterator[str]:
    """Address of the database for a login with the two reading roles."""
    password = "only-for-this-benchmark"  # of a server that ends with it
    with psycopg.connect(postgres.uri("postgres", ADMIN_ROLE), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {ANALYST} LOGIN PASSWORD '{password}'")
        admin.execute(f"GRANT {READER}, {PEOPLE_READER} TO {ANALYST}")
    yield postgres.uri(DATABASE, ANALYST, password)


# ------------------------------------------------------------------ the year


def make_history(dsn: str, size: Size) -> None:
    """Fill a migrated database."""
    policy = load_policy()
    values = {**vars(size), "workspace": WORKSPACE, "policy_version": policy.version}
    with psycopg.connect(dsn) as connection:
        _declare(connection, policy)
        # A file holds several statements, which only a client-side cursor sends with values.
        cursor = psycopg.ClientCursor(connection)
        for name in ("history.sql", "exceptions.sql", "stale.sql", "changes.sql", "declared.sql"):
            cursor.execute((YEAR / name).read_bytes(), values)
        connection.commit()
        connection.autocommit = True
        # What autovacuum would have done in a year.
        connection.execute("VACUUM (ANALYZE)")


def _declare(connection: psycopg.Connection[Any], policy: Policy) -> None:
    """The policy; an upgrade has written the catalogue."""
    connection.execute(
        "INSERT INTO registry.policy_versions (policy_version, body) VALUES (%s, %s)",
        (policy.version, as_json(policy.model_dump(mode="json"))),
    )


def _held(dsn: str) -> str:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            """
            SELECT
                (SELECT count(*) FROM compliance.result_history),
                (SELECT count(*) FROM compliance.results),
                (SELECT count(*) FROM integration.runs),
                (SELECT count(*) FROM compliance.repositories),
                pg_total_relation_size('compliance.result_history')
            """
        ).fetchone()
    assert row is not None
    history, results, runs, repositories, size = row
    return (
        f"{history:,} intervals of history ({size / 2**20:.0f} MB with indexes), {results:,} current results, "
        f"{runs} runs, {repositories:,} repositories"
    )


# ------------------------------------------------------------------- queries


def statements() -> Mapping[str, str]:
    """All that is timed, by name."""
    today = datetime.now(UTC).date()
    asked = {f"docs/queries.md {query.name}": query.asked_on(today) for query in queries()}
    shown = {f"chart {title}": statement for title, statement in charts(WORKSPACE).items()}
    views = {f"view {path.stem}": path.read_text(encoding="utf-8") for path in sorted(YEAR.glob("views/*.sql"))}
    return asked | shown | views


def measure(dsn: str, name: str, statement: str) -> Timed:
    """Ask once to warm up, then some times more."""
    seconds = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        for _ in range(REPETITIONS + 1):
            started = time.monotonic()
            rows = connection.execute(statement.encode()).fetchall()
            seconds.append(time.monotonic() - started)
        plan = connection.execute(b"EXPLAIN (ANALYZE, BUFFERS) " + statement.encode()).fetchall()
    return Timed(name, len(rows), statistics.median(seconds[1:]), "\n".join(line for (line,) in plan))


def show(measured: list[Timed], goals: Goals) -> None:
    """Print rows and times, and the plan of the slowest."""
    print(f"\n  {'seconds, warm, median of ' + str(REPETITIONS):<60} {'rows':>8} {'seconds':>8}")
    for one in measured:
        print(f"  {one.name:<60} {one.rows:>8,} {one.seconds:>8.3f}")
        goals.add(f"{one.name}: seconds", one.seconds, MOST_SECONDS)
    slowest = max(measured, key=lambda one: one.seconds)
    print(f"\nthe slowest, {slowest.name}:\n{slowest.plan}")


if __name__ == "__main__":
    main(sys.argv[1:])
