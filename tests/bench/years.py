"""What two years leave behind, and what housekeeping costs then; ``make bench-years``.

Workspaces of 1,000 and 10,000 repositories with a run a day, in each of which 1 % of the verdicts changed, a merge a
week and repository, a roster a day (``tests/bench/year``), written straight into the tables of the embedded Postgres
with settings that forget what a crash would need; everything after that with those of the demo. Then housekeeping as
its DAG runs it: once over all that is older than 401 days, as on the day on which retention is switched on, and once
more over a single day, as every day since. The queries of readers are asked as ``make bench-reporting`` does, over all
of it and over what is left.

Bytes are with indexes, and those before housekeeping: what is deleted is used again, and shrinks no file by itself.
100,000 repositories (``OPTIONS="--sizes 100000 --days 410"``) take 35 minutes and 50 GB of disk: of more than 10,000
nothing is recorded beforehand, and no reader asks.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from bitbucket_compliance.core.database import connect
from bitbucket_compliance.pipeline.housekeeping.housekeeping import forget_old
from bitbucket_compliance.security_tests.policies import load_policy
from bitbucket_compliance.security_tests.upgrade import upgrade
from local.postgres import EmbeddedPostgres
from local.postgres_cluster import ADMIN_ROLE
from tests.bench.goals import Goals
from tests.bench.reporting import (
    DATABASE,
    WORKSPACE,
    YEAR,
    Size,
    analyst,
    make_history,
    measure,
    server,
    statements,
)

DAYS = 730
KEPT_DAYS = 400  # the fewest that a policy may keep
MOST_SECONDS_A_DAY = 60.0
MOST_SECONDS_A_QUERY = 1.0
LARGEST_ASKED = 10_000

#: Of the server while the days are made: nothing of it has to outlive a crash.
HURRIED = {
    "fsync": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "8GB",
    "autovacuum": "off",
    "shared_buffers": "1GB",
    "work_mem": "64MB",
    "maintenance_work_mem": "512MB",
}

Held = dict[str, tuple[int, int]]


def main(argv: list[str] | None = None) -> None:
    """Print what was measured; exit code 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=(1_000, 10_000), help="repositories")
    parser.add_argument("--days", type=int, default=DAYS, help="and runs")
    options = parser.parse_args(argv)
    goals = Goals()
    print(f"{os.cpu_count()} cores; the embedded Postgres with the settings of the demo")
    _show_growth({size: measured(size, options.days, goals) for size in options.sizes}, options.days)
    goals.show()


