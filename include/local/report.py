"""What a run prints at its end: verdict counts by test, requests, times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bitbucket_compliance.core.printable import printable

RUN_SQL: Final = """
SELECT
    run_id, status, quality, requests_spent, repositories, requests_per_repository, scopes_granted,
    repositories_read, repositories_left, full_refresh, data_docs
FROM compliance.runs
WHERE workspace = %s
ORDER BY started_at DESC
LIMIT 1
"""
TESTS_SQL: Final = """
SELECT test_id, test_title, passing, failing, pending, error, not_applicable, enabled
FROM compliance.test_summary
WHERE workspace = %s
ORDER BY display_order
"""
DECIDED_SQL: Final = """
SELECT test_id, summary
FROM compliance.decided_by
WHERE workspace = %s AND test_id = any(%s)
ORDER BY test_id
"""
STEPS_SQL: Final = """
SELECT started_at, finished_at
FROM integration.run_steps
WHERE run_id = %s AND finished_at IS NOT NULL
"""

COUNTS: Final = ("passing", "failing", "pending", "error", "not_applicable")


@dataclass(frozen=True)
class Report:
    """The last published run of a workspace."""

    run: dict[str, Any]
    tests: list[dict[str, Any]]
    work_seconds: float
    decided: list[dict[str, Any]] = field(default_factory=list)


def read_report(dsn: str, workspace: str) -> Report | None:
    """Read it from Postgres; None where the workspace has no run."""
    import psycopg

    from bitbucket_compliance.core.database import prepare
    from bitbucket_compliance.pipeline.run.identity import kept_as
    from bitbucket_compliance.security_tests import CATALOGUE

    with psycopg.connect(dsn, connect_timeout=10) as opened:
        connection = prepare(opened)
        workspace = kept_as(connection, workspace)
        run = connection.execute(RUN_SQL, [workspace]).fetchone()
        if run is None:
            return None
        tests = connection.execute(TESTS_SQL, [workspace]).fetchall()
        by_settings = [test.test_id for test in CATALOGUE if "configuration" in test.bases]
        decided = connection.execute(DECIDED_SQL, [workspace, by_settings]).fetchall()
        steps = connection.execute(STEPS_SQL, [run["run_id"]]).fetchall()
    return Report(run, tests, covered_seconds((step["started_at"], step["finished_at"]) for step in steps), decided)


def covered_seconds(intervals: Iterable[tuple[datetime, datetime]]) -> float:
    """Seconds that lie in at least one interval."""
    total, reached = 0.0, None
    for start, end in sorted(intervals):
        begin = start if reached is None or start > reached else reached
        if end > begin:
            total += (end - begin).total_seconds()
            reached = end
    return total


def render_report(report: Report) -> str:
    """The table of tests and the line of numbers below it."""
    rows = [["", *(name.replace("_", " ") for name in COUNTS)]]
    for test in report.tests:
        counts = [str(test[name] or 0) for name in COUNTS] if test["enabled"] else ["not run"]
        rows.append([test["test_title"], *counts])
    run = report.run
    scopes = run["scopes_granted"]
    scopes_text = " ".join(sorted(scopes)) if isinstance(scopes, list | tuple) else str(scopes or "unknown")
    return "\n".join(
        printable(line)
        for line in [
            *_aligned(rows),
            "",
            *(f"{test['test_id']}: {test['summary']}" for test in report.decided),
            *([""] if report.decided else []),
            f"run {run['run_id']}: {run['status']}, quality {run['quality']}",
            f"{_spent(run)}; scopes granted: {scopes_text}",
            *_not_read(run),
            *_pages(run),
        ]
    )


def _spent(run: dict[str, Any]) -> str:
    spent = f"{run['requests_spent'] or 0} requests for {run['repositories'] or 0} repositories"
    if run["requests_per_repository"] is not None:
        spent += f", {float(run['requests_per_repository']):.1f} each"
    return spent


def _not_read(run: dict[str, Any]) -> list[str]:
    """What a person should know of the repositories that this run did not ask about."""
    left = run["repositories_left"] or 0
    unchanged = (run["repositories"] or 0) - (run["repositories_read"] or 0) - left
    lines = []
    if run["repositories_read"] is not None and unchanged > 0:
        lines.append(
            f"{unchanged} repositories were read less than a day before and not updated since: "
            "not asked about again (FULL_REFRESH=1 does)"
        )
    if left:
        lines.append(f"{left} repositories were due and are left to the next run: the request budget was used up")
    return lines


def _pages(run: dict[str, Any]) -> list[str]:
    """Where the page of each gate is; staging comes first."""
    pages: dict[str, str] = run.get("data_docs") or {}
    return [f"page of gate {gate}: {pages[gate]}" for gate in sorted(pages, reverse=True)]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """First column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(max(map(len, rows)))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=False))
        ).rstrip()
        for row in rows
    ]


def render_times(total: float, dag_run: float, work: float) -> str:
    """Where the wall time went, in seconds."""
    return (
        f"{total:.1f} s in all; the DAG run {dag_run:.1f} s: work {work:.1f} s, "
        f"Airflow's own overhead {max(0.0, dag_run - work):.1f} s"
    )
