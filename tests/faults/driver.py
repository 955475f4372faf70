"""Whole runs that do what Airflow does with them: retry what may be retried, and come back after a wait."""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import psycopg

from bitbucket_compliance.core.errors import Waiting
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from sandbox.process import SandboxServer
from sandbox.state import RequestRecord, SandboxState
from tests.harness import DEMO, Pipeline, without_gates
from tests.pipeline.small import ACME, FAST

T = TypeVar("T")
Verdict = tuple[str, str | None, str]
Verdicts = dict[tuple[str, str], Verdict]

#: the tests that are decided by what is read of a repository
RULE_TESTS = ("status_checks_required", "peer_review_required", "branch_protection_enforced")
#: an error verdict as it is published
UNREAD: Verdict = ("error", None, "extract_failed")
#: more waits in one run than any of these tests means to cause
MOST_WAITS = 300

_runs = itertools.count(1)


class Driver(Pipeline):
    """Runs of the pipeline against one database; a step that waits is taken again, as the operator does it.

    Attributes:
        waits: the reasons to wait of all runs so far.
        wake: what happens until a waiting step may go on; sleeps unless replaced.
    """

    def __init__(self, dsn: str, connect_to: Callable[..., None]):
        super().__init__(dsn, connect_to)
        self.waits: list[Waiting] = []
        self.wake: Callable[[Waiting], None] = sleep_until

    def step(self, call: Callable[[], T]) -> T:
        """What a step returns, once it no longer has to wait."""
        while True:
            try:
                return call()
            except Waiting as waiting:
                self.waits.append(waiting)
                assert len(self.waits) < MOST_WAITS, f"the run gets nowhere: {waiting}"
                self.wake(waiting)

    def run(  # type: ignore[override]  # patient, and without gates
        self,
        server: SandboxServer,
        workspace: str = ACME,
        *,
        grant: str = "admin",
        after_listing: Callable[[], None] | None = None,
        full_refresh: bool = True,
        **extra: object,
    ) -> str:
        """A whole run without gates, every repository read; ``extra`` goes to the connection.

        Args:
            after_listing: happens between the listing and the reading.
        """
        self.connect_to(server, grant, **{**FAST, "requests_per_hour": 0, **extra})
        if workspace == DEMO and not self.query("SELECT 1 FROM registry.imports LIMIT 1"):
            self.take_demo()
        return self.run_tasks(workspace, after_listing, full_refresh=full_refresh)

    def run_tasks(
        self, workspace: str, after_listing: Callable[[], None] | None = None, *, full_refresh: bool = True
    ) -> str:
        """The DAG's tasks in their order, over connections that are set already."""
        run_id = f"faulty-{os.getpid()}-{next(_runs)}"
        try:
            self.step(lambda: tasks.start_run(workspace, run_id, full_refresh))
            self.step(lambda: tasks.preflight(workspace, run_id))
            self.step(lambda: tasks.list_workspace(workspace, run_id))
            if after_listing:
                after_listing()
            for chunk in self.step(lambda: tasks.plan_reading(workspace, run_id)):
                self.step(lambda number=chunk: tasks.read_chunk(workspace, run_id, number))  # type: ignore[misc]
            tasks.stage(workspace, run_id)
            self.judge(run_id, workspace)
            tasks.publish(workspace, run_id)
        finally:
            self.release(workspace)
        return run_id

    def verdicts(self, workspace: str = ACME) -> Verdicts:
        """Published verdicts by (test, subject's name)."""
        return super().verdicts(workspace)

    def run_error(self) -> str:
        """What ``compliance.runs`` says of the newest run's end."""
        row = self.query("SELECT status, error FROM compliance.runs ORDER BY started_at DESC LIMIT 1")[0]
        assert row["status"] == "failed"
        return str(row["error"])

    def hour_passes(self, _waiting: Waiting | None = None) -> None:
        """Move every request of the last hour out of it; serves as ``wake``."""
        with psycopg.connect(self.dsn) as connection:
            # Each hour further back than those before it, so that no two bins meet.
            hours = 2 + 2 * len(self.waits)
            connection.execute(
                "UPDATE integration.request_ledger SET bin = bin - make_interval(hours => %s)"
                " WHERE bin > now() - interval '2 hours'",
                (hours,),
            )


def sleep_until(waiting: Waiting) -> None:
    """Wait as long as the step asks for."""
    seconds = (waiting.resume_at - datetime.now(UTC)).total_seconds()
    assert seconds < 60, f"waits for {seconds:.0f} s: {waiting}"
    time.sleep(max(seconds, 0.0))


def with_errors(quiet: Verdicts, *unread: tuple[str, str]) -> Verdicts:
    """The verdicts of a quiet run, those of the subjects that can't be read replaced by ``error``."""
    missing = [key for key in unread if key not in quiet]
    assert not missing
    return {**quiet, **dict.fromkeys(unread, UNREAD)}


def answered_twice(state: SandboxState) -> list[tuple[str, str]]:
    """API requests that were answered with a success more than once."""
    asked = Counter(
        (record.path, record.query)
        for record in state.requests
        if record.path.startswith("/2.0/") and record.status == 200
    )
    return [request for request, times in asked.items() if times > 1]


def api_requests(state: SandboxState) -> int:
    """Requests to the API, those for tokens left out."""
    return sum(1 for record in state.requests if record.path.startswith("/2.0/"))


class Watched(list[RequestRecord]):
    """The sandbox's log with a hook: ``then`` happens before the client gets the answer that is noted."""

    def __init__(self, then: Callable[[RequestRecord], None]):
        super().__init__()
        self.then = then

    def append(self, record: RequestRecord) -> None:
        """Note the request, then do what is to happen."""
        super().append(record)
        self.then(record)


def once_after(state: SandboxState, endpoint: str, then: Callable[[], None], *, answers: int = 1) -> list[bool]:
    """Let something happen just after so many successful answers of an endpoint; the list tells whether it has."""
    done: list[bool] = []
    left = itertools.count(1)

    def look(record: RequestRecord) -> None:
        if not done and record.endpoint == endpoint and record.status == 200 and next(left) >= answers:
            done.append(True)
            then()

    state.requests = Watched(look)
    return done


def as_body(values: list[Any], **more: Any) -> str:
    """A listing's body."""
    return json.dumps({"values": values, "size": len(values), "pagelen": 100, **more})


if __name__ == "__main__":
    # A run in a process of its own: connections come from the environment, the workspace is named.
    with without_gates():
        Driver(os.environ["AIRFLOW_CONN_COMPLIANCE_POSTGRES"], lambda *_, **__: None).run_tasks(sys.argv[1])
