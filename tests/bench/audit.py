"""How long an audit package takes, and how much memory; ``make bench-audit``.

A year of a workspace of 10,000 repositories in which 1 % of all verdicts change a day and fifty pull requests a
repository are merged (``tests/bench/year``) is written straight into the embedded Postgres, then asked for half a year.
Two packages are written, with persons named and without, each by a process of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from bitbucket_compliance.security_tests.upgrade import upgrade
from local.postgres_cluster import ADMIN_ROLE
from tests.bench.goals import Goals
from tests.bench.reporting import DATABASE, WORKSPACE, YEAR, Size, make_history, server

DAYS = 182


def main(argv: list[str] | None = None) -> None:
    """Print what was measured; exit code 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Size()
    parser.add_argument("--repositories", type=int, default=default.repositories)
    parser.add_argument("--members", type=int, default=default.members)
    parser.add_argument("--runs", type=int, default=default.runs)
    options = parser.parse_args(argv)
    goals = Goals()
    last = datetime.now(UTC).date()
    first = last - timedelta(days=DAYS)
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as postgres:
        dsn = postgres.uri(DATABASE, ADMIN_ROLE)
        upgrade(postgres.uri(DATABASE))
        started = time.monotonic()
        make_history(postgres.uri(DATABASE), Size(**vars(options)))
        with psycopg.connect(dsn) as connection:
            psycopg.ClientCursor(connection).execute((YEAR / "record.sql").read_bytes(), {"workspace": WORKSPACE})
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
            made = time.monotonic() - started
            # As every session of the pipeline, see core.database.
            connection.execute("SET jit = off")
            connection.execute("SET work_mem = '64MB'")
            for _ in range(2):
                started = time.monotonic()
                connection.execute("SELECT * FROM compliance.control_period(%s, %s, %s)", (WORKSPACE, first, last))
                seconds = time.monotonic() - started
            [changes] = connection.execute("SELECT count(*) FROM compliance.changes").fetchone() or (0,)
        print(f"{os.cpu_count()} cores; made in {made:.0f} s: {changes:,} changes")
        goals.add("control_period of half a year: seconds, warm", seconds, 2)
        for people in ("1", "0"):
            out = Path(folder) / f"people-{people}"
            _package(dsn, out, ["--from", str(first), "--to", str(last), f"--people={people}"], goals)
    goals.show()


def _package(dsn: str, out: Path, flags: list[str], goals: Goals) -> None:
    program = [
        sys.executable,
        "-m",
        "bitbucket_compliance",
        "audit",
        f"--workspace={WORKSPACE}",
        f"--out={out}",
        *flags,
    ]
    seconds, memory = _timed(program, {**os.environ, "AIRFLOW_CONN_COMPLIANCE_POSTGRES": dsn})
    [folder] = [one for one in out.iterdir() if one.is_dir()]
    size = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
    [archive] = out.glob("*.zip")
    print(f"{flags[-1]}: {size / 2**20:,.0f} MB, zip {archive.stat().st_size / 2**20:,.0f} MB")
    print(f"{flags[-1]}: package: {seconds:.0f} s, {memory:,.0f} MB", flush=True)
    goals.add(f"{flags[-1]}: package: seconds", seconds, 120)
    goals.add(f"{flags[-1]}: package: memory of the process, MB", memory, 300)
    seconds, memory = _timed([sys.executable, "-I", "-S", str(folder / "verify.py")], dict(os.environ))
    goals.add(f"{flags[-1]}: verify.py: seconds", seconds, 30)
    print(f"{flags[-1]}: verify.py: {seconds:.0f} s, {memory:,.0f} MB", flush=True)


def _timed(program: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds and megabytes of a process."""
    started = time.monotonic()
    child = subprocess.Popen(program, env=environment)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(program)}: exit code {child.returncode}")
    return time.monotonic() - started, used.ru_maxrss / 1024


if __name__ == "__main__":
    main(sys.argv[1:])
