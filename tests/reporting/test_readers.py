"""A reader who asks while publications go on sees the state before or after one of them, never a mix."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline
from tests.pipeline.small import ACME, FAST, extract, protect, small_state, touch

Serve = Callable[[SandboxState], SandboxServer]
PUBLICATIONS = 6

# In one statement: the runs behind current results and the newest one that was published.
ONE_STATEMENT = """
SELECT
    results.workspace,
    count(DISTINCT results.run_id) AS runs,
    min(results.run_id) AS run_id,
    (
        SELECT runs.run_id FROM compliance.runs AS runs
        WHERE runs.workspace = results.workspace AND runs.status = 'published'
        ORDER BY runs.finished_at DESC LIMIT 1
    ) AS published,
    count(*) AS verdicts,
    (SELECT count(*) FROM compliance.results_as_of(now() + interval '1 hour')) AS held,
    (SELECT sum(passing + failing + pending + error + not_applicable) FROM compliance.test_summary) AS summed
FROM compliance.current_results AS results
GROUP BY results.workspace
"""
# Several statements that have to fit together where the reader's transaction is REPEATABLE READ.
SEVERAL = {
    "repositories": "SELECT count(*) AS n FROM compliance.repositories",
    "judged": "SELECT count(*) AS n FROM compliance.current_results WHERE test_id = 'repo_classified'",
    "failing": "SELECT count(*) AS n FROM compliance.current_results WHERE status = 'failing'",
    "summed": "SELECT sum(failing) AS n FROM compliance.test_summary",
    "open": "SELECT count(*) AS n FROM compliance.open_findings WHERE status = 'failing'",
    "trend": "SELECT sum(failing) AS n FROM compliance.daily_trend WHERE day = (now() AT TIME ZONE 'UTC')::date",
    # the finding of a subject that is out of sight stays open
    "found": "SELECT count(*) AS n FROM compliance.findings INNER JOIN compliance.current_results"
    " USING (workspace, test_id, subject_id) WHERE ended_at IS NULL",
}


class Reader(threading.Thread):
    """Asks again and again until it is told to stop; keeps every answer, and what went wrong."""

    def __init__(self, dsn: str, ask: Callable[[psycopg.Connection[dict[str, Any]]], dict[str, Any]]):
        super().__init__(daemon=True)
        self.answers: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self._dsn, self._ask, self._ended = dsn, ask, threading.Event()

    def run(self) -> None:
        try:
            with psycopg.connect(self._dsn, row_factory=dict_row, autocommit=True) as connection:
                connection.execute("SET ROLE compliance_reader")
                while not self._ended.is_set():
                    self.answers.append(self._ask(connection))
        except Exception as error:
            self.error = error

    def end(self) -> list[dict[str, Any]]:
        """Stop; the answers."""
        self._ended.set()
        self.join(30)
        assert self.error is None, self.error
        return self.answers


def in_one_statement(connection: psycopg.Connection[dict[str, Any]]) -> dict[str, Any]:
    [row] = connection.execute(ONE_STATEMENT).fetchall()
    return row


def in_one_transaction(connection: psycopg.Connection[dict[str, Any]]) -> dict[str, Any]:
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        answers = {name: connection.execute(text).fetchall()[0]["n"] for name, text in SEVERAL.items()}  # type: ignore[call-overload]
    return {name: int(number) for name, number in answers.items()}


def change(server: SandboxServer, number: int) -> None:
    """Every publication finds other failures and another number of repositories."""
    workspace = server.state.workspaces[0]
    for place, repository in enumerate(workspace.repositories):
        if (place + number) % 2:
            repository.restrictions = []
        else:
            protect(repository, 1000 * (place + 1))
    if number:
        workspace.repositories.pop()
    touch(server)


def test_no_reader_ever_sees_half_a_publication(pipeline: Pipeline, serve: Serve, policy_that_shrinks: None) -> None:
    server = serve(small_state(PUBLICATIONS + 4))
    pipeline.connect_to(server, "admin", **FAST)
    published = []
    readers: list[Reader] = []
    for number in range(PUBLICATIONS):
        change(server, number)
        run_id = extract()
        pipeline.judge(run_id, ACME)
        tasks.publish(ACME, run_id)
        tasks.finish_run(ACME, run_id)
        published.append(run_id)
        if not readers:
            readers = [Reader(pipeline.dsn, in_one_statement), Reader(pipeline.dsn, in_one_transaction)]
            for reader in readers:
                reader.start()
    single, several = (reader.end() for reader in readers)

    assert len(single) > PUBLICATIONS and len(several) > PUBLICATIONS
    for answer in single:
        assert answer["runs"] == 1, answer
        assert answer["run_id"] == answer["published"], answer
        assert answer["verdicts"] == answer["held"] == answer["summed"], answer
    seen = list(dict.fromkeys(answer["run_id"] for answer in single))
    assert seen == [run for run in published if run in seen], "and never an older one again"
    assert len(seen) > 1
    for answer in several:
        assert answer["repositories"] == answer["judged"], answer
        assert len({answer[name] for name in ("failing", "summed", "open", "trend", "found")}) == 1, answer
    assert len({answer["repositories"] for answer in several}) > 1


@pytest.fixture
def policy_that_shrinks(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing may lose as many repositories as it likes."""
    path = tmp_path / "policy.yaml"
    path.write_text("thresholds: {max_shrink_share: 1.0}\n")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(path))


def test_the_access_review_tells_when_members_joined_and_were_last_seen_where_bitbucket_does(
    pipeline: Pipeline, serve: Serve
) -> None:
    state = small_state(1, 3)
    joined, seen = datetime(2020, 5, 6, 7, 8, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    first, second, _ = state.workspaces[0].members
    first.added_on, first.last_accessed = joined, seen
    second.added_on = joined + timedelta(days=1)
    server = serve(state)
    pipeline.connect_to(server, "admin", **FAST)
    run_id = extract()
    pipeline.judge(run_id, ACME)
    tasks.publish(ACME, run_id)
    rows = pipeline.query("SELECT display_name, added_on, last_accessed FROM compliance.members ORDER BY 1")
    assert [tuple(row.values()) for row in rows] == [
        ("Person 0", joined, seen),
        ("Person 1", joined + timedelta(days=1), None),
        ("Person 2", None, None),
    ]
    asked = [request.query for request in server.state.requests if request.endpoint == "workspace_permissions"]
    assert len(asked) == 1, "the two dates cost no request"
    tasks.finish_run(ACME, run_id)
