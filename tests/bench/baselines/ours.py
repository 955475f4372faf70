"""Our extraction in one process, without Airflow: the bodies of the tasks from preflight to the last repository.

Postgres is always there, as the listing is planned and the request ledger is kept in it; without ``--land``
what the repositories' calls bring is thrown away where it would be landed.
"""

from __future__ import annotations

import logging
from typing import Any
from unittest.mock import patch

import psycopg
from psycopg.rows import dict_row

from bitbucket_cloud.client.client import BitbucketClient
from bitbucket_cloud.database import Database
from bitbucket_cloud.settings import Settings
from bitbucket_compliance.pipeline import extract
from bitbucket_compliance.pipeline.extract.landing.results import CallResult
from bitbucket_compliance.pipeline.extract.landing.writer import LandingWriter
from bitbucket_compliance.pipeline.extract.repositories import reader
from bitbucket_compliance.pipeline.run import lifecycle, task_frame
from tests.bench.baselines.contender import KEY, SECRET, WORKSPACE, Measured, parser, timed

RUN_ID = "bench"


class Discarding(LandingWriter):
    """Takes results as the real one does, and forgets them."""

    def add(self, result: CallResult) -> None:
        """Land nothing."""

    def add_read(self, repository_id: str, *, complete: bool) -> None:
        """Note nothing."""


def settings(url: str, connections: int) -> Settings:
    """Of a connection whose budget is counted, but never reached."""
    return Settings(
        "bench",
        api_url=url,
        oauth_url=url,
        login=KEY,
        password=SECRET,
        connections=connections,
        requests_per_hour=1_000_000,
    )


def read(client: BitbucketClient, *, lands: bool) -> None:
    """The steps from the run's start to the last repository, each in the frame its task has."""
    lifecycle.start_run(WORKSPACE, RUN_ID)
    with task_frame.task_frame("preflight", WORKSPACE, RUN_ID) as (connection, this_run):
        extract.preflight(connection, this_run, client)
    with task_frame.task_frame("list_workspace", WORKSPACE, RUN_ID) as (connection, this_run):
        extract.list_workspace(connection, this_run, client)
    with task_frame.task_frame("plan_reading", WORKSPACE, RUN_ID) as (connection, this_run):
        chunks = extract.plan_reading(connection, this_run, client.limiter)
    with patch.object(reader, "LandingWriter", LandingWriter if lands else Discarding):
        for number in chunks:
            with task_frame.task_frame(f"read_repositories {number}", WORKSPACE, RUN_ID) as (connection, this_run):
                extract.read_chunk(connection, this_run, client, number)


def landed_objects(dsn: str) -> int:
    """How many objects the run brought, without those that the others don't ask for."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT count(*) FROM landing.objects WHERE resource NOT IN ('workspace', 'identity_role')"
        ).fetchone()
    return int(row[0]) if row else 0


def main() -> None:
    """Extract once and print what it cost."""
    options = parser(__doc__)
    options.add_argument("--land", action="store_true")
    given = options.parse_args()
    logging.disable(logging.WARNING)

    def connect() -> psycopg.Connection[dict[str, Any]]:
        connection = psycopg.connect(given.dsn, row_factory=dict_row)
        connection.execute("SET TIME ZONE 'UTC'")
        connection.execute("SET jit TO off")
        connection.commit()
        return connection

    measured = Measured()
    database = Database(connect, "the bench's database")
    with (
        patch.object(lifecycle, "connect", connect),
        patch.object(task_frame, "connect", connect),
        timed(measured, lands=given.land),
        BitbucketClient(settings(given.url, given.connections), database=database) as client,
    ):
        read(client, lands=given.land)
    if given.land:
        measured.objects = landed_objects(given.dsn)
    measured.print()


if __name__ == "__main__":
    main()
