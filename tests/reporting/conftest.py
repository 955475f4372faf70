"""A workspace that was run twice, with something to tell, for the tests of what is reported of it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from local.postgres import EmbeddedPostgres
from sandbox.model import Repository
from sandbox.process import SandboxServer
from tests.databases import copied, create, drop
from tests.harness import Pipeline, bitbucket_connection
from tests.pipeline.small import FAST, small_state, whole_run


def first(server: SandboxServer) -> Repository:
    """The repository that changes."""
    return server.state.workspaces[0].repositories[0]


def drop_approvals(repository: Repository) -> None:
    """Let it no longer ask for approvals."""
    repository.restrictions = [rule for rule in repository.restrictions if rule.kind != "require_approvals_to_merge"]


@pytest.fixture(scope="session")
def two_runs(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database to copy, with two runs, the second of which found that a repository asks for no approvals."""
    with (
        copied(postgres, "notifications_news") as address,
        SandboxServer(small_state(2)) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", address)
        patch.setenv("AIRFLOW_CONN_BITBUCKET_DEFAULT", json.dumps(bitbucket_connection(server.url, **FAST)))
        patch.setattr("bitbucket_compliance.pipeline.publish.publish.require_answers", lambda *_: None)
        pipeline = Pipeline(address, lambda *_, **__: None)
        whole_run(pipeline, server)
        drop_approvals(first(server))
        whole_run(pipeline, server)
        yield "notifications_news"


@pytest.fixture
def news(pipeline: Pipeline, postgres: EmbeddedPostgres, two_runs: str) -> Pipeline:
    """Those two runs in a database of one's own."""
    name = pipeline.dsn.partition("?")[0].rpartition("/")[2]
    drop(postgres, name)
    create(postgres, name, two_runs)
    return pipeline
