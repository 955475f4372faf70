"""Overview: the score, the tests, the trend, what changed and what can't be decided."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from compliance_console_app.database import Database, rows
from compliance_console_app.permissions import Reader
from compliance_console_app.services import connections
from compliance_console_app.services.trend import chart
from compliance_console_app.services.workspaces import Selected
from compliance_console_app.web.pages import page

router = APIRouter()

TREND_DAYS = 90
CHANGES_SHOWN = 20


@router.get("/")
def overview(request: Request, person: Reader, connection: Database, selection: Selected) -> HTMLResponse:
    """The first page."""
    asked = {"workspace": selection.name}
    tests = rows(connection, "overview/tests", asked)
    trend = rows(connection, "overview/trend", {**asked, "days": TREND_DAYS})
    return page(
        request,
        person,
        "overview.html",
        total=tests[0] if tests else None,
        tests=tests,
        days=trend,
        chart=chart(trend),
        changes=rows(connection, "overview/changes", {**asked, "limit": CHANGES_SHOWN}),
        undecided=rows(connection, "overview/undecided", asked),
        sync=next(iter(connections.last_syncs(connection, (selection.name,))), None),
        newest=next(iter(rows(connection, "runs/list", {**asked, "limit": 1, "offset": 0})), None),
    )
