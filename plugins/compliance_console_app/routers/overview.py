"""Overview: what waits for whom, the score, the tests, the trend, what changed and what can't be decided."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from bitbucket_compliance.core.bitbucket import connection_ids
from bitbucket_compliance.security_tests import CATALOGUE
from compliance_console_app.database import Connection, Database, row, rows
from compliance_console_app.permissions import MayDecide, Reader
from compliance_console_app.routers.past import PastPages
from compliance_console_app.services import connect_steps, connections
from compliance_console_app.services.connect_steps import Step
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
def overview(
    request: Request,
    person: Reader,
    connection: Database,
    selection: Selected,
    past: AsOf,
    may_decide: MayDecide,
) -> Response:
    """The first page."""
    if past:
        return PastPages(request, person, connection, selection, past).overview("Overview")
    asked = {"workspace": selection.name}
    tests = rows(connection, "overview/tests", asked)
    trend = rows(connection, "overview/trend", {**asked, "days": TREND_DAYS})
    days = by_day(trend)
    frame: Frame = request.state.frame
    published = row(connection, "changes/runs", asked) or {}
    news = {**asked, **published, "limit": CHANGES_SHOWN}
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
        steps=[] if tests else _steps(connection),
        all_tests=len(CATALOGUE),
        may_decide=may_decide,
        changes=rows(connection, "overview/changes", news) if published["newest"] else [],
        undecided=rows(connection, "overview/undecided", asked),
        sync=next(iter(connections.last_syncs(connection, (selection.name,))), None),
        newest=next(iter(rows(connection, "runs/list", {**asked, "limit": 1, "offset": 0})), None),
    )


def _steps(connection: Connection) -> list[Step]:
    """The way to the first results, of the first connection, as Integrations shows it."""
    view = connections.view(connection, connection_ids()[0])
    return connect_steps.steps(view, connect_steps.learned(connection, view.workspaces), (), 0)
