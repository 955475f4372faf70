"""Judge: run one security test over staging and registry into ``judged.verdicts``."""

import logging
from importlib import import_module
from typing import Any

from psycopg.errors import NotNullViolation

from bitbucket_compliance.core.database import Connection, as_json, run_sql, sql_text
from bitbucket_compliance.core.errors import VerdictRefused
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.security_tests import BY_ID
from bitbucket_compliance.security_tests.model import LISTINGS, SecurityTest
from bitbucket_compliance.security_tests.tables import Tables
from bitbucket_compliance.security_tests.verdicts import Verdict

log = logging.getLogger(__name__)

# Rows of a test written in Python travel as one JSON document.
_ROWS = b"""
    SELECT *
    FROM
        jsonb_to_recordset(%(rows)s::jsonb)
            AS rows (subject_id text, reason_code text, reason text, detail jsonb, facts jsonb)
"""


def judge(connection: Connection, run: Run, test_id: str) -> None:
    """Write the verdicts of one test for this run, replacing what an earlier try wrote; commits.

    A test that the policy switched off judges nobody; a run that judges only what events touched, no members.

    Raises:
        VerdictRefused: the test gave a reason code that it doesn't list, or left something out.
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
        log.info("%s: events never announce a %s; its last verdict stays", test_id, test.subject_type)
        connection.commit()
        return
    _insert_verdicts(connection, run, test, subjects)
    run_sql(connection, "pipeline/judge/note_configurations.sql", keys)
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


def _insert_verdicts(connection: Connection, run: Run, test: SecurityTest, subjects: list[str] | None) -> None:
    """Run the test's query, or its function, and keep each row with what follows from it."""
    verdicts, parameters = _ask(connection, run, test, subjects)
    statement = b"WITH verdicts AS (\n" + verdicts + b")\n" + sql_text("pipeline/judge/insert_verdicts.sql")
    follows = {
        "test_id": test.test_id,
        "subject_type": test.subject_type,
        "reads_listings_alone": test.reads_listings_alone,
        "rests_on": ["", *test.resources],
        "listings": ["", *(test.resources & LISTINGS)],
        "reason_codes": list(test.reasons),
        "statuses": [reason.status for reason in test.reasons.values()],
        "bases": [reason.basis for reason in test.reasons.values()],
        "resources": list(dict.fromkeys(name for names in test.bases.values() for name in names)),
    }
    try:
        connection.execute(statement, {**run.keys, **follows, **parameters})
    except NotNullViolation as missing:
        raise VerdictRefused(
            f"{test.test_id}: a verdict needs a subject, a reason, detail, facts and one of its reason codes "
            f"({', '.join(test.reasons)}); {missing.diag.message_detail}"
        ) from missing


def _ask(
    connection: Connection, run: Run, test: SecurityTest, subjects: list[str] | None
) -> tuple[bytes, dict[str, Any]]:
    """A query for the test's verdicts, with its parameters."""
    if test.verdict == "verdict.sql":
        parameters = {
            **run.policy.thresholds.model_dump(),
            "subjects": subjects,
            "today": run.today,
            "window_start": run.window_start,
            "oldest_reading": run.oldest_reading,
            "oldest_merge_checks": run.oldest_merge_checks,
        }
        if test.merge_rule:
            parameters |= {
                "rule_kinds": list(test.merge_rule.kinds),
                "check_kinds": test.merge_rule.checks,
                "reviewers_kinds": list(test.merge_rule.by_default_reviewers),
            }
        return sql_text(test.path).rstrip().removesuffix(b";"), parameters
    module = import_module(f"bitbucket_compliance.security_tests.{test.test_id}.verdict")
    frame = module.judge(Tables(connection, run.workspace, run.started_at, run.policy.thresholds))
    return _ROWS, {"rows": as_json(frame[list(Verdict._fields)].to_dict("records"))}


def _say(connection: Connection, run: Run, test_id: str) -> None:
    rows = connection.execute(
        "SELECT status, count(*) AS subjects FROM judged.verdicts"
        " WHERE workspace = %(workspace)s AND run_id = %(run_id)s AND test_id = %(test_id)s"
        " GROUP BY status ORDER BY status",
        {**run.keys, "test_id": test_id},
    ).fetchall()
    counts = ", ".join(f"{row['subjects']} {row['status']}" for row in rows) or "no subjects"
    log.info("%s: %s", test_id, counts)
