"""Read the snapshots that a request asks for, and their verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.rows import class_row

from bitbucket_compliance.core.database import Connection, one_row, run_sql
from bitbucket_compliance.reporting.explain.chain import moment_of
from bitbucket_compliance.reporting.exports.model import (
    AskedFor,
    Counts,
    ExportRefused,
    MappedControl,
    PublishedTest,
    Snapshot,
    Verdict,
)

ROWS_AT_A_TIME: Final = 2000
_FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True)
class ExportRequest:
    """What somebody asks for; without any of it: the current results of every workspace.

    Attributes:
        workspace: slug.
        at: a day (its end, UTC) or a time, as text.
        run_id: a run that published.
    """

    workspace: str = ""
    at: str = ""
    run_id: str = ""


@contextmanager
def unchanging(connection: Connection) -> Iterator[None]:
    """A transaction that reads the database as it is now, whatever is published meanwhile, and can't write."""
    connection.commit()
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    try:
        yield
    finally:
        connection.rollback()
        connection.isolation_level = None
        connection.read_only = None


def snapshots(connection: Connection, request: ExportRequest) -> list[Snapshot]:
    """The snapshots asked for, one of each workspace; call it, and ``verdicts``, inside ``unchanging``.

    Raises:
        ExportRefused: no such workspace or run, both an instant and a run, or nothing was published by then.
        NothingToExplain: ``at`` is no day or time, or lies ahead.
    """
    if request.at and request.run_id:
        raise ExportRefused("give AT or RUN, not both: an export holds one instant or one run")
    if request.run_id:
        return [_of_run(connection, request)]
    now: datetime = one_row(connection.execute("SELECT now() AS now"))["now"]
    moment = moment_of(request.at, now=now) if request.at else now
    asked_for: AskedFor = "instant" if request.at else "now"
    found = []
    for workspace in _workspaces(connection, request.workspace):
        run = _run(connection, "run_at", workspace=workspace, as_of=moment).fetchone()
        if run is not None:
            found.append(_snapshot(connection, run, asked_for, moment))
    if not found:
        whose = f"of {request.workspace} " if request.workspace else ""
        raise ExportRefused(
            f"no result {whose}was published by {moment:%Y-%m-%d %H:%M:%S} UTC: ask for a later instant"
        )
    return found


def verdicts(connection: Connection, snapshot: Snapshot) -> Iterator[Verdict]:
    """The rows of a snapshot in a fixed order, a few at a time: memory does not grow with the workspace."""
    with connection.cursor("exported_verdicts", row_factory=class_row(Verdict)) as cursor:
        cursor.itersize = ROWS_AT_A_TIME
        text = _FOLDER.joinpath(f"results_{_which(snapshot.asked_for)}.sql").read_bytes()
        cursor.execute(text, _keys(snapshot.workspace, snapshot.as_of, snapshot.last_run_at))
        yield from cursor


def published_workspaces(connection: Connection) -> list[str]:
    """The workspaces that have published results, by slug."""
    return [row["workspace"] for row in _run(connection, "published_workspaces")]


def _of_run(connection: Connection, request: ExportRequest) -> Snapshot:
    run = _run(connection, "published_run", run_id=request.run_id).fetchone()
    if run is None:
        raise ExportRefused(f"RUN={request.run_id}: no such run has published; compliance.runs lists them")
    if request.workspace not in ("", run["workspace"]):
        raise ExportRefused(f"RUN={request.run_id} is a run of {run['workspace']}, not of {request.workspace}")
    return _snapshot(connection, run, "run", run["published_at"])


def _workspaces(connection: Connection, wanted: str) -> list[str]:
    known = published_workspaces(connection)
    if not known:
        raise ExportRefused("nothing was published yet: run `make run WORKSPACE=slug` first")
    if not wanted:
        return known
    if wanted not in known:
        raise ExportRefused(f"no result of workspace {wanted!r} was ever published; there are {', '.join(known)}")
    return [wanted]


def _snapshot(connection: Connection, run: dict[str, Any], asked_for: AskedFor, moment: datetime) -> Snapshot:
    keys = _keys(run["workspace"], moment, run["finished_at"])
    rows = _run(connection, f"counts_{_which(asked_for)}", **keys)
    counts = Counts({(row["test_id"], row["status"]): row["subjects"] for row in rows})
    if not counts:
        raise ExportRefused(f"{run['workspace']} has no results at {moment:%Y-%m-%d %H:%M:%S} UTC: every test is off")
    return Snapshot(
        workspace=run["workspace"],
        asked_for=asked_for,
        as_of=moment,
        run_id=run["run_id"],
        last_run_at=run["finished_at"],
        policy_version=run["policy_version"],
        counts=counts,
        tests={test.test_id: test for test in _catalogue(connection)},
        record_sha256=_sealed_by(connection, run),
    )


def _sealed_by(connection: Connection, run: dict[str, Any]) -> str | None:
    query = "SELECT digest FROM compliance.record_links WHERE workspace = %s AND run_id = %s ORDER BY link DESC LIMIT 1"
    row = connection.execute(query, (run["workspace"], run["run_id"])).fetchone()
    return row["digest"] if row else None


def _catalogue(connection: Connection) -> Iterator[PublishedTest]:
    for row in _run(connection, "tests"):
        controls = tuple(MappedControl(**control) for control in row["controls"])
        yield PublishedTest(row["test_id"], row["title"], row["description"], controls)


def _keys(workspace: str, moment: datetime, last_run_at: datetime) -> dict[str, Any]:
    return {"workspace": workspace, "as_of": moment, "last_run_at": last_run_at}


def _which(asked_for: AskedFor) -> str:
    return "now" if asked_for == "now" else "at"


def _run(connection: Connection, name: str, **keys: Any) -> psycopg.Cursor[dict[str, Any]]:
    return run_sql(connection, _FOLDER / f"{name}.sql", keys)
