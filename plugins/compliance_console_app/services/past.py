"""What was published of a workspace by the end of a past day, as its history has it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from compliance_console_app.database import Connection, row, rows

_ALL = {"test_id": "", "status": "", "severity": "", "words": "", "limit": None, "offset": 0}


def stand(connection: Connection, workspace: str, moment: datetime) -> dict[str, Any]:
    """When the newest whole run by then, and the first of all, had published; None each where none had."""
    return row(connection, "past/run", {"workspace": workspace, "as_of": moment}) or {}


def tests(connection: Connection, workspace: str, moment: datetime) -> list[dict[str, Any]]:
    """The tests with their counts of that day."""
    return rows(connection, "past/tests", {"workspace": workspace, "as_of": moment, "day": moment.date()})


def titles(connection: Connection) -> dict[str, str]:
    """What the tests are called."""
    return {one["test_id"]: one["test_title"] for one in rows(connection, "past/titles")}


def results(connection: Connection, workspace: str, moment: datetime, **asked: Any) -> list[dict[str, Any]]:
    """Results of that day; ``asked`` as ``sql/past/results.sql`` has it."""
    return rows(connection, "past/results", {**_ALL, **asked, "workspace": workspace, "as_of": moment})


def of_subject(
    connection: Connection, workspace: str, moment: datetime, subject_id: str, test_id: str = ""
) -> list[dict[str, Any]]:
    """Results of that day on one subject, and on the whole workspace; of one test, or of all."""
    asked = {"workspace": workspace, "as_of": moment, "subject_id": subject_id, "test_id": test_id}
    return rows(connection, "past/subject", asked)


def inventory(
    connection: Connection, what: str, workspace: str, moment: datetime, asked: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """``repositories`` or ``members`` of that day; ``asked`` as ``sql/past/<what>.sql`` has it."""
    return rows(connection, f"past/{what}", {**asked, "workspace": workspace, "as_of": moment})
