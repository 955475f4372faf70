"""How long judging takes, and how the history grows; ``make bench-verdicts``.

1. The first run of a workspace of 1,000, 5,000 and 10,000 repositories, 3,000 members, 20 pull requests and up to 12
   restrictions each, with declared data, evidence and exceptions: the seconds of each step, reading left out.
2. Further runs of the largest one: one in which nothing changed, so that only the listings land again; one that reads
   everything again and finds the same (``full_refresh``).
3. A year of daily runs of a small one, each of which reads everything again; 1 % of the repositories change a day.

Real: the bodies of the tasks, Postgres as the demo starts it, landing and planning. Made up: what Bitbucket answered
(``tests.bench.verdicts_workspace``). The policy switches all eight tests on.

Each step is timed in a process of its own, from its start to its end, as Airflow runs tasks: what a step imports beyond
Airflow and the pipeline is imported anew each time, so that either gate pays for Great Expectations, which is also
shown apart. The processes are forked from one that has imported Airflow, as a worker of Airflow has. Between landing
and the first step there is a checkpoint: reading so much takes hours, in which Postgres makes many.

A run in which nothing changed looks at everything again, for verdicts depend on the day too: its steps are told beside
those of the first run, alone, with landing, and with the ideal time of its requests at 100 ms and 8 connections.

Modelled in 3: the days between two runs, by moving the pipeline's own times a day into the past. Gates are left out.
"""

from __future__ import annotations

import argparse
import gc
import logging
import math
import os
import random
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from bitbucket_compliance.pipeline.gate.validation import load_library
from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.security_tests.upgrade import upgrade
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from local.postgres import EmbeddedPostgres
from tests.bench.goals import Goals
from tests.bench.verdicts_workspace import WORKSPACE, Landed, MadeUp

SIZES = (1000, 5000, 10_000)
TEMPLATE = "bench_template"
POLICY = "tests: {pipelines_enabled: {enabled: true}}\n"

MOST_SECONDS = 90.0
#: How much steeper the way from the middle to the largest size may be than the way to the middle.
MOST_SLOPE = 1.1
#: Of a run in which nothing changed, as a part of the first.
MOST_OF_FIRST = 0.5
#: What a request takes at the latency and with the connections of the design (§7), in seconds.
REQUEST = 0.1 / 8
CHANGED_A_DAY = 0.01

#: A worker of Airflow has these before a task begins.
_OF_A_WORKER = ("airflow.sdk", "airflow.providers.postgres.hooks.postgres")


@dataclass(frozen=True)
class Step:
    """One step of a run, in seconds.

    Attributes:
        wall: from the start of its process to its end.
        importing: of these, for importing Great Expectations.
        cpu: of its own process, and of Postgres.
    """

    name: str
    wall: float
    importing: float
    cpu: float


@dataclass(frozen=True)
class Judged:
    """One run from start to finish, reading apart.

    Attributes:
        landed: what was read, and the seconds that landing it took.
        new_history: rows that the run added to history.
    """

    run_id: str
    landed: Landed
    new_history: int
    steps: tuple[Step, ...]

    @property
    def seconds(self) -> float:
        """Of all steps, landing apart."""
        return sum(step.wall for step in self.steps)

    @property
    def whole(self) -> float:
        """Steps, landing, and the ideal time of the requests."""
        return self.seconds + self.landed.seconds + self.landed.requests * REQUEST


