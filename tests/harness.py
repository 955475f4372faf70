"""A whole run without Airflow: the bodies of the tasks, in the order of the DAG."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

from psycopg.rows import dict_row

from bitbucket_compliance.core.database import connect
from bitbucket_compliance.registry.imports import import_file
from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from sandbox.process import SandboxServer
from tests.sessions import HandedOn

DEMO = "demo-workspace"
_runs = itertools.count(1)


#: what publishing calls to see that both gates have passed
REQUIRED_ANSWERS = "bitbucket_compliance.pipeline.publish.publish.require_answers"


@contextmanager
def without_gates() -> Iterator[None]:
    """Runs are published without their gates, which cost seconds, as long as this lasts."""
    with mock.patch(REQUIRED_ANSWERS):
        yield


def bitbucket_connection(url: str, grant: str = "admin", **extra: object) -> dict[str, Any]:
    """An Airflow connection to a sandbox; grant: ``admin``, ``five``, or another consumer's key."""
    key, secret = {
        "admin": ("demo-admin-key", "demo-admin-secret"),
        "five": ("demo-key", "demo-secret"),
    }.get(grant, (grant, f"{grant}-secret"))
    settings = {"auth": "client_credentials", "oauth_url": url, "retry_wait": 0.01, **extra}
    return {"conn_type": "bitbucket", "host": url, "login": key, "password": secret, "extra": settings}


class Pipeline:
    """Runs of the pipeline against one database."""

    def __init__(self, dsn: str, connect_to: Callable[..., None]):
        self.dsn = dsn
        self.connect_to = connect_to

    def take(self, kind: str, path: Path, captured_on: date | None = None) -> None:
        """Import a declared file."""
        with connect() as connection:
            import_file(
                connection, kind, path, imported_by="os:tester", captured_on=captured_on, is_vouched_for=kind == "mfa"
            )

    def take_demo(self) -> None:
        """Import the demo's roster, classification and two-step verification export."""
        from sandbox import demo

        self.take("roster", demo.ROSTER)
        self.take("classification", demo.CLASSIFICATION)
        self.take("mfa", demo.MFA_EXPORT)

    def extract(self, workspace: str = DEMO, *, full_refresh: bool = False) -> str:
        """Start a run, read and stage; returns the run's id."""
        run_id = f"run-{next(_runs)}"
        tasks.start_run(workspace, run_id, full_refresh)
        tasks.preflight(workspace, run_id)
        tasks.list_workspace(workspace, run_id)
        for chunk in tasks.plan_reading(workspace, run_id):
            tasks.read_chunk(workspace, run_id, chunk)
        tasks.stage(workspace, run_id)
        return run_id

    def judge(self, run_id: str, workspace: str = DEMO) -> None:
        """All tests of the catalogue."""
        for test in CATALOGUE:
            tasks.judge(workspace, run_id, test.test_id)

    def run(
        self,
        server: SandboxServer,
        workspace: str = DEMO,
        *,
        grant: str = "admin",
        gates: bool = False,
        **options: Any,
    ) -> str:
        """A whole run, listing to publication; gates only where they are what is tested: they cost seconds."""
        self.connect_to(server, grant)
        run_id = ""
        try:
            run_id = self.extract(workspace, **options)
            if gates:
                tasks.gate(workspace, run_id, "staging")
            self.judge(run_id, workspace)
            if gates:
                tasks.gate(workspace, run_id, "results")
            tasks.publish(workspace, run_id)
        finally:
            self.release(workspace)
        return run_id

    def release(self, workspace: str = DEMO) -> None:
        """What the DAG's teardown does, whichever run holds the workspace."""
        for row in self.query("SELECT run_id FROM integration.workspace_leases WHERE workspace = %s", (workspace,)):
            tasks.finish_run(workspace, row["run_id"])

    def query(self, statement: str, values: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Rows of one statement."""
        with HandedOn.to(self.dsn, row_factory=dict_row) as connection:
            return connection.execute(statement, values).fetchall()

    def verdicts(self, workspace: str = DEMO) -> dict[tuple[str, str], tuple[str, str | None, str]]:
        """(status, basis, reason code) by (test, subject's name) as published."""
        rows = self.query("SELECT * FROM compliance.current_results WHERE workspace = %s", (workspace,))
        return {
            (row["test_id"], row["subject_name"]): (row["status"], row["basis"], row["reason_code"]) for row in rows
        }
