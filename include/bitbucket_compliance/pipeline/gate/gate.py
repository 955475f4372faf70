"""Gate: Great Expectations over views of schema ``quality``.

A critical expectation that fails stops publication. One about single subjects holds these back: their verdicts become
errors, and all others are published.

All suites of a gate run in one task: importing Great Expectations costs seconds, validating costs milliseconds.
What a gate found is in ``quality.expectation_results``, in the task log with its rows, and on a page (``data_docs``).
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from psycopg import sql

from bitbucket_compliance.core.database import (
    Connection,
    as_json,
    configure,
    copy_rows,
    one_row,
    refresh_statistics,
    run_sql,
)
from bitbucket_compliance.core.errors import GateFailed, GateUnanswered
from bitbucket_compliance.pipeline.gate import data_docs
from bitbucket_compliance.pipeline.gate.expectations import results, staging
from bitbucket_compliance.pipeline.gate.validation import Outcome, asked_about, validate
from bitbucket_compliance.pipeline.run.run import Run

log = logging.getLogger(__name__)

SUITES = {"staging": staging.expectations, "results": results.expectations}
CELL_WIDTH = 60


def gate(connection: Connection, run: Run, name: str) -> None:
    """Validate one gate, record the outcome of each expectation, and write its page; commits.

    Raises:
        GateFailed: a critical expectation does not hold; names it, the rows that broke it and what to do.
        GateUnanswered: a critical expectation could not be evaluated.
    """
    if name == "results":
        # Eight tests have just filled these tables; this gate and publish read them.
        refresh_statistics(connection, "judged")
        connection.commit()
    evaluated_at = datetime.now(UTC)
    # Before the gate looks: what is staged or judged meanwhile makes its outcome void.
    looked_at = _state(connection, run, name)
    outcomes = validate(run, SUITES[name](run.policy.thresholds))
    if not any(outcome.is_critical and not outcome.success for outcome in outcomes):
        # Great Expectations gives the first of the rows that broke a rule alone: all of them are asked for here.
        configure(connection, asked_about(run), until_the_transaction_ends=True)
        _HOLD_BACK[name](connection, run, [outcome for outcome in outcomes if outcome.holds_back])
    _record(connection, run, name, outcomes, looked_at)
    _note_quality(connection, run)
    connection.commit()
    failed = sorted(
        (outcome for outcome in outcomes if not outcome.success), key=lambda outcome: not outcome.is_critical
    )
    for outcome in failed:
        _say(outcome)
    log.info("gate %s: %d of %d expectations hold", name, len(outcomes) - len(failed), len(outcomes))
    data_docs.publish(connection, run, name, outcomes, evaluated_at)
    critical = [outcome for outcome in failed if outcome.is_critical]
    if critical:
        raise _error(name, critical)


def _hold_back(connection: Connection, run: Run, broken: Sequence[Outcome]) -> None:
    """Note what the tests must not rely on, in the place of what the last gate noted; joins the transaction."""
    connection.execute("DELETE FROM staging.held_back WHERE workspace = %(workspace)s", run.keys)
    for outcome in broken:
        held = outcome.expectation.held_back
        if held is None:
            raise ValueError(f"nobody knows what to hold back: {outcome.expectation.description}")
        noted = connection.execute(
            sql.SQL(
                "INSERT INTO staging.held_back (workspace, subject_id, resource, rule)"
                " SELECT DISTINCT %(workspace)s, coalesce({subject}, ''), coalesce({resource}, ''), %(rule)s"
                " FROM ({broken}) AS broken"
            ).format(
                subject=sql.SQL(held.subject),
                resource=sql.SQL(held.resource),
                broken=sql.SQL(outcome.expectation.broken_rows),
            ),
            {"workspace": run.workspace, "rule": outcome.expectation.description},
        )
        log.warning("held back: %d subjects or resources", noted.rowcount)


def _hold_back_verdicts(connection: Connection, run: Run, broken: Sequence[Outcome]) -> None:
    """Put errors in the place of verdicts that broke a rule; joins the transaction."""
    found = [
        (row["test_id"], row["subject_id"], outcome.expectation.description)
        for outcome in broken
        for row in connection.execute(sql.SQL(outcome.expectation.broken_rows))
    ]
    if found:
        test_ids, subject_ids, rules = ([row[column] for row in found] for column in range(3))
        keys = {**run.keys, "test_ids": test_ids, "subject_ids": subject_ids, "rules": rules}
        run_sql(connection, "pipeline/gate/hold_back_verdicts.sql", keys)
        log.warning("held back: %d verdicts", len({row[:2] for row in found}))


_HOLD_BACK = {"staging": _hold_back, "results": _hold_back_verdicts}


def _say(outcome: Outcome) -> None:
    """In the task log: the rule, the rows that broke it, and what to do."""
    expectation = outcome.expectation
    level = logging.ERROR if outcome.is_critical else logging.WARNING
    log.log(
        level,
        "%s: expectation failed in quality.%s: %s; seen: %s%s",
        expectation.severity.replace("_", " "),
        expectation.view,
        expectation.description,
        outcome.seen,
        f", the first {len(outcome.rows)}:" if 0 < len(outcome.rows) < outcome.count else "",
    )
    for line in aligned(outcome.rows):
        log.log(level, "    %s", line)
    log.log(level, "    what to do: %s", expectation.hint)


def _error(name: str, critical: Sequence[Outcome]) -> GateFailed | GateUnanswered:
    first = critical[0]
    rule = first.expectation.description
    others = f" (and {len(critical) - 1} more)" if len(critical) > 1 else ""
    if first.problem:
        return GateUnanswered(
            f"gate {name}: expectation could not be evaluated: {rule}{others}; {first.problem};"
            " nothing was published; look at the database, then clear this task"
        )
    subject = _named(first.rows[0]) if first.rows else ""
    subject = f", the first: {subject}" if subject else ""
    return GateFailed(
        f"gate {name}: expectation failed: {rule}{others}; seen: {first.seen}{subject};"
        f" nothing was published; {first.expectation.hint}"
    )


def _named(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {_cell(value)}" for key, value in row.items() if value is not None)


def aligned(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Rows as a table of text, each cell on one line and cut where it is long; nothing for no rows."""
    if not rows:
        return
    names = list(rows[0])
    table = [names, *([_cell(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(names))]
    for line in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _cell(value: object) -> str:
    text = "null" if value is None else " ".join(str(value).split())
    return text if len(text) <= CELL_WIDTH else text[: CELL_WIDTH - 1] + "…"


def _state(connection: Connection, run: Run, name: str) -> str:
    asked = connection.execute("SELECT quality.gate_state(%s, %s, %s) AS state", (run.workspace, run.run_id, name))
    state: str = one_row(asked)["state"]
    connection.commit()
    return state


def _record(connection: Connection, run: Run, name: str, outcomes: Sequence[Outcome], looked_at: str) -> None:
    """Add how the gate ended, and the outcome of each expectation; the database says when."""
    passed = all(outcome.success for outcome in outcomes if outcome.is_critical)
    connection.execute(
        "INSERT INTO quality.gate_outcomes (workspace, run_id, gate, passed, looked_at) VALUES (%s, %s, %s, %s, %s)",
        (run.workspace, run.run_id, name, passed, looked_at),
    )
    copy_rows(
        connection,
        "COPY quality.expectation_results (workspace, run_id, gate, suite, expectation, description, severity,"
        " success, observed) FROM STDIN",
        (
            (
                run.workspace,
                run.run_id,
                name,
                outcome.expectation.view,
                outcome.expectation.kind,
                outcome.expectation.description,
                outcome.expectation.severity,
                outcome.success,
                as_json(outcome.observed),
            )
            for outcome in outcomes
        ),
    )


def _note_quality(connection: Connection, run: Run) -> None:
    """The run's quality out of both gates, as far as they went: what the newest try of each found."""
    connection.execute(
        """
        WITH newest AS (
            SELECT gate, max(evaluated_at) AS evaluated_at
            FROM quality.expectation_results
            WHERE workspace = %(workspace)s AND run_id = %(run_id)s
            GROUP BY gate
        ),

        found AS (
            SELECT
                coalesce(bool_or(NOT success AND severity = 'critical'), false) AS failed,
                coalesce(bool_or(NOT success), false) AS warned
            FROM quality.expectation_results
            INNER JOIN newest USING (gate, evaluated_at)
            WHERE workspace = %(workspace)s AND run_id = %(run_id)s
        )

        UPDATE integration.runs
        SET
            quality = CASE
                WHEN found.failed THEN 'failed'
                WHEN found.warned THEN 'passed_with_warnings'
                ELSE 'passed'
            END,
            status = CASE WHEN found.failed THEN 'gate_failed' ELSE status END
        FROM found
        WHERE runs.run_id = %(run_id)s
        """,
        {"workspace": run.workspace, "run_id": run.run_id},
    )
