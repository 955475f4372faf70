"""Exceptions: risks that somebody asks to accept until a day; ask, review, withdraw."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Request
from starlette.responses import Response

from bitbucket_compliance.core.errors import ExceptionRefused, one_line
from bitbucket_compliance.registry import persons
from bitbucket_compliance.registry.exceptions import (
    DECISIONS,
    LONGEST,
    ExceptionRequest,
    RecordedException,
    decide,
    end_of_day,
    would_cover,
)
from bitbucket_compliance.registry.exceptions import request as request_exception
from compliance_console_app.database import Connection, Database
from compliance_console_app.permissions import Decider, Person
from compliance_console_app.routers.decisions import TEST_TITLES, Kind, add_pages
from compliance_console_app.services.workspaces import Selected
from compliance_console_app.web.fields import typed
from compliance_console_app.web.forms import Form
from compliance_console_app.web.listing import Text
from compliance_console_app.web.pages import page, redirect

router = APIRouter()

USUAL = timedelta(days=90)
FIELDS = ("test_id", "workspace", "scope", "target", "owner", "reason", "until")
SCOPES = {
    "subject": "One repository, member or workspace",
    "project": "The repositories of a project",
    "pattern": "Repositories whose slug matches a pattern",
}


def _told(decision: str, noted: RecordedException) -> str:
    told = f"Exception {DECISIONS[decision]}"
    if noted.subjects is not None:
        subjects = "1 failing subject" if noted.subjects == 1 else f"{noted.subjects} failing subjects"
        told += f"; it covers {subjects}, which stay failing: results show it from the next run or housekeeping on"
    if decision == "withdraw":
        told += "; what it covered re-opens with the next run or housekeeping"
    return told


KIND = Kind(
    name="exception",
    path="exceptions",
    statuses=("requested", "accepted", "rejected", "withdrawn", "expired", "reopened"),
    refusal=ExceptionRefused,
    decide=decide,
    told=_told,
    would_cover=would_cover,
    stake=("owner", "requested_by"),
    waits="requested",
)


@router.get("/exceptions/new")
def ask_form(
    request: Request,
    person: Decider,
    connection: Database,
    selection: Selected,
    test_id: Text = "",
    scope: Text = "subject",
    target: Text = "",
    subject_id: Text = "",
) -> Response:
    """The form; the address may fill it, as a subject's page does with ``test_id`` and ``subject_id``."""
    until = (datetime.now(UTC).date() + USUAL).isoformat()
    given = {"test_id": test_id, "workspace": selection.name, "scope": scope, "target": target or subject_id}
    return _form(request, person, connection, {**dict.fromkeys(FIELDS, ""), **given, "until": until})


@router.post("/exceptions")
def ask(request: Request, person: Decider, connection: Database, selection: Selected, form: Form) -> Response:
    """Note what is asked for, or say why it can't be."""
    given = typed(form, *FIELDS)
    try:
        exception_id = _requested(connection, person, given)
    except ExceptionRefused as refused:
        return _form(request, person, connection, given, problem=one_line(refused))
    return redirect(
        request,
        f"exceptions/{exception_id}",
        "Asked for: somebody who neither owns the risk nor asked for it has to decide",
    )


def _requested(connection: Connection, person: Person, given: dict[str, str]) -> str:
    if given["scope"] not in SCOPES:
        raise ExceptionRefused("say what is to be covered: one subject, one project or one pattern of slugs")
    until = KIND.day(given["until"], "the last day", "is missing: no risk is accepted for ever", "2026-12-31")
    asked = ExceptionRequest(
        test_id=given["test_id"],
        workspace=given["workspace"],
        owner=given["owner"],
        reason=given["reason"],
        expires_at=end_of_day(connection, until, given["workspace"]),
        **{given["scope"]: given["target"]},
    )
    return request_exception(connection, asked, requested_by=person.id).exception_id


def _form(
    request: Request, person: Person, connection: Connection, given: dict[str, str], problem: str = ""
) -> Response:
    return page(
        request,
        person,
        "exceptions_new.html",
        status_code=422 if problem else 200,
        given=given,
        problem=problem,
        tests=TEST_TITLES,
        scopes=SCOPES,
        owners=persons.known(connection),
        most_days=LONGEST.days,
    )


add_pages(router, KIND)
