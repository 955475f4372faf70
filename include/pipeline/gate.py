"""Gate: Great Expectations over views of schema ``quality``; a critical expectation that fails stops publication.

All suites of a gate run in one task: importing Great Expectations costs seconds, validating costs milliseconds.
"""

import json
import logging
import os
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.expectations import results, staging
from include.expectations.model import Expectation
from include.pipeline.db import CONNECTION_ID, as_json, copy_rows
from include.pipeline.errors import GateFailed
from include.pipeline.run import Connection, Run

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.datasource.fluent.sql_datasource import SQLDatasource

log = logging.getLogger(__name__)

SUITES = {"staging": staging.expectations, "results": results.expectations}
ROWS_SHOWN = 20


def gate(connection: Connection, run: Run, name: str) -> None:
    """Validate one gate and record the outcome of each expectation; commits.

    Raises:
        GateFailed: a critical expectation does not hold; names it, what was seen and the way out.
    """
    expectations = SUITES[name](run.policy.numbers)
    evaluated_at = datetime.now(UTC)
    outcomes = list(zip(expectations, _validate(run, expectations), strict=True))
    _record(connection, run, name, outcomes, evaluated_at)
    failed = [(expectation, outcome) for expectation, outcome in outcomes if not outcome.success]
    for expectation, outcome in failed:
        level = logging.ERROR if expectation.severity == "critical" else logging.WARNING
        log.log(
            level,
            "%s expectation failed in %s: %s; seen: %s",
            expectation.severity,
            expectation.view,
            expectation.description,
            _brief(outcome),
        )
    critical = [expectation for expectation, _ in failed if expectation.severity == "critical"]
    _note_quality(connection, run, failed=bool(critical), warned=bool(failed))
    connection.commit()
    log.info("gate %s: %d of %d expectations hold", name, len(outcomes) - len(failed), len(outcomes))
    if critical:
        first = critical[0]
        others = f" (and {len(critical) - 1} more)" if len(critical) > 1 else ""
        raise GateFailed(
            f"gate {name}: expectation failed: {first.description}{others}; nothing was published; {first.way_out}"
        )


def _validate(run: Run, expectations: Sequence[Expectation]) -> "list[ExpectationValidationResult]":
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx

    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]
    source = _datasource(context, run)
    batches: dict[str, Any] = {}
    outcomes = []
    for expectation in expectations:
        if expectation.view not in batches:
            asset = source.add_table_asset(expectation.view, table_name=expectation.view, schema_name="quality")
            batches[expectation.view] = asset.add_batch_definition_whole_table("run").get_batch()
        rule = getattr(gx.expectations, expectation.kind)(
            **expectation.arguments, severity=expectation.severity, description=expectation.description
        )
        # Rows are shown in full only where an anomaly is a row of its own; elsewhere figures and examples do.
        shown = "COMPLETE" if expectation.kind == "UnexpectedRowsExpectation" else "SUMMARY"
        outcomes.append(batches[expectation.view].validate(rule, result_format=shown))
    source.get_engine().dispose()
    return outcomes


def _datasource(context: Any, run: Run) -> "SQLDatasource":
    """A data source whose session names workspace and run, which the views of ``quality`` filter by."""
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    url = PostgresHook(postgres_conn_id=CONNECTION_ID).sqlalchemy_url.set(drivername="postgresql+psycopg")
    settings = {"compliance.workspace": run.workspace, "compliance.run_id": run.run_id}
    arguments: dict[str, str] = {"options": " ".join(f"-c {key}={_escaped(value)}" for key, value in settings.items())}
    if url.host and url.host.startswith("/"):  # a socket's folder can't stand in a URL
        arguments["host"] = url.host
        url = url._replace(host=None)
    with warnings.catch_warnings():
        # Its Postgres kind is recommended, but takes no socket folder as host.
        warnings.filterwarnings("ignore", message="You are using a generic SQLDatasource")
        source: SQLDatasource = context.data_sources.add_sql(
            "compliance",
            # Great Expectations substitutes $NAME in connection strings; a password may hold a dollar sign.
            connection_string=url.render_as_string(hide_password=False).replace("$", "\\$"),
            create_temp_table=False,
            kwargs={"connect_args": arguments},
        )
    return source


def _escaped(value: str) -> str:
    """As libpq's ``options`` wants it: a backslash before white space and backslashes."""
    return "".join(f"\\{character}" if character.isspace() or character == "\\" else character for character in value)


def _record(
    connection: Connection,
    run: Run,
    name: str,
    outcomes: "list[tuple[Expectation, ExpectationValidationResult]]",
    evaluated_at: datetime,
) -> None:
    connection.execute(
        "DELETE FROM quality.expectation_results WHERE workspace = %s AND run_id = %s AND gate = %s",
        (run.workspace, run.run_id, name),
    )
    copy_rows(
        connection,
        "COPY quality.expectation_results (workspace, run_id, gate, suite, expectation, description, severity,"
        " success, observed, evaluated_at) FROM STDIN",
        (
            (
                run.workspace,
                run.run_id,
                name,
                expectation.view,
                expectation.kind,
                expectation.description,
                expectation.severity,
                outcome.success,
                as_json(_observed(outcome)),
                evaluated_at,
            )
            for expectation, outcome in outcomes
        ),
    )


def _observed(outcome: "ExpectationValidationResult") -> dict[str, Any]:
    """What was seen: the figures of the expectation and the first unexpected values or rows."""
    body = json.loads(json.dumps(outcome.to_json_dict().get("result") or {}, default=str))
    seen = {
        key: body[key]
        for key in ("observed_value", "element_count", "unexpected_count", "partial_unexpected_list")
        if key in body
    }
    rows = (body.get("details") or {}).get("unexpected_rows")
    if rows:
        seen["unexpected_rows"] = rows[:ROWS_SHOWN]
    problem = (outcome.exception_info or {}) if not outcome.success else {}
    if problem and "exception_message" in problem and problem.get("raised_exception"):
        seen["exception"] = str(problem["exception_message"]).splitlines()[0]
    return seen


def _brief(outcome: "ExpectationValidationResult") -> str:
    return as_json(_observed(outcome))[:500]


def _note_quality(connection: Connection, run: Run, *, failed: bool, warned: bool) -> None:
    connection.execute(
        """
        UPDATE integration.runs
        SET
            quality = CASE
                WHEN %(failed)s THEN 'failed'
                WHEN %(warned)s OR quality = 'passed_with_warnings' THEN 'passed_with_warnings'
                ELSE 'passed'
            END,
            status = CASE WHEN %(failed)s THEN 'gate_failed' ELSE status END
        WHERE run_id = %(run_id)s
        """,
        {"failed": failed, "warned": warned, "run_id": run.run_id},
    )
