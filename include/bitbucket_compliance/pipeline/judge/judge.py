"""Judge: run one security test over staging and registry into ``judged.verdicts``."""

import logging
from importlib import import_module
from typing import Any

from bitbucket_compliance.core.database import Connection, run_sql
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.security_tests import BY_ID
from bitbucket_compliance.security_tests.tables import HERE, Tables
from bitbucket_compliance.security_tests.verdicts import write_verdicts

log = logging.getLogger(__name__)


def judge(connection: Connection, run: Run, test_id: str) -> None:
    """Write the verdicts of one test for this run, replacing what an earlier try wrote; commits.

    A test that the policy switched off judges nobody; a run that judges only what events touched, no members.
    """
    test = BY_ID[test_id]
    keys = {**run.keys, "test_id": test_id}
    connection.execute(
        "DELETE FROM judged.verdicts WHERE workspace = %(workspace)s AND run_id = %(run_id)s AND test_id = %(test_id)s",
        keys,
    )
    connection.execute(
        "DELETE FROM judged.enabled_tests"
        " WHERE workspace = %(workspace)s AND run_id = %(run_id)s AND test_id = %(test_id)s",
        keys,
    )
    if not run.policy.enabled(test_id):
        log.info("progress: %s is switched off by the policy", test_id)
        connection.commit()
        return
    connection.execute(
        "INSERT INTO judged.enabled_tests (workspace, run_id, test_id, subject_type)"
        " VALUES (%(workspace)s, %(run_id)s, %(test_id)s, %(subject_type)s)",
        {**keys, "subject_type": test.subject_type},
    )
    subjects = judged_subjects(connection, run)
    if subjects is not None and test.subject_type != "repository":
        log.info("%s: no event tells of a %s, the last verdicts stand", test_id, test.subject_type)
        connection.commit()
        return
    if test.verdict == "verdict.sql":
        run_sql(connection, HERE / test_id / "verdict.sql", {**_parameters(run), "subjects": subjects})
    else:
        _judge_in_python(connection, run, test_id)
    connection.commit()
    _say(connection, run, test_id)


def judged_subjects(connection: Connection, run: Run) -> list[str] | None:
    """Ids of the repositories that the run judges; None: every subject."""
    if run.judges_all:
        return None
    rows = connection.execute(
        "SELECT subject_id FROM judged.subjects WHERE workspace = %(workspace)s AND run_id = %(run_id)s"
        " ORDER BY subject_id",
        run.keys,
    ).fetchall()
    return [row["subject_id"] for row in rows]


def _parameters(run: Run) -> dict[str, Any]:
    return {**run.keys, **run.policy.numbers.model_dump(), "window_start": run.window_start, "today": run.today}


def _judge_in_python(connection: Connection, run: Run, test_id: str) -> None:
    module = import_module(f"bitbucket_compliance.security_tests.{test_id}.verdict")
    tables = Tables(connection, run.workspace, run.started_at, run.policy.numbers)
    write_verdicts(
        connection,
        BY_ID[test_id],
        module.judge(tables),
        workspace=run.workspace,
        run_id=run.run_id,
        evaluated_at=run.started_at,
    )


def _say(connection: Connection, run: Run, test_id: str) -> None:
    rows = connection.execute(
        "SELECT status, count(*) AS subjects FROM judged.verdicts"
        " WHERE workspace = %(workspace)s AND run_id = %(run_id)s AND test_id = %(test_id)s"
        " GROUP BY status ORDER BY status",
        {**run.keys, "test_id": test_id},
    ).fetchall()
    counts = ", ".join(f"{row['subjects']} {row['status']}" for row in rows) or "no subjects"
    log.info("%s: %s", test_id, counts)
