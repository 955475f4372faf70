"""Overview: the score, the eight tests, the trend, what changed and what can't be decided."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from compliance_console_app import connections
from compliance_console_app.access import Reader
from compliance_console_app.database import Database, rows
from compliance_console_app.pages import page
from compliance_console_app.trend import chart
from compliance_console_app.workspaces import Selected

router = APIRouter()

TREND_DAYS = 90
CHANGES_SHOWN = 20


@router.get("/")
def overview(request: Request, person: Reader, connection: Database, selection: Selected) -> HTMLResponse:
    """The first page."""
    asked = {"workspace": selection.name}
    tests = rows(connection, "overview_tests", asked)
    trend = rows(connection, "overview_trend", {**asked, "days": TREND_DAYS})
    return page(
        request,
        person,
        "overview.html",
        total=tests[0] if tests else None,
        tests=tests,
        days=trend,
        chart=chart(trend),
        changes=rows(connection, "overview_changes", {**asked, "limit": CHANGES_SHOWN}),
        undecided=rows(connection, "undecided", asked),
        sync=next(iter(connections.last_syncs(connection, (selection.name,))), None),
        newest=next(iter(rows(connection, "runs", {**asked, "limit": 1, "offset": 0})), None),
    )
