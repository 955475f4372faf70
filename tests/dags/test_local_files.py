"""With workers on several machines a run says at its start which of its files one of them alone would have."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from bitbucket_compliance.tasks.local_files import is_distributed, local_places
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.small import ACME, FAST, small_state, start

DOCS, EVIDENCE, EXPORTS = "COMPLIANCE_DATA_DOCS_URL", "COMPLIANCE_EVIDENCE_URL", "COMPLIANCE_EXPORT_TARGET"


@pytest.mark.parametrize(
    ("executors", "expected"),
    [
        ("LocalExecutor", False),
        ("airflow.executors.local_executor.LocalExecutor", False),
        ("quick:airflow.executors.local_executor.LocalExecutor", False),
        ("LocalExecutor,CeleryExecutor", True),
        ("", False),
        ("CeleryExecutor", True),
        ("airflow.providers.cncf.kubernetes.executors.kubernetes_executor.KubernetesExecutor", True),
        ("CeleryExecutor,KubernetesExecutor", True),
    ],
)
def test_which_executors_have_several_machines(executors: str, expected: bool) -> None:
    assert is_distributed(executors) is expected


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, {DOCS}),
        ({DOCS: "s3://bucket/docs"}, set()),
        ({DOCS: "s3://bucket/docs", EVIDENCE: "file:///opt/evidence", EXPORTS: "/opt/exports"}, {EVIDENCE, EXPORTS}),
        ({DOCS: "file:///opt/docs", EVIDENCE: "gs://bucket/evidence"}, {DOCS}),
        ({"COMPLIANCE_FOLDER": "/srv/files", DOCS: "s3://bucket/docs"}, {EVIDENCE, EXPORTS}),
    ],
)
def test_a_place_that_only_one_worker_sees_is_named(environment: dict[str, str], named: set[str]) -> None:
    assert {told.split()[0] for told in local_places("CeleryExecutor", environment)} == named
    assert local_places("LocalExecutor", environment) == []


def test_the_first_task_that_reads_says_so(
    pipeline: Pipeline,
    serve: Callable[[SandboxState], SandboxServer],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pipeline.connect_to(serve(small_state(1)), "admin", **FAST)
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    tasks.preflight(ACME, start())
    assert f"{DOCS} is " in caplog.text and "give an object store that all reach" in caplog.text
    pipeline.release(ACME)
