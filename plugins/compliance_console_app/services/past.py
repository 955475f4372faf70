"""What was published of a workspace by the end of a past day, as its history has it."""

from __future__ import annotations

from typing import Any

from compliance_console_app.database import Connection, row, rows
from compliance_console_app.web.listing import Listing
from compliance_console_app.web.past import Past

_ALL = {"test_id": "", "subject_id": "", "status": "", "severity": "", "words": "", "limit": None, "offset": 0}


def stand(connection: Connection, workspace: str, past: Past) -> dict[str, Any]:
    """When the newest whole run by then, and the first of all, had published; None each where none had."""
    return row(connection, "past/run", {"workspace": workspace, "as_of": past.moment}) or {}


def tests(connection: Connection, workspace: str, past: Past) -> list[dict[str, Any]]:
    """The tests with their counts of that day."""
    return rows(connection, "past/tests", {"workspace": workspace, "as_of": past.moment})


def results(connection: Connection, workspace: str, past: Past, **asked: Any) -> list[dict[str, Any]]:
    """Results of that day; ``asked`` as ``sql/past/results.sql`` has it."""
    return rows(connection, "past/results", {**_ALL, **asked, "workspace": workspace, "as_of": past.moment})


def inventory(
    connection: Connection, what: str, workspace: str, past: Past, listing: Listing, key: str = ""
) -> list[dict[str, Any]]:
    """``repositories`` or ``members`` of that day, or the one of a key."""
    asked = {"words": listing.chosen.get("search", ""), **listing.parameters, "key": key}
    return rows(connection, f"past/{what}", {**asked, "workspace": workspace, "as_of": past.moment})
