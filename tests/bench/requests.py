"""Requests per repository against the goals of the design (§7), and how old verdicts get under a request limit.

``make bench-requests`` prints three parts and fails where a goal is missed:

1. the first full sync of the reference workload, for either grant, and a run right after it that has nothing to learn;
2. a day of hourly runs after it: each hour 5 % of the repositories, drawn at random with a fixed seed, are touched,
   and a third of those have one more merged pull request;
3. two days of larger workspaces under a limit (``tests.bench.simulation`` says what is modelled there); before it, what
   the first sync of part 1 costs the reader itself when an hour's requests are fewer and each run leaves the rest.

Real in 1 and 2: the bodies of the tasks from start to stage, the client, Postgres, and the sandbox, at which requests
are counted as they arrive: retries and requests for nothing included, requests for tokens apart. Verdicts are left out,
they ask for nothing. The connection has no limit, so that no run waits for a real hour; where 3 gives it one, the
policy's ``reading_hours`` is 0, so that a run leaves the rest to the next one, and the ledger is
emptied between two runs.

Modelled: the hours between two runs. All times that the pipeline wrote down with its own clock are moved an hour into
the past, which looks to the next run as if it had started an hour later. Times that Bitbucket gave stay as they are:
they are compared with what Bitbucket says next.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString

import psycopg

from bitbucket_compliance.security_tests.upgrade import upgrade
from local.postgres import EmbeddedPostgres
from sandbox.build import Pulls
from sandbox.endpoints import ENDPOINTS
from sandbox.model import Repository, Workspace
from sandbox.process import SandboxServer
from sandbox.state import ADMIN_SCOPES, FIVE_SCOPES, RequestRecord, closure
from tests.bench import simulation
from tests.bench.goals import Goals
from tests.harness import Pipeline, bitbucket_connection

WORKSPACE = "reference"
SCOPES = {"admin": ADMIN_SCOPES, "five": FIVE_SCOPES}
#: Requests per repository: at the first sync by grant, and of an hourly run in the steady state.
FIRST_GOALS = {"admin": 4.1, "five": 3.2}
STEADY_GOALS = {"admin": 0.5, "five": 0.3}
LARGEST_GOAL = 0.5
#: Hours after which every repository is to have been read again, whatever happens.
OLDEST_GOAL = 24.0

STEADY_HOURS = 24
#: The limit of the reader's own run under one: requests an hour for each repository.
FEW = 2.5
MOST_RUNS = 20
TOUCHED = 0.05
#: Every how manieth touched repository has one more merged pull request.
MERGED_IN = 3

#: What the pipeline wrote down with its own clock.
_OWN_TIMES: tuple[LiteralString, ...] = (
    "UPDATE landing.repository_reads SET read_at = read_at - interval '1 hour'",
    "UPDATE landing.calls SET fetched_at = fetched_at - interval '1 hour'",
    "ALTER TABLE landing.objects DISABLE TRIGGER USER",
    "UPDATE landing.objects SET fetched_at = fetched_at - interval '1 hour',"
    " first_fetched_at = first_fetched_at - interval '1 hour'",
    "ALTER TABLE landing.objects ENABLE TRIGGER USER",
    "UPDATE integration.runs SET started_at = started_at - interval '1 hour',"
    " finished_at = finished_at - interval '1 hour'",
    "UPDATE integration.run_steps SET started_at = started_at - interval '1 hour',"
    " finished_at = finished_at - interval '1 hour'",
    "UPDATE staging.repositories SET data_as_of = data_as_of - interval '1 hour',"
    " read_at = read_at - interval '1 hour'",
    "UPDATE staging.coverage SET data_as_of = data_as_of - interval '1 hour'",
    "UPDATE staging.merge_checks SET data_as_of = data_as_of - interval '1 hour'",
)


@dataclass(frozen=True)
class Steady:
    """The hourly runs after the first sync.

    Attributes:
        by_run: requests of each run.
        causes: readings by cause, all runs together.
        of_readings: requests of all readings.
        oldest: hours that the stalest reading had reached before it was replaced.
    """

    by_run: list[int]
    causes: Counter[str]
    of_readings: int
    oldest: float


def main() -> None:
    """Print the parts; exit code 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repositories", type=int, default=200, help="of the parts that are measured")
    parser.add_argument("--hours", type=int, default=48, help="of the part that is simulated")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    goals = Goals()
    with tempfile.TemporaryDirectory() as folder, _postgres(Path(folder) / "data") as postgres:
        for grant in SCOPES:
            dsn = _fresh_database(postgres, f"bench_{grant}")
            costs = _measure(dsn, grant, options.repositories, goals)
        print("\n3. few requests, grant five")
        _under_a_limit(_fresh_database(postgres, "bench_limit"), options.repositories, costs, Path(folder))
        _simulate(_fresh_database(postgres, "bench_simulation"), costs, options.hours, goals)
    goals.show()


