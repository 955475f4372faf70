"""Overview: what waits for whom, the score, the tests, the trend, what changed and what can't be decided."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from compliance_console_app.database import Database, rows
from compliance_console_app.permissions import Reader
from compliance_console_app.routers.past import PastPages
from compliance_console_app.services import connections
from compliance_console_app.services.frame import Frame
from compliance_console_app.services.queue import first_steps, queue
from compliance_console_app.services.trend import by_day, chart, moved
from compliance_console_app.services.workspaces import Selected
from compliance_console_app.web.pages import page
from compliance_console_app.web.past import AsOf

router = APIRouter()

TREND_DAYS = 90
CHANGES_SHOWN = 20


@router.get("/")
def overview(request: Request, person: Reader, connection: Database, selection: Selected, past: AsOf) -> Response:
    """The first page."""
    if past:
        return PastPages(request, person, connection, selection, past).overview("Overview")
    asked = {"workspace": selection.name}
    tests = rows(connection, "overview/tests", asked)
    trend = rows(connection, "overview/trend", {**asked, "days": TREND_DAYS})
    days = by_day(trend)
    frame: Frame = request.state.frame
    return page(
        request,
        person,
        "overview.html",
        total=tests[0] if tests else None,
        tests=tests,
        days=days,
        chart=chart(days),
        moved=moved(trend),
        queue=queue(connection, selection.name, frame) if tests else [],
        first_steps=first_steps(connection, selection.name) if tests else [],
        changes=rows(connection, "overview/changes", {**asked, "limit": CHANGES_SHOWN}),
        undecided=rows(connection, "overview/undecided", asked),
        sync=next(iter(connections.last_syncs(connection, (selection.name,))), None),
        newest=next(iter(rows(connection, "runs/list", {**asked, "limit": 1, "offset": 0})), None),
    )
