"""The demo workspace, published once for all tests of the exports, and files written from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from bitbucket_compliance.reporting.exports.export import Exported, export
from bitbucket_compliance.reporting.exports.snapshot.read import ExportRequest
from local.postgres import EmbeddedPostgres
from sandbox.process import SandboxServer
from tests.harness import Pipeline, bitbucket_connection

Export = Callable[..., Exported]


@pytest.fixture(scope="session")
def demo(postgres: EmbeddedPostgres) -> Iterator[Pipeline]:
    """A database of its own with one published run of the demo workspace; the tests only read it."""
    with (
        SandboxServer(workload="demo") as server,
        pytest.MonkeyPatch.context() as patch,
        psycopg.connect(postgres.uri("postgres"), autocommit=True) as connection,
    ):
        connection.execute("CREATE DATABASE exports_demo TEMPLATE template_compliance")
        patch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", postgres.uri("exports_demo"))
        patch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps(bitbucket_connection(server.url)))
        pipeline = Pipeline(postgres.uri("exports_demo"), lambda *_, **__: None)
        pipeline.take_demo()
        pipeline.run(server)
        yield pipeline


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Exported]:
    """Export one workspace of a database into a fresh folder."""

    def one(dsn: str, name: str, folder: Path | None = None, **request: Any) -> Exported:
        with psycopg.connect(dsn, row_factory=dict_row) as connection:
            connection.execute("SET TIME ZONE 'UTC'")
            [made] = export(connection, name, ExportRequest(**request), folder or tmp_path / "out")
        return made

    return one
