"""Findings across tests: what is overdue, due soon, new or accepted; assign or ask for exceptions what is ticked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from bitbucket_compliance.core.errors import AssignmentRefused, ExceptionRefused, PersonUnclear, one_line
from bitbucket_compliance.core.persons import shown
from bitbucket_compliance.registry import persons
from bitbucket_compliance.registry.assignments import assign
from bitbucket_compliance.registry.exceptions import ExceptionRequest, end_of_day
from bitbucket_compliance.registry.exceptions import request as request_exception
from compliance_console_app.database import Connection, Database, row, rows
from compliance_console_app.permissions import Decider, MayDecide, Person, Reader
from compliance_console_app.routers.decisions import TEST_TITLES
from compliance_console_app.routers.exceptions import KIND, USUAL
from compliance_console_app.routers.past import PastPages
from compliance_console_app.services.workspaces import Selected, Selection
from compliance_console_app.web import csv_answer
from compliance_console_app.web.fields import one, page_number, several, typed
from compliance_console_app.web.forms import Form
from compliance_console_app.web.listing import Listing, PageNumber, Text, known_sort
from compliance_console_app.web.pages import page, people, redirect
from compliance_console_app.web.past import AsOf

router = APIRouter()

SECTIONS = {
    "": "all",
    "overdue": "overdue",
    "soon": "due within 7 days",
    "new": "found within 7 days",
    "accepted": "accepted risks",
}
SORTS = {"due": "due first", "severity": "by severity", "found": "newest first", "name": "by name"}
FILTER = ("section", "test_id", "project", "owner", "severity", "control", "assigned", "words")
ASKED = ("risk_owner", "reason", "until", "assignee", "note")
ASSIGNED = {"me": "me", "nobody": "nobody"}
PAGES_OF_SUBJECTS = {"repository": "repositories", "member": "members"}
SEVERITIES = ("critical", "high", "medium", "low")
Section = Literal["", "overdue", "soon", "new", "accepted"]


@router.get("/findings")
def findings(
    request: Request,
    person: Reader,
    connection: Database,
    selection: Selected,
    may_decide: MayDecide,
    past: AsOf,
    section: Section = "",
    test_id: Text = "",
    project: Text = "",
    owner: Text = "",
    severity: Text = "",
    control: Text = "",
    assigned: Text = "",
    words: Text = "",
    sort: Text = "due",
    number: PageNumber = 1,
    form: csv_answer.Form = "",
) -> Response:
    """A page of the open findings, or all that the filter leaves as CSV."""
    if past:
        chosen = {"test_id": test_id, "severity": severity, "words": words.strip()}
        return PastPages(request, person, connection, selection, past).findings(chosen, number, as_csv=form == "csv")
    values = (section, test_id, project, owner, severity, control, assigned, words.strip())
    listing = Listing("findings", dict(zip(FILTER, values, strict=True)), known_sort(sort, tuple(SORTS), "due"), number)
    if form == "csv":
        everything = replace(listing, number=1, size=None)
        return csv_answer.csv_answer("findings", selection.name, _found(connection, person, selection, everything))
    return _findings(request, person, connection, selection, listing, may_decide=may_decide)


@router.post("/findings/exceptions")
def ask(request: Request, person: Decider, connection: Database, selection: Selected, form: Form) -> Response:
    """Ask for an exception for each finding that is ticked: for all of them, or for none."""
    listing = _shown_with(form)
    given, ticked = typed(form, *ASKED), several(form, "finding")
    shown_again = partial(
        _findings, request, person, connection, selection, listing, may_decide=True, given=given, ticked=ticked
    )
    try:
        with connection.transaction():
            count = _asked_for(connection, selection.name, person, given, ticked)
    except ExceptionRefused as refused:
        return shown_again(problem=one_line(refused))
    what = "1 exception" if count == 1 else f"{count} exceptions"
    return redirect(request, listing.address, f"Asked for {what}: somebody who neither owns the risk nor asked decides")


@router.post("/findings/csv")
def take_ticked(request: Request, person: Decider, connection: Database, selection: Selected, form: Form) -> Response:
    """The findings that are ticked as CSV, in the order of the list."""
    listing = _shown_with(form)
    ticked = several(form, "finding")
    if not ticked:
        told = "no finding is ticked; tick those that you want to download"
        given = typed(form, *ASKED)
        return _findings(request, person, connection, selection, listing, may_decide=True, given=given, problem=told)
    everything = replace(listing, number=1, size=None)
    return csv_answer.csv_answer(
        "findings", selection.name, _found(connection, person, selection, everything, ticked=ticked)
    )


def _shown_with(form: FormData) -> Listing:
    """The list that a form was sent from."""
    sort = known_sort(one(form, "sort"), tuple(SORTS), "due")
    return Listing("findings", typed(form, *FILTER), sort, page_number(form))


def _asked_for(connection: Connection, workspace: str, person: Person, given: dict[str, str], ticked: list[str]) -> int:
    found = rows(connection, "findings/ticked", {"workspace": workspace, "ids": ticked})
    if not found:
        raise ExceptionRefused("no finding is ticked; tick those whose risk is to be accepted")
    until = KIND.day(given["until"], "the last day", "is missing: no risk is accepted for ever", "2026-12-31")
    ends = end_of_day(connection, until, workspace)
    for finding in found:
        asked = ExceptionRequest(
            test_id=finding["test_id"],
            workspace=workspace,
            owner=given["risk_owner"],
            reason=given["reason"],
            expires_at=ends,
            subject=finding["subject_id"],
        )
        request_exception(connection, asked, requested_by=person.id)
    return len(found)


@router.post("/findings/assign")
def assign_ticked(request: Request, person: Decider, connection: Database, selection: Selected, form: Form) -> Response:
    """Assign each finding that is ticked, here or on the page of its subject, to a known person or to nobody."""
    listing = _shown_with(form)
    given, ticked = typed(form, *ASKED), several(form, "finding")
    shown_again = partial(
        _findings, request, person, connection, selection, listing, may_decide=True, given=given, ticked=ticked
    )
    try:
        if not given["assignee"]:
            raise AssignmentRefused("nobody was chosen; choose who should take care of it")
        to = None if given["assignee"] == "nobody" else given["assignee"]
        count = assign(
            connection, selection.name, ticked, assigned_to=to, assigned_by=person.id, note=given["note"] or None
        )
    except AssignmentRefused as refused:
        return shown_again(problem=one_line(refused))
    page_of_subject = PAGES_OF_SUBJECTS.get(one(form, "subject_type"))
    subject_id = quote(one(form, "subject_id"), safe="")
    back = f"{page_of_subject}/{subject_id}" if page_of_subject and subject_id.strip(".") else listing.address
    what = "1 finding" if count == 1 else f"{count} findings"
    return redirect(
        request, back, f"Assigned {what} to {shown(to) if to else 'nobody'}; no verdict and no deadline changes by it"
    )


def _found(
    connection: Connection, person: Person, selection: Selection, listing: Listing, *, ticked: list[str] | None = None
) -> list[dict[str, object]]:
    assigned = listing.chosen["assigned"]
    if assigned == "me":
        try:
            assigned = person.id
        except PersonUnclear:
            assigned = person.name  # which no person is called, so that nothing is theirs
    asked = {**listing.chosen, **listing.parameters, "assigned": assigned, "workspace": selection.name}
    return rows(connection, "findings/list", {**asked, "ticked": ticked})


def _findings(
    request: Request,
    person: Person,
    connection: Connection,
    selection: Selection,
    listing: Listing,
    *,
    may_decide: bool,
    given: dict[str, str] | None = None,
    ticked: list[str] | None = None,
    problem: str = "",
) -> Response:
    found = _found(connection, person, selection, listing)
    counts = row(connection, "findings/counts", {"workspace": selection.name}) or {}
    usual = (datetime.now(UTC).date() + USUAL).isoformat()
    return page(
        request,
        person,
        "findings.html",
        status_code=409 if problem else 200,
        findings=found,
        listing=listing.of(found),
        counts={**counts, "": counts["every"]},
        sections=SECTIONS,
        tests=TEST_TITLES,
        severities=SEVERITIES,
        sorts=SORTS,
        owners=persons.known(connection) if may_decide else [],
        may_decide=may_decide,
        assigned={**ASSIGNED, **people(counts.get("persons") or [])},
        given=given or {**dict.fromkeys(ASKED, ""), "until": usual},
        ticked=ticked or [],
        problem=problem,
        soon=datetime.now(UTC) + timedelta(days=7),
    )
