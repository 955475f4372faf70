"""Validation: expectations as data → Great Expectations → outcomes with the rows that broke them.

The expectations of a view together, on one connection: Great Expectations gets their figures out of one query. The
rows of one that fails are asked for afterwards, so that the good path never pays for them.
"""

import gc
import importlib
import json
import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from bitbucket_compliance.core.database import CONNECTION_ID, PIPELINE_ROLE, set_up, without_silence
from bitbucket_compliance.core.postgres_address import PostgresAddress
from bitbucket_compliance.pipeline.extract.selection import read_of_repositories
from bitbucket_compliance.pipeline.gate.expectations.model import Expectation, Severity
from bitbucket_compliance.pipeline.run.run import Run

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.datasource.fluent.interfaces import Batch
    from great_expectations.datasource.fluent.sql_datasource import QueryAsset, SQLDatasource, TableAsset

# How many of the rows that broke an expectation are printed and kept; the others are counted.
ROWS_SHOWN = 20
# In Great Expectations' own words.
_SEVERITY: Mapping[Severity, str] = {"critical": "critical", "holds_back": "warning", "warning": "warning"}


@dataclass(frozen=True)
class Outcome:
    """What came of one expectation.

    Attributes:
        expectation: the rule.
        result: as Great Expectations returns it.
        count: rows that broke the rule. rows: the first of them, by the columns that name them.
        problem: why it could not be evaluated; None where it could.
    """

    expectation: Expectation
    result: "ExpectationValidationResult"
    count: int
    rows: Sequence[Mapping[str, Any]]
    problem: str | None

    @property
    def success(self) -> bool:
        """Whether the rule holds."""
        return bool(self.result.success)

    @property
    def figures(self) -> dict[str, Any]:
        """The result's body, as Great Expectations gives it."""
        return _body(self.result)

    @property
    def is_critical(self) -> bool:
        """Whether publication has to stop where it does not hold: also where nobody knows what to hold back."""
        return self.expectation.severity == "critical" or (
            self.expectation.severity == "holds_back" and self.problem is not None
        )

    @property
    def holds_back(self) -> bool:
        """Whether single verdicts can't be relied on."""
        return self.expectation.severity == "holds_back" and not self.success and self.problem is None

    @property
    def seen(self) -> str:
        """In a few words: the figure of the expectation, or how many rows broke it."""
        if self.problem:
            return f"it could not be evaluated: {self.problem}"
        figure = self.figures.get("observed_value")
        rows = f"{self.count} row{'' if self.count == 1 else 's'}"
        if self.expectation.kind == "UnexpectedRowsExpectation" or figure is None:
            return rows
        return f"{figure} ({rows})" if self.count else str(figure)

    @property
    def observed(self) -> dict[str, Any]:
        """For the record: the figures of the expectation, and the rows that broke it."""
        found = self.figures
        seen: dict[str, Any] = {
            key: found[key] for key in ("observed_value", "element_count", "unexpected_count") if key in found
        }
        if self.rows:
            seen |= {"unexpected_count": self.count, "unexpected_rows": list(self.rows)}
        return _plain(seen | ({"exception": self.problem} if self.problem else {}))


def load_library() -> ModuleType:
    """Great Expectations, quiet; the first time costs more than a second."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    # Before the import, which tells a page of what it registers; one module of it sets a level of its own.
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    # What an import makes stays: looking for garbage in it is a quarter of its time.
    collects = gc.isenabled()
    gc.disable()
    try:
        gx = importlib.import_module("great_expectations")
    finally:
        if collects:
            gc.enable()
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)
    return gx


def asked_about(run: Run) -> dict[str, str]:
    """The settings of a session that the views of ``quality`` filter by."""
    always_read = [one.name for one in read_of_repositories(run.policy) if not one.on_demand]
    return {
        "compliance.workspace": run.workspace,
        "compliance.run_id": run.run_id,
        "compliance.always_read": ",".join(always_read),
    }


def validate(run: Run, expectations: Sequence[Expectation]) -> list[Outcome]:
    """Evaluate every expectation for the run's workspace."""
    gx = load_library()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    # It would write down its whole configuration anew for each view, in memory, which is a sixth of a gate's time.
    context.variables.save = lambda: None
    source = _datasource(context, run)
    rules = [
        getattr(gx.expectations, expectation.kind)(
            **expectation.arguments, severity=_SEVERITY[expectation.severity], description=expectation.description
        )
        for expectation in expectations
    ]
    outcomes: dict[str, Outcome] = {}
    for view in dict.fromkeys(expectation.view for expectation in expectations):
        of_view = {e.description: (e, rule) for e, rule in zip(expectations, rules, strict=True) if e.view == view}
        of_anomalies = all(e.kind == "UnexpectedRowsExpectation" for e, _ in of_view.values())
        batch = _batch(source, view, of_anomalies=of_anomalies)
        # Together, so that figures of one view come out of one query; what does not hold is asked again alone, in full.
        suite = gx.ExpectationSuite(name=view, expectations=[rule for _, rule in of_view.values()])
        for result in batch.validate(suite, result_format="SUMMARY").results:
            described = result.expectation_config.description if result.expectation_config else None
            expectation, rule = of_view[str(described)]
            if not result.success:
                result = batch.validate(rule, result_format=_result_format(expectation))
            outcomes[expectation.description] = _outcome(expectation, result, source)
    source.get_engine().dispose()
    return [outcomes[expectation.description] for expectation in expectations]


