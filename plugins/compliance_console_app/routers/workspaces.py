"""Workspaces: where each of them stands, side by side."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from compliance_console_app.database import Database, rows
from compliance_console_app.permissions import Reader
from compliance_console_app.services import connections
from compliance_console_app.services.frame import OLD
from compliance_console_app.services.workspaces import Selected
from compliance_console_app.web import csv_answer
from compliance_console_app.web.pages import page

router = APIRouter()

#: What waits, by the column that counts it, with the page where it is done.
WAITS = (
    ("evidence", "evidence to review", "evidence"),
    ("exceptions", "exceptions to decide", "exceptions"),
    ("policies", "policies to decide", "policies"),
    ("access", "members to review", "members?review=due"),
)


@router.get("/workspaces")
def workspaces(
    request: Request, person: Reader, connection: Database, _: Selected, form: csv_answer.Form = ""
) -> Response:
    """Every workspace that has published results; as CSV too."""
    states = connections.by_workspace(connection)
    found = [
        {**one, "connection": states.get(one["workspace"].lower(), "no connection names it")}
        for one in rows(connection, "workspaces/overview")
    ]
    if form == "csv":
        return csv_answer.csv_answer("workspaces", "", found)
    return page(
        request,
        person,
        "workspaces.html",
        workspaces=found,
        waits=WAITS,
        old=datetime.now(UTC) - OLD,
    )
