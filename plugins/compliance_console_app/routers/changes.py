"""What changed between two moments: verdicts, findings, inventory, decisions, policy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from compliance_console_app.database import Connection, Database, row, rows
from compliance_console_app.permissions import Reader
from compliance_console_app.services.workspaces import Selected
from compliance_console_app.web.csv_answer import csv_answer
from compliance_console_app.web.listing import Listing, PageNumber, Text
from compliance_console_app.web.moments import begin_of, end_of
from compliance_console_app.web.pages import page

router = APIRouter()

KINDS = {
    "verdict": "verdicts",
    "finding": "findings",
    "repository": "repositories",
    "member": "members",
    "decision": "decisions",
    "policy": "policies",
}
COLUMNS = (
    "at", "kind", "subject_type", "subject_id", "name", "test_id", "test_title", "was", "became", "why", "person",
)  # fmt: skip
Kind = Literal["", "verdict", "finding", "repository", "member", "decision", "policy"]
DAYS = 7
MOST_ROWS = 200_000


@router.get("/changes")
def changes(
    request: Request,
    person: Reader,
    connection: Database,
    selection: Selected,
    since: Text = "",
    until: Text = "",
    kind: Kind = "",
    search: Text = "",
    number: PageNumber = 1,
) -> Response:
    """A page of what changed, newest first."""
    newest = _newest_run(connection, selection.name)
    begins, ends = _window(since, until, newest)
    chosen = {"since": since, "until": until, "kind": kind, "search": search.strip()}
    listing = Listing("changes", chosen, number=number)
    asked = {**chosen, **listing.parameters, "workspace": selection.name, "since": begins, "until": ends}
    found = rows(connection, "changes/list", asked)
    return page(
        request,
        person,
        "changes.html",
        changes=found,
        listing=listing.of(found),
        counts={name: found[0][column] if found else 0 for name, column in KINDS.items()},
        begins=begins,
        ends=ends,
        newest=newest,
        week=datetime.now(UTC).date() - timedelta(days=DAYS),
        month=datetime.now(UTC).date() - timedelta(days=30),
    )


@router.get("/changes.csv")
def export(
    person: Reader,
    connection: Database,
    selection: Selected,
    since: Text = "",
    until: Text = "",
    kind: Kind = "",
    search: Text = "",
) -> Response:
    """The same as a file, all of it."""
    begins, ends = _window(since, until, _newest_run(connection, selection.name))
    asked = {"workspace": selection.name, "since": begins, "until": ends, "kind": kind, "search": search.strip()}
    found = rows(connection, "changes/list", {**asked, "limit": MOST_ROWS, "offset": 0})
    return csv_answer("changes", selection.name, found, COLUMNS)


def _newest_run(connection: Connection, workspace: str) -> datetime | None:
    """When the newest whole run began, where there was one before it: everything since is news."""
    found: dict[str, Any] = row(connection, "changes/runs", {"workspace": workspace}) or {}
    return found["newest"] if found.get("published", 0) > 1 else None


def _window(since: str, until: str, newest: datetime | None) -> tuple[datetime, datetime]:
    """From when to when; since the run before the newest where nothing is asked for, or for a week.

    Raises:
        HTTPException: 422, a moment can't be read, or the second lies before the first.
    """
    ends = end_of(until, "until") or datetime.now(UTC)
    begins = begin_of(since, "since") or newest or ends - timedelta(days=DAYS)
    if begins > ends and not since.strip():
        begins = ends - timedelta(days=DAYS)
    if begins > ends:
        raise HTTPException(422, detail="until lies before since: swap them")
    return begins, ends
