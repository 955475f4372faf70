"""Read the state that an export is of: all of it from one snapshot of the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.rows import class_row

from bitbucket_compliance.core.database import PACKAGE, Connection, one_row, run_sql
from bitbucket_compliance.reporting.explain.chain import moment_of
from bitbucket_compliance.reporting.exports.model import (
    AskedFor,
    Counts,
    ExportRefused,
    MappedControl,
    PublishedTest,
    State,
    Verdict,
)

ROWS_AT_A_TIME: Final = 2000


@dataclass(frozen=True)
class Wanted:
    """What somebody asks for; nothing means the state of now, of every workspace.

    Attributes:
        workspace: slug.
        at: a day (its end, UTC) or a time, as text.
        run_id: a run that published.
    """

    workspace: str = ""
    at: str = ""
    run_id: str = ""


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """Let everything inside see the database as it is now, whatever is published meanwhile; nothing is written."""
    connection.commit()
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    try:
        yield
    finally:
        connection.rollback()
        connection.isolation_level = None
        connection.read_only = None


def states(connection: Connection, wanted: Wanted) -> list[State]:
    """The states asked for, one of each workspace; call it, and ``verdicts``, inside ``snapshot``.

    Raises:
        ExportRefused: no such workspace or run, both an instant and a run, or nothing was published by then.
        NothingToExplain: ``at`` is no day or time, or lies ahead.
    """
    if wanted.at and wanted.run_id:
        raise ExportRefused("give AT or RUN, not both: an export is of one instant or of one run")
    if wanted.run_id:
        return [_of_run(connection, wanted)]
    now: datetime = one_row(connection.execute("SELECT now() AS now"))["now"]
    moment = moment_of(wanted.at, now=now) if wanted.at else now
    asked_for: AskedFor = "instant" if wanted.at else "now"
    found = []
    for workspace in _workspaces(connection, wanted.workspace):
        run = run_sql(connection, "reporting/exports/run_at.sql", {"workspace": workspace, "as_of": moment}).fetchone()
        if run is not None:
            found.append(_state(connection, run, asked_for, moment))
    if not found:
        whose = f"of {wanted.workspace} " if wanted.workspace else ""
        raise ExportRefused(
            f"no result {whose}was published by {moment:%Y-%m-%d %H:%M:%S} UTC: ask for a later instant"
        )
    return found


def verdicts(connection: Connection, state: State) -> Iterator[Verdict]:
    """The rows of the state in a fixed order, a few at a time: memory does not grow with the workspace."""
    with connection.cursor("exported_verdicts", row_factory=class_row(Verdict)) as cursor:
        cursor.itersize = ROWS_AT_A_TIME
        cursor.execute(_text("results", state.asked_for), _keys(state.workspace, state.as_of, state.last_run_at))
        yield from cursor


def _of_run(connection: Connection, wanted: Wanted) -> State:
    run = run_sql(connection, "reporting/exports/published_run.sql", {"run_id": wanted.run_id}).fetchone()
    if run is None:
        raise ExportRefused(f"RUN={wanted.run_id}: no such run has published; compliance.runs lists them")
    if wanted.workspace not in ("", run["workspace"]):
        raise ExportRefused(f"RUN={wanted.run_id} is a run of {run['workspace']}, not of {wanted.workspace}")
    return _state(connection, run, "run", run["published_at"])


def _workspaces(connection: Connection, wanted: str) -> list[str]:
    known = [row["workspace"] for row in run_sql(connection, "reporting/exports/published_workspaces.sql")]
    if not known:
        raise ExportRefused("nothing was published yet: run `make run WORKSPACE=slug` first")
    if not wanted:
        return known
    if wanted not in known:
        raise ExportRefused(f"no result of workspace {wanted!r} was ever published; there are {', '.join(known)}")
    return [wanted]


def _state(connection: Connection, run: dict[str, Any], asked_for: AskedFor, moment: datetime) -> State:
    keys = _keys(run["workspace"], moment, run["finished_at"])
    rows = run_sql(connection, f"reporting/exports/counts_{_which(asked_for)}.sql", keys)
    counts = Counts({(row["test_id"], row["status"]): row["subjects"] for row in rows})
    if not counts:
        raise ExportRefused(f"{run['workspace']} has no results at {moment:%Y-%m-%d %H:%M:%S} UTC: every test is off")
    return State(
        workspace=run["workspace"],
        asked_for=asked_for,
        as_of=moment,
        run_id=run["run_id"],
        last_run_at=run["finished_at"],
        policy_version=run["policy_version"],
        counts=counts,
        tests={test.test_id: test for test in _catalogue(connection)},
    )


def _catalogue(connection: Connection) -> Iterator[PublishedTest]:
    for row in run_sql(connection, "reporting/exports/tests.sql"):
        controls = tuple(MappedControl(**control) for control in row["controls"])
        yield PublishedTest(row["test_id"], row["title"], row["description"], controls)


def _keys(workspace: str, moment: datetime, last_run_at: datetime) -> dict[str, Any]:
    return {"workspace": workspace, "as_of": moment, "last_run_at": last_run_at}


def _which(asked_for: AskedFor) -> str:
    return "now" if asked_for == "now" else "at"


def _text(query: str, asked_for: AskedFor) -> bytes:
    return Path(PACKAGE / "reporting" / "exports" / f"{query}_{_which(asked_for)}.sql").read_bytes()
