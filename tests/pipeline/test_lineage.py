"""Airflow's lineage shows the way from landing to the published results, and log lines say whose they are."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from bitbucket_compliance.pipeline.publish import publish as publishing
from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from bitbucket_compliance.tasks import lineage
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.small import ACME, small_state

COMPAT = "airflow.providers.common.compat.lineage.hook.get_hook_lineage_collector"
Serve = Callable[[SandboxState], SandboxServer]


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Airflow collected of each step, in the order of steps."""
    from airflow.sdk.lineage import HookLineageCollector

    collectors: list[Any] = []

    def fresh() -> Any:
        collectors.append(HookLineageCollector())
        return collectors[-1]

    monkeypatch.setattr(COMPAT, fresh)
    return collectors


def names(collected: Any) -> tuple[set[str], set[str]]:
    """Schema and table of what was read and what was written."""
    both = (collected.inputs, collected.outputs)
    read, written = ({"/".join(one.asset.uri.split("/")[-2:]) for one in side} for side in both)
    return read, written


@pytest.mark.slow
def test_every_table_on_the_way_to_the_published_results_is_read_by_a_step_that_follows_its_writer(
    pipeline: Pipeline, serve: Serve, noted: list[Any], dsn: str
) -> None:
    pipeline.run(serve(small_state(2)), ACME)
    steps = [names(one.collected_assets) for one in noted if one.has_collected]
    assert len(steps) >= 3 + len(CATALOGUE)
    known: set[str] = set()
    for read, written in steps:
        assert {name for name in read if not name.startswith("registry/")} <= known
        known |= written
    assert {"landing/objects", "judged/verdicts", "compliance/results"} <= known
    [uri] = {one.asset.uri for one in noted[-1].collected_assets.outputs if one.asset.uri.endswith("/results")}
    host, _, database = dsn.rpartition("@")[2].partition("/")
    assert uri == f"postgres://{host}/{database}/compliance/results"
    # They are tables of the database, not names that grew old.
    found = pipeline.query(
        "SELECT relnamespace::regnamespace || '/' || relname AS name FROM pg_class WHERE relkind = 'r'"
    )
    assert known <= {row["name"] for row in found}


def test_lineage_that_fails_fails_no_step(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Any:
        raise RuntimeError("the collector is out of order")

    from bitbucket_compliance.core.database import connect

    monkeypatch.setattr(COMPAT, broken)
    with connect() as connection, caplog.at_level(logging.WARNING, lineage.log.name):
        lineage.note(connection, "stage")
    assert "the lineage of step stage could not be noted: the collector is out of order" in caplog.text


@pytest.mark.slow
def test_log_lines_of_a_step_carry_run_workspace_and_step(
    pipeline: Pipeline, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []
    published = publishing.publish

    def publish(*arguments: Any) -> Any:
        seen.append(dict(structlog.contextvars.get_contextvars()))
        return published(*arguments)

    monkeypatch.setattr(tasks.publishing, "publish", publish)
    run_id = pipeline.run(serve(small_state(1)), ACME)
    assert [{name: one.get(name) for name in ("workspace", "run", "step")} for one in seen] == [
        {"workspace": ACME, "run": run_id, "step": "publish"}
    ]
    assert "step" not in structlog.contextvars.get_contextvars()