def main() -> None:
    """Print the parts; exit code 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=3, help="of part 1, on new databases; the quickest counts")
    parser.add_argument("--days", type=int, default=365, help="of part 3; 0: leave it out")
    parser.add_argument("--repositories", type=int, default=200, help="of part 3")
    parser.add_argument("--sizes", type=int, nargs=3, default=SIZES, help="of part 1")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    for module in _OF_A_WORKER:
        __import__(module)
    goals = Goals()
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as postgres:
        print(f"{os.cpu_count()} cores; the embedded Postgres with the settings of the demo")
        runs: dict[int, list[Judged]] = {size: [] for size in options.sizes}
        for repetition in range(options.repetitions):
            for size in options.sizes:
                with database(postgres, f"bench_{size}") as dsn:
                    made_up = MadeUp(dsn, size)
                    made_up.create()
                    runs[size].append(_run(postgres, made_up, f"first {repetition}"))
                    if size == max(options.sizes) and repetition == options.repetitions - 1:
                        further = _further(postgres, made_up)
        _show_first(runs, goals)
        _show_further(best(runs[max(options.sizes)]), *further, goals)
        if options.days:
            with database(postgres, "bench_year") as dsn:
                _a_year(MadeUp(dsn, options.repositories, members=100), options.days, options.repositories, goals)
    goals.show()


@contextmanager
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    """A Postgres with a migrated database to copy, and the policy of the benchmark."""
    policy = folder / "policy.yaml"
    policy.write_text(POLICY, encoding="utf-8")
    os.environ["COMPLIANCE_POLICY_FILE"] = str(policy)
    os.environ["COMPLIANCE_DATA_DOCS_URL"] = (policy.parent / "data_docs").as_uri()
    postgres = EmbeddedPostgres(folder / "data")
    postgres.start()
    try:
        with psycopg.connect(postgres.uri("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {TEMPLATE}")
        upgrade(postgres.uri(TEMPLATE))
        yield postgres
    finally:
        postgres.delete()


@contextmanager
def database(postgres: EmbeddedPostgres, name: str) -> Iterator[str]:
    """A migrated database of that name, to which the pipeline's connection leads."""
    with psycopg.connect(postgres.uri("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    os.environ["AIRFLOW_CONN_COMPLIANCE_POSTGRES"] = postgres.uri(name)
    try:
        yield postgres.uri(name)
    finally:
        # as the administrator, who may send autovacuum away
        with psycopg.connect(postgres.uri("postgres", "postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


# one run


def _run(postgres: EmbeddedPostgres, made_up: MadeUp, run_id: str, *, full_refresh: bool = False) -> Judged:
    before = _history_rows(made_up)
    steps = [_timed(postgres, "start", lambda: tasks.start_run(WORKSPACE, run_id, full_refresh))]
    landed = made_up.land(run_id)
    with psycopg.connect(postgres.uri("postgres", "postgres"), autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    steps += [_timed(postgres, name, body, gate=name.startswith("gate")) for name, body in _steps(run_id)]
    return Judged(run_id, landed, _history_rows(made_up) - before, tuple(steps))


def _steps(run_id: str) -> Iterator[tuple[str, Callable[[], None]]]:
    yield "stage", lambda: tasks.stage(WORKSPACE, run_id)
    yield "gate staging", lambda: tasks.gate(WORKSPACE, run_id, "staging")
    for test in CATALOGUE:
        yield test.test_id, lambda test_id=test.test_id: tasks.judge(WORKSPACE, run_id, test_id)  # type: ignore[misc]
    yield "gate results", lambda: tasks.gate(WORKSPACE, run_id, "results")
    yield "publish", lambda: tasks.publish(WORKSPACE, run_id)
    yield "finish", lambda: tasks.finish_run(WORKSPACE, run_id)


def _timed(postgres: EmbeddedPostgres, name: str, body: Callable[[], None], *, gate: bool = False) -> Step:
    """Run a step in a process of its own, which says how long it imported; its output is shown where it fails."""
    used = _cpu(postgres)
    started = time.monotonic()
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            _in_child(body, writing, gate=gate)
        os.close(writing)
        with os.fdopen(reading) as said:
            importing = float(said.read() or 0)
        _, status, usage = os.wait4(child, 0)
        wall = time.monotonic() - started
        if status:
            output.seek(0)
            raise SystemExit(f"step {name} failed:\n{output.read().decode(errors='replace')[-3000:]}")
    return Step(name, wall, importing, usage.ru_utime + usage.ru_stime + _cpu(postgres) - used)


def _in_child(body: Callable[[], None], writing: int, *, gate: bool) -> None:
    code = 1
    try:
        gc.freeze()  # as Airflow does before it forks
        started = time.monotonic()
        if gate:
            load_library()
        os.write(writing, str(time.monotonic() - started if gate else 0.0).encode())
        os.close(writing)
        body()
        code = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _cpu(postgres: EmbeddedPostgres) -> float:
    """Seconds that the server's sessions took, once they have ended."""
    pid = int((postgres.data_dir / "data" / "postmaster.pid").read_text().split()[0])
    times = psutil.Process(pid).cpu_times()
    return float(times.children_user + times.children_system)


def _history_rows(made_up: MadeUp) -> int:
    return int(made_up.query("SELECT count(*) AS rows FROM compliance.result_history")[0]["rows"])


def best(runs: Sequence[Judged]) -> Judged:
    """Each step as it was in the run in which it was quickest: what slows a step down is other people's work."""
    steps = zip(*(run.steps for run in runs), strict=True)
    quickest = tuple(min(of_all, key=lambda step: step.wall) for of_all in steps)
    landed = min((run.landed for run in runs), key=lambda landed: landed.seconds)
    return Judged(runs[0].run_id, landed, runs[0].new_history, quickest)


def _further(postgres: EmbeddedPostgres, made_up: MadeUp) -> tuple[Judged, Judged]:
    unchanged = _run(postgres, made_up, "unchanged")
    return unchanged, _run(postgres, made_up, "full refresh", full_refresh=True)


# what is shown


def _show_first(runs: dict[int, list[Judged]], goals: Goals) -> None:
    quickest = {size: best(of_size) for size, of_size in runs.items()}
    small, middle, large = quickest
    print(f"\n1. first run, seconds (of {len(runs[large])} runs the quickest of each step), without reading")
    _show_steps({f"{size:,}": run for size, run in quickest.items()})
    totals = {size: statistics.median(run.seconds for run in of_size) for size, of_size in runs.items()}
    print(f"  {'whole run, median':<28}" + "".join(f"{seconds:>14.2f}" for seconds in totals.values()))
    seconds = {size: run.seconds for size, run in quickest.items()}
    slopes = [
        (seconds[larger] - seconds[smaller]) / (larger - smaller) * 1000
        for smaller, larger in ((small, middle), (middle, large))
    ]
    print(f"  seconds for 1,000 repositories more: {slopes[0]:.2f} up to {middle:,}, {slopes[1]:.2f} up to {large:,}")
    goals.add(f"first run of {large:,} repositories, median: seconds", totals[large], MOST_SECONDS)
    # a way that took no time was not measured
    steeper = slopes[1] / slopes[0] if slopes[0] > 0 else math.inf
    goals.add(f"slope up to {large:,} / slope up to {middle:,}", steeper, MOST_SLOPE)


def _show_steps(runs: dict[str, Judged]) -> None:
    print(f"  {'':<28}" + "".join(f"{name:>14}" for name in runs))
    for of_all in zip(*(run.steps for run in runs.values()), strict=True):
        print(f"  {of_all[0].name:<28}" + "".join(f"{step.wall:>14.2f}" for step in of_all))
    print(f"  {'total':<28}" + "".join(f"{run.seconds:>14.2f}" for run in runs.values()))
    of_gates = [sum(step.importing for step in run.steps) for run in runs.values()]
    of_processors = [sum(step.cpu for step in run.steps) for run in runs.values()]
    for name, figures in (("  of it importing GX", of_gates), ("  processor time", of_processors)):
        print(f"  {name:<28}" + "".join(f"{figure:>14.2f}" for figure in figures))
    print(f"  {'before it: landing':<28}" + "".join(f"{run.landed.seconds:>14.2f}" for run in runs.values()))
    print(f"  {'  requests':<28}" + "".join(f"{run.landed.requests:>14,}" for run in runs.values()))
    print(f"  {'repositories read':<28}" + "".join(f"{run.landed.read:>14,}" for run in runs.values()))
    print(f"  {'rows added to history':<28}" + "".join(f"{run.new_history:>14,}" for run in runs.values()))


def _show_further(first: Judged, unchanged: Judged, again: Judged, goals: Goals) -> None:
    print("\n2. further runs of the largest workspace, seconds")
    _show_steps({"first": first, "unchanged": unchanged, "all read again": again})
    goals.add("run in which nothing changed: rows added to history", unchanged.new_history, 0)
    landing = [run.seconds + run.landed.seconds for run in (unchanged, first)]
    print(f"  unchanged / first: steps {unchanged.seconds / first.seconds:.2f}, steps and landing", end=" ")
    print(f"{landing[0] / landing[1]:.2f}, whole run {unchanged.whole / first.whole:.3f}")
    goals.add("run in which nothing changed: steps / first", unchanged.seconds / first.seconds, MOST_OF_FIRST)
    goals.add("run that reads the same again: rows added to history", again.new_history, 0)


# a year


def _a_year(made_up: MadeUp, days: int, repositories: int, goals: Goals) -> None:
    with psycopg.connect(made_up.dsn, autocommit=True) as connection:
        # Nothing is timed here, and nothing has to survive.
        connection.execute("ALTER DATABASE bench_year SET synchronous_commit TO off")
    made_up.create()
    changes = max(1, round(CHANGED_A_DAY * repositories))
    _day(made_up, "day 0")
    first = _history_rows(made_up)
    published = {0: _published(made_up)}
    expected, added = 0, []
    before = first
    for day in range(1, days + 1):
        made_up.a_day_passes()
        expected += made_up.change(day, changes)
        _day(made_up, f"day {day}")
        rows = _history_rows(made_up)
        added.append(rows - before)
        before = rows
        published[day] = _published(made_up)
    [size] = made_up.query(
        "SELECT pg_table_size('compliance.result_history') AS history,"
        " pg_indexes_size('compliance.result_history') AS indexes"
    )
    wrong = _days_told_wrong(made_up, published, days)
    print(f"\n3. {days} daily runs of {repositories} repositories, {changes} of them changed a day, all read each day")
    print(f"  rows of history after the first run             {first:>8,}")
    print(f"  rows added since / verdicts that were changed   {before - first:>8,} / {expected:,}")
    print(
        f"  rows added a day: fewest, mean, most            {min(added):>8} {statistics.mean(added):.2f} {max(added)}"
    )
    halves = statistics.mean(added[: len(added) // 2 or 1]), statistics.mean(added[len(added) // 2 :])
    print(f"  the same in the first and in the second half    {halves[0]:>8.2f} {halves[1]:.2f}")
    print(
        f"  on disk, kB: rows, indexes                      {size['history'] // 1024:>8,} {size['indexes'] // 1024:,}"
    )
    goals.add(f"{days} days: rows added to history beyond what changed", abs(before - first - expected), 0)
    goals.add(f"{days} days: days whose results_as_of is not what was published", wrong, 0)


def _day(made_up: MadeUp, run_id: str) -> None:
    tasks.start_run(WORKSPACE, run_id, full_refresh=False)
    read = made_up.land(run_id).read
    assert read == made_up.query("SELECT count(*) AS listed FROM staging.repositories")[0]["listed"], read
    tasks.stage(WORKSPACE, run_id)
    for test in CATALOGUE:
        tasks.judge(WORKSPACE, run_id, test.test_id)
    tasks.publish(WORKSPACE, run_id)
    tasks.finish_run(WORKSPACE, run_id)


_FACTS = "test_id, subject_id, status, basis, reason_code, facts_hash, exception_id"
_DIGEST = f"md5(string_agg(concat_ws(' ', {_FACTS}), ',' ORDER BY test_id, subject_id)) AS digest"


def _published(made_up: MadeUp) -> str:
    return str(made_up.query(f"SELECT {_DIGEST} FROM compliance.current_results")[0]["digest"])  # noqa: S608


def _days_told_wrong(made_up: MadeUp, published: dict[int, str], days: int) -> int:
    """Of thirty days, those of which ``results_as_of`` tells something else than was published when the day ended."""
    looked_at = random.Random(7).sample(range(days), min(30, days))  # noqa: S311  # the same days each time
    statement = (
        f"SELECT {_DIGEST} FROM compliance.results_as_of("  # noqa: S608
        "(SELECT started_at FROM integration.runs WHERE run_id = %s))"
    )
    return sum(made_up.query(statement, (f"day {day + 1}",))[0]["digest"] != published[day] for day in looked_at)


if __name__ == "__main__":
    main()
