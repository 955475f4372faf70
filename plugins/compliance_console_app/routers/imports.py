"""Imports: what was imported when and by whom, what of it could not be used, and taking one back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request
from starlette.responses import Response

from bitbucket_compliance.core.errors import ImportRefused, one_line
from bitbucket_compliance.registry.imports import take_back as made
from compliance_console_app.database import Connection, Database
from compliance_console_app.permissions import Decider, MayDecide, Person, Reader
from compliance_console_app.services.workspaces import Selected
from compliance_console_app.web.fields import one
from compliance_console_app.web.forms import Form
from compliance_console_app.web.listing import Listing, PageNumber
from compliance_console_app.web.pages import page, redirect

router = APIRouter()

# Postgres' bigint.
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/imports")
def imports(request: Request, person: Reader, connection: Database, _: Selected, number: PageNumber = 1) -> Response:
    """A page of imports, the newest first; they concern every workspace."""
    listing = Listing("imports", {}, number=number)
    found = made.listed(connection, listing.parameters["limit"], listing.parameters["offset"])
    return page(request, person, "imports.html", imports=found, listing=listing.of(found))


@router.get("/imports/{number}")
def one_import(
    request: Request, person: Reader, connection: Database, _: Selected, number: Number, may_decide: MayDecide
) -> Response:
    """One import with the rows that could not be used: what is wrong with them, not whose they are."""
    return _page(request, person, connection, number, may_decide=may_decide)


@router.post("/imports/{number}/take-back")
def take_back(
    request: Request, person: Decider, connection: Database, _: Selected, number: Number, form: Form
) -> Response:
    """Take an import back, with a reason."""
    try:
        taken = made.take_back(connection, number, reason=one(form, "reason"), taken_back_by=person.id)
    except ImportRefused as refused:
        return _page(request, person, connection, number, may_decide=True, problem=one_line(refused))
    return redirect(
        request, f"imports/{number}", f"Import {number} taken back: {taken.told}; verdicts follow with the next run"
    )


def _page(
    request: Request, person: Person, connection: Connection, number: int, *, may_decide: bool, problem: str = ""
) -> Response:
    found = made.one(connection, number)
    if found is None:
        raise HTTPException(404, detail=f"there is no import {number}")
    return page(
        request,
        person,
        "import.html",
        status_code=409 if problem else 200,
        found=found,
        refused=made.refused_rows(connection, number),
        may_decide=may_decide,
        problem=problem,
    )
