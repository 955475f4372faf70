"""Data Docs: for each gate of a run one page that shows every expectation and the rows that broke it.

The tables are Great Expectations' own rendering. The frame around them is ours (``data_docs.html``): its page loads
styles, fonts and scripts from six hosts, ours loads nothing and opens without a network. Pages go through Airflow's
ObjectStoragePath: a local folder, or S3, GCS, Azure by a URL in ``COMPLIANCE_DATA_DOCS_URL``.
"""

import hashlib
import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from bitbucket_compliance.core.configured_folders import place, working_folder
from bitbucket_compliance.core.database import Connection
from bitbucket_compliance.core.errors import one_line
from bitbucket_compliance.pipeline.gate.validation import Outcome
from bitbucket_compliance.pipeline.run.run import RUNS_KEPT, Run

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult

log = logging.getLogger(__name__)

BASE_VARIABLE = "COMPLIANCE_DATA_DOCS_URL"
HERE = Path(__file__).parent
LOCAL = "file://"
GATES = ("staging", "results")
FOLDER_NAME = "data_docs"


@dataclass(frozen=True)
class _Section:
    """One view with Great Expectations' table of its expectations."""

    view: str
    table: str


def base_address() -> str:
    """The folder, or the address in an object store, below which pages are kept."""
    return place(BASE_VARIABLE, FOLDER_NAME) or str(working_folder() / FOLDER_NAME)


def publish(
    connection: Connection, run: Run, gate: str, outcomes: Sequence[Outcome], evaluated_at: datetime
) -> str | None:
    """Write the page of a gate, note its address with the run, clear old pages away; commits.

    A page that can't be written is no reason to stop a run: a warning is logged and None returned.
    """
    started = time.monotonic()
    try:
        page = _page(run, gate, outcomes, evaluated_at)
        address = _write(run, gate, page)
        connection.execute(
            "UPDATE integration.runs SET data_docs = coalesce(data_docs, '{}') || %s WHERE run_id = %s",
            (Jsonb({gate: address}), run.run_id),
        )
        _clear_away(connection, run)
        connection.commit()
    except Exception as error:  # whatever a store or a renderer may raise
        connection.rollback()
        log.warning(
            "gate %s: its page could not be written (%s); check %s; the outcomes are in quality.expectation_results",
            gate,
            one_line(error),
            BASE_VARIABLE,
        )
        return None
    failed = any(not outcome.success for outcome in outcomes)
    told = "progress: " if failed else ""
    log.info("%spage of gate %s: %s (written in %.1f s)", told, gate, address, time.monotonic() - started)
    return address


def _page(run: Run, gate: str, outcomes: Sequence[Outcome], evaluated_at: datetime) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    failed = [outcome for outcome in outcomes if not outcome.success]
    failed.sort(key=lambda outcome: not outcome.is_critical)
    environment = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("data_docs.html").render(
        run=run,
        gate=gate,
        evaluated_at=evaluated_at,
        failed=failed,
        stopped=any(outcome.is_critical for outcome in failed),
        held_back=any(outcome.holds_back for outcome in failed),
        expectations=len(outcomes),
        sections=list(_sections(outcomes)),
    )


def _sections(outcomes: Sequence[Outcome]) -> Iterator[_Section]:
    """In the order of the suite, what failed first within each."""
    from great_expectations.render.renderer.column_section_renderer import ValidationResultsColumnSectionRenderer
    from great_expectations.render.view.view import DefaultJinjaSectionView
    from markupsafe import Markup

    # Neither class carries types.
    renderer: Any = ValidationResultsColumnSectionRenderer()
    view: Any = DefaultJinjaSectionView()
    by_view: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_view.setdefault(outcome.expectation.view, []).append(outcome)
    for name, found in by_view.items():
        found.sort(key=lambda outcome: outcome.success)
        section = renderer.render([_without_values(outcome) for outcome in found]).to_json_dict()
        section["content_blocks"] = section["content_blocks"][1:]  # its header names a column, ours the view
        table = view.render({"section": section, "section_loop": {"index": name}})
        # Rendered from constants of the suites and from numbers alone: no value of the data is in it.
        yield _Section(name, Markup(table))  # noqa: S704  # nosec B704


def _without_values(outcome: Outcome) -> "ExpectationValidationResult":
    """The result without values of the data: Great Expectations writes them into its page unescaped."""
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult

    figures: dict[str, Any] = {
        key: value
        for key, value in outcome.figures.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    if outcome.expectation.kind == "UnexpectedRowsExpectation":
        figures = {"observed_value": f"{outcome.count} row{'' if outcome.count == 1 else 's'}"}
    elif figures.get("element_count") == 0:
        figures["unexpected_percent"] = 0.0
    return ExpectationValidationResult(
        success=outcome.success, expectation_config=outcome.result.expectation_config, result=figures
    )


def _write(run: Run, gate: str, page: str) -> str:
    folder = _folder(run.workspace, run.run_id)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{gate}.html"
    target.write_text(page, encoding="utf-8")
    return f"{LOCAL}{Path(target.path).absolute()}" if target.protocol in ("", "file") else str(target)


def _folder(workspace: str, run_id: str) -> "ObjectStoragePath":
    """Where the pages of a run are: below the configured place, whatever a row says."""
    from airflow.sdk import ObjectStoragePath

    base = base_address()
    return ObjectStoragePath(base) / safe_name(workspace) / safe_name(run_id)


def safe_name(name: str) -> str:
    """A name of a folder: letters, digits, ``_``, ``-`` and dots inside; what had to be changed stays distinct."""
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip(".")[:100]
    return name if name and safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _clear_away(connection: Connection, run: Run) -> None:
    """Remove local pages of all but the newest runs of this kind; a store elsewhere has a life cycle of its own."""
    old = connection.execute(
        """
        SELECT run_id, data_docs
        FROM integration.runs
        WHERE workspace = %s AND kind = %s AND data_docs IS NOT null
        ORDER BY started_at DESC
        OFFSET %s
        """,
        (run.workspace, "events" if run.incremental else "polling", RUNS_KEPT),
    ).fetchall()
    for row in old:
        folder = _folder(run.workspace, row["run_id"])
        is_here = any(address.startswith(LOCAL) for address in row["data_docs"].values())
        if not is_here or folder.protocol not in ("", "file"):
            continue
        here = Path(folder.path)
        for gate in GATES:
            (here / f"{gate}.html").unlink(missing_ok=True)
        with suppress(OSError):  # something else is in there, or it is not there
            here.rmdir()
        connection.execute("UPDATE integration.runs SET data_docs = null WHERE run_id = %s", (row["run_id"],))