def _batch(source: "SQLDatasource", view: str, *, of_anomalies: bool) -> "Batch":
    """All rows of a view. A table is tried out first, which costs a view of anomalies as much as to look for them."""
    asset: TableAsset | QueryAsset
    if of_anomalies:
        asset = source.add_query_asset(view, query=f"SELECT * FROM quality.{view}")  # noqa: S608 - of ours  # nosec B608
    else:
        asset = source.add_table_asset(view, table_name=view, schema_name="quality")
    return asset.add_batch_definition_whole_table("run").get_batch()


def _result_format(expectation: Expectation) -> dict[str, Any]:
    if expectation.kind == "UnexpectedRowsExpectation":
        return {"result_format": "COMPLETE"}
    shown = {"result_format": "SUMMARY", "partial_unexpected_count": ROWS_SHOWN}
    if "column" not in expectation.arguments:
        return shown
    column: str = expectation.arguments["column"]
    named = [name for name in expectation.subject if name != column] or [column]
    return {**shown, "unexpected_index_column_names": named}


def _outcome(expectation: Expectation, result: "ExpectationValidationResult", source: "SQLDatasource") -> Outcome:
    if result.success:
        return Outcome(expectation, result, 0, (), None)
    found = _body(result)
    problem = _problem(result.exception_info or {})
    if problem:
        return Outcome(expectation, result, 0, (), problem)
    if expectation.kind == "UnexpectedRowsExpectation":
        return Outcome(expectation, result, found["observed_value"], _rows(found["details"]["unexpected_rows"]), None)
    if expectation.rows_from:
        count, rows = _read(source, expectation.rows_from)
        return Outcome(expectation, result, count, rows, None)
    return Outcome(
        expectation,
        result,
        found.get("unexpected_count", 0),
        _rows(found.get("partial_unexpected_index_list") or []),
        None,
    )


def _body(result: "ExpectationValidationResult") -> dict[str, Any]:
    return cast("dict[str, Any]", result.to_json_dict().get("result") or {})


def _rows(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [_plain(dict(row)) for row in found[:ROWS_SHOWN]]


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """With nothing in it that JSON can't hold."""
    plain: dict[str, Any] = json.loads(json.dumps(value, default=str))
    return plain


def _read(source: "SQLDatasource", view: str) -> tuple[int, list[dict[str, Any]]]:
    """How many rows a view has, and the first of them, on the session that names workspace and run."""
    import sqlalchemy as sa

    table = sa.table(view, schema="quality")
    with source.get_engine().connect() as connection:
        count = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        rows = connection.execute(sa.select(sa.text("*")).select_from(table).limit(ROWS_SHOWN)).mappings().all()
    return count, _rows([dict(row) for row in rows])


def _problem(info: Mapping[str, Any]) -> str | None:
    """The first line of what was raised; Great Expectations keeps it alone, or by metric."""
    for raised in (info, *(value for value in info.values() if isinstance(value, Mapping))):
        if raised.get("raised_exception"):
            return next(iter(str(raised.get("exception_message")).strip().splitlines()), "no message")
    return None


def _datasource(context: Any, run: Run) -> "SQLDatasource":
    """A data source whose sessions name workspace and run, which the views of ``quality`` filter by.

    Raises:
        sqlalchemy.exc.OperationalError: Postgres can't be reached, or refuses the login.
    """
    from great_expectations.datasource.fluent.interfaces import TestConnectionError
    from sqlalchemy.engine import URL

    address = PostgresAddress.of_connection(CONNECTION_ID)
    arguments = {**dict(address.options), **without_silence(address), "host": address.host}
    # Without the host: a socket's folder can't stand in a URL.
    url = URL.create("postgresql+psycopg", address.user, address.password, port=address.port, database=address.database)
    with warnings.catch_warnings():
        # Its Postgres kind is recommended, but takes no socket folder as host.
        warnings.filterwarnings("ignore", message="You are using a generic SQLDatasource")
        try:
            source: SQLDatasource = context.data_sources.add_sql(
                "compliance",
                # Great Expectations substitutes $NAME in connection strings; a password may hold a dollar sign.
                connection_string=url.render_as_string(hide_password=False).replace("$", "\\$"),
                create_temp_table=False,
                kwargs={"connect_args": arguments},
            )
        except TestConnectionError as failed:
            raise failed.__cause__ or failed from None
    _set_up_sessions(source, run)
    return source


def _set_up_sessions(source: "SQLDatasource", run: Run) -> None:
    """Give every session of the source's two engines what ours have, and what the views ask for."""
    from sqlalchemy import event

    def connected(connection: Any, _: Any) -> None:
        set_up(connection, PIPELINE_ROLE, asked_about(run))

    for engine in (source.get_engine(), source.get_execution_engine().engine):
        event.listen(engine, "connect", connected)
        # Its connections so far only tried whether there is a server.
        engine.dispose()