def measured(repositories: int, days: int, goals: Goals) -> Held:
    """Make the days, keep house, ask; returns rows and bytes of each table before housekeeping."""
    os.environ.pop("COMPLIANCE_POLICY_FILE", None)  # the policy of the size before
    size = Size(repositories=repositories, members=max(20, repositories * 3 // 10), runs=days)
    with tempfile.TemporaryDirectory() as name, server(Path(name), HURRIED) as postgres:
        upgrade(postgres.uri(DATABASE))
        started = time.monotonic()
        make_days(postgres.uri(DATABASE), size)
        print(f"\n{repositories:,} repositories, {days} days, made in {time.monotonic() - started:.0f} s")
        postgres.stop()
        postgres.settings = {}
        postgres.start()
        before = held(postgres.uri(DATABASE, ADMIN_ROLE))
        with analyst(postgres) as reader:
            is_asked = repositories <= LARGEST_ASKED
            if is_asked:
                ask(reader, goals, size, "all days")
            keep_house(postgres, Path(name), KEPT_DAYS + 1, "all that is older")
            seconds = keep_house(postgres, Path(name), KEPT_DAYS, "a day more")
            goals.add(f"{repositories:,} repositories: seconds of housekeeping a day", seconds, MOST_SECONDS_A_DAY)
            _show_left(before, held(postgres.uri(DATABASE, ADMIN_ROLE)))
            if is_asked:
                with psycopg.connect(postgres.uri(DATABASE), autocommit=True) as connection:
                    connection.execute("VACUUM (ANALYZE)")
                ask(reader, goals, size, f"{KEPT_DAYS} days")
    return before


def ask(reader: str, goals: Goals, size: Size, days: str) -> None:
    """Time every query of readers, and print the slowest; ``reader`` is the address of a login that may read alone."""
    asked = [measure(reader, query, statement) for query, statement in statements().items()]
    slowest = sorted(asked, key=lambda one: -one.seconds)[:5]
    what = f"{size.repositories:,} repositories, {days}"
    # As many processes as wanted to work meanwhile: they share the cores with Postgres.
    print(f"  {what}, load {os.getloadavg()[0]:.1f}, slowest queries, seconds:")
    for one in slowest:
        print(f"    {one.name:<60} {one.rows:>8,} {one.seconds:>8.2f}")
    goals.add(f"{what}: slowest query", slowest[0].seconds, MOST_SECONDS_A_QUERY)


def make_days(dsn: str, size: Size) -> None:
    """Fill a migrated database with what the days bring, and record it."""
    make_history(dsn, size)
    values = {**vars(size), "workspace": WORKSPACE, "policy_version": load_policy().version}
    with psycopg.connect(dsn) as connection:
        cursor = psycopg.ClientCursor(connection)
        cursor.execute("TRUNCATE compliance.history_kept")
        for name in ("growth.sql", "record.sql") if size.repositories <= LARGEST_ASKED else ("growth.sql",):
            cursor.execute((YEAR / name).read_bytes(), values)
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM (ANALYZE)")


def keep_house(postgres: EmbeddedPostgres, folder: Path, kept_days: int, what: str) -> float:
    """Run what the DAG runs, with a policy that keeps so many days; its seconds."""
    policy = folder / "policy.yaml"
    policy.write_text(
        f"thresholds: {{history_kept_days: {kept_days}, bodies_kept_days: {kept_days}}}\n", encoding="utf-8"
    )
    os.environ["COMPLIANCE_POLICY_FILE"] = str(policy)
    os.environ["AIRFLOW_CONN_COMPLIANCE_POSTGRES"] = postgres.uri(DATABASE)
    started = time.monotonic()
    with connect() as connection:
        forget_old(connection)
    seconds = time.monotonic() - started
    print(f"  housekeeping, {what}: {seconds:.1f} s")
    return seconds


def held(dsn: str) -> Held:
    """Rows and bytes with indexes of each table of the pipeline; ``dsn`` is of an administrator."""
    with psycopg.connect(dsn) as connection:
        tables = connection.execute(
            "SELECT oid::regclass::text, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace::regnamespace::text IN"
            " ('landing', 'staging', 'judged', 'quality', 'registry', 'integration', 'compliance')"
        ).fetchall()
        counts = {
            table: connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchall()[0][0]  # noqa: S608
            for table, _ in tables
        }
    return {table: (counts[table], size) for table, size in tables}


def _show_left(before: Held, after: Held) -> None:
    print(f"  {'table':<36} {'rows':>12} {'MB':>8} {'rows left':>12}")
    for table, (rows, size) in sorted(before.items(), key=lambda one: -one[1][1])[:20]:
        print(f"  {table:<36} {rows:>12,} {size / 2**20:>8.1f} {after[table][0]:>12,}")
    total = sum(size for _, size in before.values())
    print(f"  {'all':<36} {'':>12} {total / 2**20:>8.1f}")


def _show_growth(sizes: dict[int, Held], days: int) -> None:
    """Rows and MB a year of the tables that take most, by repositories."""
    print(f"\na year: rows, MB\n  {'table':<36}" + "".join(f"{size:>20,}" for size in sizes))
    largest = sizes[max(sizes)]
    for table in sorted(largest, key=lambda name: -largest[name][1])[:16]:
        cells = [
            f"{held[table][0] * 365 / days:>13,.0f} {held[table][1] / 2**20 * 365 / days:>6,.0f}"
            for held in sizes.values()
        ]
        print(f"  {table:<36}" + "".join(cells))


if __name__ == "__main__":
    main(sys.argv[1:])
