"""Whether a run may be published, asked in the transaction that publishes: Airflow's own states prove nothing."""

from bitbucket_compliance.core.database import Connection, run_sql
from bitbucket_compliance.core.errors import NotReadyToPublish
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.security_tests import CATALOGUE

_GATES = {
    "staging": ("gate.gate_staging", "staged"),
    "results": ("publish.gate_results", "staged or judged"),
}


def require_answers(connection: Connection, run: Run) -> None:
    """Stop unless both gates passed on what is there now, and each enabled test judged every subject of it.

    Raises:
        NotReadyToPublish: names the gate or the security test, and the task to clear.
    """
    _require_tests(connection, run)
    for gate, (task, changed) in _GATES.items():
        row = run_sql(connection, "pipeline/publish/gate_outcome.sql", {**run.keys, "gate": gate}).fetchone()
        if row is None:
            problem = "did not look at this run"
        elif not row["passed"]:
            problem = "did not pass"
        elif not row["is_current"]:
            problem = f"looked before something was {changed} again"
        else:
            continue
        raise _refusal(f"the gate {gate} {problem}", task)


def _require_tests(connection: Connection, run: Run) -> None:
    """Each test of the run's policy judged what is staged now, and left a verdict for each subject."""
    connection.execute(
        "SELECT set_config('compliance.workspace', %(workspace)s, true),"
        " set_config('compliance.run_id', %(run_id)s, true)",
        run.keys,
    )
    enabled = [test.test_id for test in CATALOGUE if run.policy.enabled(test.test_id)]
    for row in run_sql(connection, "pipeline/publish/missing_verdicts.sql", {**run.keys, "test_ids": enabled}):
        raise _refusal(f"the security test {row['test_id']} {row['problem']}", f"security_tests.{row['test_id']}")


def _refusal(problem: str, task: str) -> NotReadyToPublish:
    return NotReadyToPublish(
        f"{problem}, whatever Airflow shows of its task; nothing was published: clear the task {task} of this run, "
        "with what comes after it"
    )
