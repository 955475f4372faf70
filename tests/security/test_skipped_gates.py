"""Publishing believes the gates and the tests themselves, not what Airflow shows of their tasks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from airflow.sdk.exceptions import AirflowFailException

from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.conftest import Database
from tests.harness import Pipeline
from tests.pipeline.small import ACME, FAST, extract, small_state

pytestmark = pytest.mark.gated
Serve = Callable[[SandboxState], SandboxServer]


@pytest.fixture
def run_id(running: str, pipeline: Pipeline, serve: Serve) -> str:
    """A run that was staged."""
    pipeline.connect_to(serve(small_state(2)), "admin", **FAST)
    return extract()


def refused() -> str:
    """What publishing says; nothing is published."""
    with pytest.raises(AirflowFailException) as stopped:
        tasks.publish(ACME, _run())
    return str(stopped.value)


_known: list[str] = []


def _run() -> str:
    return _known[-1]


@pytest.fixture(autouse=True)
def _remembered(run_id: str, database: Database) -> None:
    _known.append(run_id)


def test_a_gate_that_was_marked_as_success_publishes_nothing(
    run_id: str, pipeline: Pipeline, database: Database
) -> None:
    pipeline.judge(run_id, ACME)
    assert "the gate staging did not look at this run" in (said := refused())
    assert "clear the task gate.gate_staging of this run" in said
    tasks.gate(ACME, run_id, "staging")
    assert "the gate results did not look at this run" in refused()
    database.execute(
        "INSERT INTO compliance.result_history (workspace, test_id, subject_type, subject_id, severity, status,"
        " reason_code, reason, detail, facts_hash, policy_version, run_id, valid_from)"
        " VALUES (%s, 'repo_classified', 'repository', '{forged}', 'high', 'passing', 'c', 'r', '{}', 'h', 'p', 'r',"
        " '2026-01-01')",
        (ACME,),
    )
    with pytest.raises(AirflowFailException):
        tasks.gate(ACME, run_id, "results")
    assert "the gate results did not pass" in refused()
    assert database.execute("SELECT * FROM compliance.results").fetchall() == []


def test_a_test_that_was_marked_as_success_publishes_nothing(
    run_id: str, pipeline: Pipeline, database: Database
) -> None:
    tasks.gate(ACME, run_id, "staging")
    for test in CATALOGUE:
        if test.test_id != "peer_review_required":
            tasks.judge(ACME, run_id, test.test_id)
    tasks.gate(ACME, run_id, "results")
    assert "the security test peer_review_required did not judge" in (said := refused())
    assert "clear the task security_tests.peer_review_required of this run" in said
    tasks.judge(ACME, run_id, "peer_review_required")
    assert "the gate results looked before something was staged or judged again" in refused()
    tasks.gate(ACME, run_id, "results")
    database.execute("DELETE FROM judged.verdicts WHERE subject_name = 'repo-1' AND test_id = 'peer_review_required'")
    assert "the security test peer_review_required left no verdict for repo-1" in refused()
    assert database.execute("SELECT * FROM compliance.results").fetchall() == []


def test_what_was_staged_after_the_gates_is_not_what_they_passed(
    run_id: str, pipeline: Pipeline, database: Database
) -> None:
    tasks.gate(ACME, run_id, "staging")
    pipeline.judge(run_id, ACME)
    tasks.gate(ACME, run_id, "results")
    tasks.stage(ACME, run_id)
    assert "judged before something was staged again" in refused()
    pipeline.judge(run_id, ACME)
    assert "the gate staging looked before something was staged again" in refused()
    tasks.gate(ACME, run_id, "staging")
    tasks.gate(ACME, run_id, "results")
    tasks.publish(ACME, run_id)
    assert database.execute("SELECT count(*) AS n FROM compliance.results").fetchall() != [{"n": 0}]