@contextmanager
def _postgres(folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(folder)
    server.start()
    try:
        yield server
    finally:
        server.delete()


def _fresh_database(postgres: EmbeddedPostgres, name: str) -> str:
    with psycopg.connect(postgres.uri("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        # Nothing is timed here, and nothing has to survive.
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit TO off")
    upgrade(postgres.uri(name))
    os.environ["AIRFLOW_CONN_COMPLIANCE_POSTGRES"] = postgres.uri(name)
    return postgres.uri(name)


# what is measured


def _measure(dsn: str, grant: str, repositories: int, goals: Goals) -> simulation.Costs:
    """First sync, a run that learns nothing, and a day of hourly runs; what they cost."""

    def connect_to(server: SandboxServer, key: str) -> None:
        connection = bitbucket_connection(server.url, key, requests_per_hour=0)
        os.environ["AIRFLOW_CONN_BITBUCKET_DEFAULT"] = json.dumps(connection)

    pipeline = Pipeline(dsn, connect_to)
    with SandboxServer(workload="reference", repositories=repositories) as server:
        connect_to(server, grant)
        first, second = _run(pipeline, server), _run(pipeline, server)
        _show_first(grant, repositories, first, second, goals)
        steady = _steady_state(pipeline, server)
    _show_steady(grant, repositories, steady, goals)
    later = sum(count for cause, count in steady.causes.items() if cause != "never_read")
    return simulation.Costs(
        first=_of_readings(first) / repositories,
        later=steady.of_readings / later,
        other=len(second) - sum(request.endpoint == "repositories" for request in second),
        scopes=tuple(sorted(closure(SCOPES[grant]))),
    )


def _run(pipeline: Pipeline, server: SandboxServer) -> list[RequestRecord]:
    """One run from start to stage; the requests that arrived, those for tokens apart."""
    server.state.reset(faults=False)
    try:
        pipeline.extract(WORKSPACE)
    finally:
        pipeline.release(WORKSPACE)
    return [request for request in server.state.requests if request.endpoint != "access_token"]


def _of_readings(requests: list[RequestRecord]) -> int:
    return sum(request.slug is not None for request in requests)


def _steady_state(pipeline: Pipeline, server: SandboxServer) -> Steady:
    drawn = random.Random(7)  # noqa: S311  # the same repositories each time
    [workspace] = server.state.workspaces
    by_run, of_readings, oldest = [], 0, 0.0
    known = {row["run_id"] for row in pipeline.query("SELECT run_id FROM integration.runs")}
    for _ in range(STEADY_HOURS):
        _an_hour_passes(pipeline.dsn)
        oldest = max(oldest, _oldest_reading(pipeline))
        _touch(workspace, drawn)
        requests = _run(pipeline, server)
        by_run.append(len(requests))
        of_readings += _of_readings(requests)
    causes = pipeline.query(
        "SELECT cause, count(*) AS readings FROM landing.work_items WHERE NOT run_id = ANY(%s) GROUP BY cause",
        (list(known),),
    )
    return Steady(by_run, Counter({row["cause"]: row["readings"] for row in causes}), of_readings, oldest)


def _an_hour_passes(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        for statement in _OWN_TIMES:
            connection.execute(statement)


def _oldest_reading(pipeline: Pipeline) -> float:
    """Hours since the reading of a listed repository that is the stalest; one that was never read counts for ever."""
    [row] = pipeline.query(
        """
        SELECT max(coalesce(extract(epoch FROM now() - reads.read_at) / 3600, 'infinity')) AS hours
        FROM staging.repositories AS listed
        LEFT JOIN landing.repository_reads AS reads
            ON listed.workspace = reads.workspace AND listed.repository_id = reads.repository_id
        """
    )
    return float(row["hours"])


def _touch(workspace: Workspace, drawn: random.Random) -> None:
    """What developers do in an hour, as far as a listing shows it."""
    repositories = workspace.repositories
    touched = drawn.sample(repositories, math.ceil(TOUCHED * len(repositories)))
    for number, repository in enumerate(touched):
        repository.updated_on = datetime.now(UTC)
        if number % MERGED_IN == 0:
            _merge(repository, workspace)


def _merge(repository: Repository, workspace: Workspace) -> None:
    author, peer = (member.account for member in workspace.members[:2])
    pulls = Pulls(repository.slug, datetime.now(UTC))
    pulls.made = repository.pull_requests
    pulls.add(age=0, author=author, approved_by=[peer])


def _show_first(
    grant: str, repositories: int, first: list[RequestRecord], second: list[RequestRecord], goals: Goals
) -> None:
    columns = [Counter(request.endpoint for request in requests) for requests in (first, second)]
    print(f"\n1. {repositories} repositories, grant {grant:<8}  first sync   then, nothing changed")
    for endpoint in sorted(columns[0] | columns[1]):
        print(f"  {endpoint:<32} {columns[0][endpoint]:>10} {columns[1][endpoint]:>10}")
    print(f"  {'requests':<32} {len(first):>10} {len(second):>10}")
    each = [len(requests) / repositories for requests in (first, second)]
    print(f"  {'requests per repository':<32} {each[0]:>10.2f} {each[1]:>10.2f}")
    held = closure(SCOPES[grant])
    closed = {endpoint.name for endpoint in ENDPOINTS if not held.issuperset(endpoint.scopes)} | {"unknown"}
    refused = sum(request.endpoint in closed for request in [*first, *second])
    print(f"  {'to endpoints that this grant lacks':<32} {refused:>8}")
    goals.add(f"first sync, grant {grant}: requests per repository", each[0], FIRST_GOALS[grant])
    goals.add(f"first sync, grant {grant}: calls to endpoints that it lacks", refused, 0)


def _show_steady(grant: str, repositories: int, steady: Steady, goals: Goals) -> None:
    average = sum(steady.by_run) / len(steady.by_run) / repositories
    causes = ", ".join(f"{count} {cause}" for cause, count in sorted(steady.causes.items()))
    print(f"\n2. {len(steady.by_run)} hourly runs after it, {TOUCHED:.0%} touched an hour, grant {grant}")
    print(f"  {'readings':<42} {causes}")
    print(f"  {'requests per reading':<42} {steady.of_readings / steady.causes.total():>6.2f}")
    print(f"  {'requests per repository and run, average':<42} {average:>6.2f}")
    print(f"  {'the same in the largest single hour':<42} {max(steady.by_run) / repositories:>6.2f}")
    print(f"  {'age of the oldest reading at most, in hours':<42} {steady.oldest:>6.2f}")
    goals.add(f"steady state, grant {grant}: requests per repository and run", average, STEADY_GOALS[grant])
    if grant == "five":
        largest = max(steady.by_run) / repositories
        goals.add(f"steady state, grant {grant}: the same in the largest single hour", largest, LARGEST_GOAL)
    goals.add(f"steady state, grant {grant}: age of the oldest reading in hours", steady.oldest, OLDEST_GOAL)


# under a limit


def _under_a_limit(dsn: str, repositories: int, costs: simulation.Costs, folder: Path) -> None:
    """The reader's first sync, an hour's requests at a time, beside what the simulation takes for granted."""
    limit = round(FEW * repositories)
    policy = folder / "policy.yaml"
    policy.write_text("thresholds: {reading_hours: 0}", encoding="utf-8")
    os.environ["COMPLIANCE_POLICY_FILE"] = str(policy)
    pipeline = Pipeline(dsn, lambda *_: None)
    by_run: list[int] = []
    read = [0]
    with SandboxServer(workload="reference", repositories=repositories) as server:
        connection = bitbucket_connection(server.url, "five", requests_per_hour=limit)
        os.environ["AIRFLOW_CONN_BITBUCKET_DEFAULT"] = json.dumps(connection)
        while read[-1] < repositories and len(by_run) < MOST_RUNS:
            by_run.append(len(_run(pipeline, server)))
            read += [row["read"] for row in pipeline.query("SELECT count(*) AS read FROM landing.repository_reads")]
            _an_hour_passes(dsn)
            with psycopg.connect(dsn) as database:
                database.execute("DELETE FROM integration.request_ledger")
    del os.environ["COMPLIANCE_POLICY_FILE"]
    each_hour = (limit - costs.listings(repositories)) / costs.first
    print(f"  first sync of {repositories} repositories under {limit} requests an hour: repositories read by the hour")
    print(f"    reader      {', '.join(map(str, read[1:]))}; {sum(by_run) / repositories:.2f} requests per repository")
    hours = math.ceil(repositories / each_hour)
    modelled = [min(repositories, math.floor(hour * each_hour)) for hour in range(1, hours + 1)]
    requests = costs.first * repositories + costs.listings(repositories) * hours
    print(f"    as modelled {', '.join(map(str, modelled))}; {requests / repositories:.2f} requests per repository")


def _simulate(dsn: str, costs: simulation.Costs, hours: int, goals: Goals) -> None:
    print(
        f"\n  {hours} hours on a fake clock; as measured above {costs.first:.2f} requests for a first reading and "
        f"{costs.later:.2f} for a later one, a run's listings apart; {TOUCHED:.0%} touched an hour"
    )
    courses = simulation.simulate(dsn, costs, hours, TOUCHED)
    simulation.show(courses)
    for course in courses:
        if course.fits:
            goals.add(
                f"{course.name}: age of the oldest reading at most, in hours", course.oldest_once_read, OLDEST_GOAL
            )


if __name__ == "__main__":
    main()
