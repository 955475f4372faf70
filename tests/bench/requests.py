"""Requests per repository on the reference workload of the design (§7); ``make bench-requests`` prints them.

Counted at the sandbox, where they arrive, not at the client: retries and requests for nothing included, requests for
tokens apart. Each grant starts from an empty database; the second run shows what a run costs that learns nothing.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from include.local.postgres import EmbeddedPostgres
from include.pipeline.migrate import upgrade
from include.sandbox.process import SandboxServer
from tests.harness import Pipeline, bitbucket_connection

GOALS = {"admin": 4.5, "five": 7.2}
WORKSPACE = "reference"


def main() -> None:
    """Print one table a grant; exit code 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repositories", type=int, default=20)
    repositories = parser.parse_args().repositories
    logging.disable(logging.WARNING)
    missed = False
    with tempfile.TemporaryDirectory() as folder, _postgres(Path(folder) / "data") as postgres:
        for grant, goal in GOALS.items():
            dsn = _fresh_database(postgres, f"bench_{grant}")
            first, second = _measure(dsn, grant, repositories)
            missed |= sum(first.values()) / repositories > goal
            _show(grant, goal, repositories, first, second)
    if missed:
        raise SystemExit("a goal is missed")


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
    upgrade(postgres.uri(name))
    os.environ["AIRFLOW_CONN_COMPLIANCE_POSTGRES"] = postgres.uri(name)
    return postgres.uri(name)


def _measure(dsn: str, grant: str, repositories: int) -> tuple[Counter[str], Counter[str]]:
    def connect_to(server: SandboxServer, key: str) -> None:
        os.environ["AIRFLOW_CONN_BITBUCKET_DEFAULT"] = json.dumps(bitbucket_connection(server.url, key))

    pipeline = Pipeline(dsn, connect_to)
    runs = []
    with SandboxServer(workload="reference", repositories=repositories) as server:
        for _ in range(2):
            server.state.reset(faults=False)
            pipeline.run(server, WORKSPACE, grant=grant)
            sent = server.state.requests
            runs.append(Counter(request.endpoint for request in sent if request.endpoint != "access_token"))
    return runs[0], runs[1]


def _show(grant: str, goal: float, repositories: int, first: Counter[str], second: Counter[str]) -> None:
    print(f"\n{repositories} repositories, grant {grant}:  first run  next run, nothing changed")
    for endpoint in sorted(first | second):
        print(f"  {endpoint or '(unknown)':<32} {first[endpoint]:>10} {second[endpoint]:>10}")
    print(f"  {'requests':<32} {sum(first.values()):>10} {sum(second.values()):>10}")
    each = [sum(run.values()) / repositories for run in (first, second)]
    print(f"  {'requests per repository':<32} {each[0]:>10.2f} {each[1]:>10.2f}   (goal for the first: <= {goal})")


if __name__ == "__main__":
    main()
