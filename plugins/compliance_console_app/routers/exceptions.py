"""Exceptions: risks that somebody asks to accept until a day; ask, review, withdraw."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from bitbucket_compliance.core.errors import ExceptionRefused, one_line
from bitbucket_compliance.registry.exceptions import DECISIONS, LONGEST, ExceptionRequest, decide, end_of_day
from bitbucket_compliance.registry.exceptions import request as request_exception
from bitbucket_compliance.security_tests import CATALOGUE
from compliance_console_app.database import Connection, Database, row, rows
from compliance_console_app.permissions import Decider, MayDecide, Person, Reader
from compliance_console_app.services import audit
from compliance_console_app.services.workspaces import Selected
from compliance_console_app.web.fields import one, typed
from compliance_console_app.web.forms import Form
from compliance_console_app.web.listing import Listing, PageNumber, Text
from compliance_console_app.web.pages import page, redirect

router = APIRouter()

STATUSES = ("requested", "accepted", "rejected", "withdrawn", "expired", "reopened")
# What the lists above the history show at most; who has more of them works from the top.
SHOWN = 100
USUAL = timedelta(days=90)
FIELDS = ("test_id", "workspace", "scope", "target", "owner", "reason", "until")
SCOPES = ("subject", "project", "pattern")
AUDITED = ("status", "test_id", "workspace", "scope", "target", "owner", "reason", "expires_at", "decision_reason")


@router.get("/exceptions")
def overview(
    request: Request,
    person: Reader,
    connection: Database,
    selection: Selected,
    may_decide: MayDecide,
    test_id: Text = "",
    status: Text = "",
    number: PageNumber = 1,
) -> Response:
    """To review, ending within 14 days, and all of them, of which one page."""
    listing = Listing("exceptions", {"test_id": test_id, "status": status}, number=number)
    filtered = {"workspace": selection.name, "test_id": test_id, "status": status}
    top: dict[str, Any] = {"workspace": selection.name, "test_id": "", "status": "", "limit": SHOWN, "offset": 0}
    history = rows(connection, "exceptions/list", {**filtered, **listing.parameters, "section": "history"})
    return page(
        request,
        person,
        "exceptions.html",
        may_decide=may_decide,
        to_review=rows(connection, "exceptions/list", {**top, "section": "review"}),
        expiring=rows(connection, "exceptions/list", {**top, "section": "expiring"}),
        history=history,
        listing=listing.of(history),
        tests=CATALOGUE,
        statuses=STATUSES,
    )


@router.get("/exceptions/new")
def ask_form(
    request: Request,
    person: Decider,
    selection: Selected,
    test_id: Text = "",
    scope: Text = "subject",
    target: Text = "",
    subject_id: Text = "",
) -> Response:
    """The form; the address may fill it, as a subject's page does with ``test_id`` and ``subject_id``."""
    until = (datetime.now(UTC).date() + USUAL).isoformat()
    given = {"test_id": test_id, "workspace": selection.name, "scope": scope, "target": target or subject_id}
    return _form(request, person, {**dict.fromkeys(FIELDS, ""), **given, "until": until})


@router.post("/exceptions")
def ask(request: Request, person: Decider, connection: Database, selection: Selected, form: Form) -> Response:
    """Note what is asked for, or say why it can't be."""
    given = typed(form, *FIELDS)
    try:
        exception_id = _requested(connection, person, given)
    except ExceptionRefused as refused:
        return _form(request, person, given, problem=one_line(refused))
    audit.record(connection, person, "exception.requested", exception_id, None, _facts(connection, exception_id))
    return redirect(
        request,
        f"exceptions/{exception_id}",
        "Asked for: somebody who neither owns the risk nor asked for it has to decide",
    )


@router.get("/exceptions/{exception_id}")
def details(
    request: Request,
    person: Reader,
    connection: Database,
    selection: Selected,
    may_decide: MayDecide,
    exception_id: UUID,
) -> Response:
    """One exception: what it accepts, why, until when, and what it still covers."""
    return _details(request, person, connection, str(exception_id), may_decide=may_decide)


@router.post("/exceptions/{exception_id}/decision")
def decide_on(
    request: Request, person: Decider, connection: Database, selection: Selected, exception_id: UUID, form: Form
) -> Response:
    """Accept, reject or withdraw; the latter two with a reason."""
    key, decision, reason = str(exception_id), one(form, "decision"), one(form, "reason")
    before = _facts(connection, key)
    try:
        noted = decide(connection, key, decision, decided_by=person.name, reason=reason or None)
    except ExceptionRefused as refused:
        return _details(
            request, person, connection, key, may_decide=True, problem=one_line(refused), typed_reason=reason
        )
    audit.record(connection, person, f"exception.{noted.status}", key, before, _facts(connection, key))
    told = f"Exception {DECISIONS[decision]}"
    if noted.subjects is not None:
        subjects = "1 failing subject" if noted.subjects == 1 else f"{noted.subjects} failing subjects"
        told += f"; it covers {subjects}, which stay failing: results show it from the next run or housekeeping on"
    if decision == "withdraw":
        told += "; what it covered re-opens with the next run or housekeeping"
    return redirect(request, f"exceptions/{key}", told)


def _requested(connection: Connection, person: Person, given: dict[str, str]) -> str:
    if given["scope"] not in SCOPES:
        raise ExceptionRefused("say what is to be covered: one subject, one project or one pattern of slugs")
    asked = ExceptionRequest(
        test_id=given["test_id"],
        workspace=given["workspace"],
        owner=given["owner"],
        reason=given["reason"],
        expires_at=end_of_day(connection, _day(given["until"]), given["workspace"]),
        **{given["scope"]: given["target"]},
    )
    return request_exception(connection, asked, requested_by=person.name).exception_id


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ExceptionRefused(
            f"the last day {ascii(text.strip())[:40]} is no date; write it as 2026-12-31"
            if text.strip()
            else "the last day is missing: no risk is accepted for ever"
        ) from None


def _form(request: Request, person: Person, given: dict[str, str], problem: str = "") -> Response:
    return page(
        request,
        person,
        "exceptions_new.html",
        status_code=422 if problem else 200,
        given=given,
        problem=problem,
        tests=CATALOGUE,
        most_days=LONGEST.days,
    )


def _details(
    request: Request,
    person: Person,
    connection: Connection,
    exception_id: str,
    *,
    may_decide: bool,
    problem: str = "",
    typed_reason: str = "",
) -> Response:
    return page(
        request,
        person,
        "exceptions_details.html",
        status_code=409 if problem else 200,
        exception=_found(connection, exception_id),
        subjects=rows(connection, "exceptions/subjects", {"exception_id": exception_id, "limit": SHOWN}),
        may_decide=may_decide,
        problem=problem,
        typed_reason=typed_reason,
    )


def _found(connection: Connection, exception_id: str) -> dict[str, Any]:
    found = row(connection, "exceptions/one", {"exception_id": exception_id})
    if found is None:
        raise HTTPException(404, detail=f"there is no exception {exception_id}")
    return found


def _facts(connection: Connection, exception_id: str) -> dict[str, Any]:
    """What the audit trail keeps of it."""
    found = _found(connection, exception_id)
    return {name: found[name] for name in AUDITED if found[name] is not None}
