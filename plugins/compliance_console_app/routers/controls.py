"""Controls: where those of a framework stand, now or over a period, and what each rests on."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from starlette.responses import Response

from compliance_console_app.database import Connection, Database, rows
from compliance_console_app.permissions import MayPackage, Reader
from compliance_console_app.services import past as history
from compliance_console_app.services.frameworks import chosen_framework, known_frameworks
from compliance_console_app.services.workspaces import Selected
from compliance_console_app.web.csv_answer import Form, csv_answer
from compliance_console_app.web.listing import Listing, PageNumber, Text
from compliance_console_app.web.moments import begin_of, end_of, period_of
from compliance_console_app.web.pages import page
from compliance_console_app.web.past import AsOf

router = APIRouter()

STATES = {
    "operated": "passing",
    "operated with exceptions": "pending",
    "did not operate": "failing",
    "not observed": "not_applicable",
}
MOST_SHOWN = 50
Named = Annotated[str, Query(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
NOW_COLUMNS = (
    "framework", "control", "control_title", "strength", "state", "tests", "effective", "failing", "undecided",
    "stale", "bypassed", "overdue", "accepted",
)  # fmt: skip
PERIOD_COLUMNS = (
    "framework", "control", "control_title", "strength", "state", "tests", "days", "days_observed",
    "days_not_observed", "days_with_failures", "days_with_undecided", "most_subjects", "findings_opened",
    "fixed_in_time", "fixed_late", "ended_otherwise", "open_at_end", "overdue_at_end", "accepted_at_end", "changes",
    "changes_against", "changes_unknown",
)  # fmt: skip


@router.get("/controls")
def controls(
    request: Request,
    person: Reader,
    connection: Database,
    selection: Selected,
    may_package: MayPackage,
    past: AsOf,
    framework: Text = "",
    since: Text = "",
    until: Text = "",
) -> Response:
    """The controls of a framework: as they stand, and over the period where one is asked for."""
    if past:
        since = until = str(past.day)
    frameworks = known_frameworks(connection)
    chosen = chosen_framework(framework, frameworks)
    period = period_of(since, until)
    return page(
        request,
        person,
        "controls.html",
        frameworks=frameworks,
        framework=chosen,
        period=period,
        since=since,
        until=until,
        controls=_found(connection, selection.name, chosen, period),
        states=STATES,
        may_package=may_package,
        stand=history.stand(connection, selection.name, past.moment) if past else None,
    )


@router.get("/controls.csv")
def export(
    person: Reader, connection: Database, selection: Selected, framework: Text = "", since: Text = "", until: Text = ""
) -> Response:
    """The same as a file."""
    chosen = chosen_framework(framework, known_frameworks(connection))
    period = period_of(since, until)
    found = _found(connection, selection.name, chosen, period)
    return csv_answer("controls", selection.name, found, PERIOD_COLUMNS if period else NOW_COLUMNS)


@router.get("/controls/one")
def control(
    request: Request,
    person: Reader,
    connection: Database,
    selection: Selected,
    framework: Named,
    control: Named,
    since: Text = "",
    until: Text = "",
    number: PageNumber = 1,
    form: Form = "",
) -> Response:
    """One control: its tests, what was found, what went around rules, and the evidence behind it."""
    period = period_of(since, until)
    asked: dict[str, Any] = {"workspace": selection.name, "framework": framework, "control": control}
    if period:
        over_days = {**asked, "first_day": period[0], "last_day": period[1]}
        tests = rows(connection, "controls/tests_of_period", over_days)
    else:
        tests = rows(connection, "controls/tests", asked)
    if not tests:
        raise HTTPException(404, detail="no test gives evidence for such a control")
    of_tests = {**asked, "test_ids": [test["test_id"] for test in tests], "limit": MOST_SHOWN}
    begins, ends = begin_of(since, "since"), end_of(until, "until") or datetime.now(UTC)
    chosen = {"framework": framework, "control": control, "since": since, "until": until}
    listing = Listing("controls/one", chosen, number=1 if form else number, size=None if form else 50)
    window = {"since": begins or ends, "until": ends}
    findings = rows(connection, "controls/findings", {**of_tests, **listing.parameters, **window})
    if form == "csv":
        return csv_answer(f"findings-{control}", selection.name, findings)
    over = {**of_tests, **window}
    states = _found(connection, selection.name, framework, period)
    return page(
        request,
        person,
        "control.html",
        framework=framework,
        control=control,
        title=tests[0]["control_title"],
        state=next((one for one in states if one["control"] == control), None),
        states=STATES,
        period=period,
        since=since,
        until=until,
        tests=tests,
        findings=findings,
        most=MOST_SHOWN,
        listing=listing.of(findings),
        bypasses=rows(connection, "controls/bypasses_of_period" if period else "controls/bypasses", over),
        evidence=rows(connection, "controls/evidence", over),
    )


def _found(
    connection: Connection, workspace: str, framework: str, period: tuple[date, date] | None
) -> list[dict[str, Any]]:
    asked: dict[str, Any] = {"workspace": workspace, "framework": framework}
    if period is None:
        return rows(connection, "controls/now", asked)
    return rows(connection, "controls/period", {**asked, "first_day": period[0], "last_day": period[1]})
