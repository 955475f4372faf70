"""Imports: what was imported when and by whom, what of it could not be used, uploading more, and taking one back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Request
from starlette.responses import Response

from bitbucket_compliance.core.errors import ImportRefused, PipelineError, RosterShrank, one_line
from bitbucket_compliance.core.printable import printable
from bitbucket_compliance.registry.imports import MAIN, ImportResult
from bitbucket_compliance.registry.imports import take_back as made
from compliance_console_app.database import Connection, Database, rows
from compliance_console_app.permissions import Decider, MayDecide, Person, Reader
from compliance_console_app.services.declared_files import KINDS, DeclaredFile, mappings
from compliance_console_app.services.workspaces import Selected
from compliance_console_app.web import csv_answer
from compliance_console_app.web.carried import packed, signed, unpacked
from compliance_console_app.web.fields import one, typed, upload
from compliance_console_app.web.forms import Form, carries_file
from compliance_console_app.web.listing import Listing, PageNumber, Text
from compliance_console_app.web.pages import page, redirect

router = APIRouter()

STATED = ("kind", "roster_name", "mapping", "captured_on")
#: rows that can't be used, and columns of a file, that a preview shows at most
SHOWN = 50

# Postgres' bigint.
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/imports")
def imports(
    request: Request,
    person: Reader,
    connection: Database,
    _: Selected,
    may_decide: MayDecide,
    number: PageNumber = 1,
    form: csv_answer.Form = "",
) -> Response:
    """A page of imports, the newest first, or all of them as CSV; they concern every workspace."""
    listing = Listing("imports", {}, number=number)
    if form == "csv":
        return csv_answer.csv_answer("imports", "", made.listed(connection, limit=None))
    found = made.listed(connection, listing.parameters["limit"], listing.parameters["offset"])
    return page(request, person, "imports.html", imports=found, listing=listing.of(found), may_decide=may_decide)


@router.get("/imports/new")
def ask_for_file(
    request: Request,
    person: Decider,
    connection: Database,
    _: Selected,
    kind: Text = "roster",
    roster_name: Text = MAIN,
) -> Response:
    """The form of an upload, one for each kind of file."""
    given = {"kind": kind if kind in KINDS else "roster", "roster_name": roster_name, "mapping": "", "captured_on": ""}
    return _upload_form(request, person, connection, given)


@router.post("/imports/preview")
def preview(request: Request, person: Decider, connection: Database, _: Selected, form: Form) -> Response:
    """What an uploaded file would bring, or why it can't be taken; nothing is written."""
    stated = typed(form, *STATED)
    try:
        chosen = upload(form, "file")
        if chosen is None:
            raise ImportRefused("no file was chosen; choose the CSV or the Excel workbook", [])
        file = DeclaredFile(name=chosen[0], content=chosen[1], **stated)
        missing = ""
        try:
            seen = file.preview(connection, person, may_shrink=False)
        except RosterShrank as shrank:
            missing = shrank.told
            seen = file.preview(connection, person, may_shrink=True)
    except PipelineError as refused:
        return _refused(request, person, connection, stated, refused)
    return _preview(request, person, file, seen, missing=missing)


@router.post("/imports", dependencies=[Depends(carries_file)])
def take(request: Request, person: Decider, connection: Database, _: Selected, form: Form) -> Response:
    """Import the file of a preview, as it was shown."""
    stated = typed(form, *STATED)
    try:
        carried = typed(form, "name", *STATED)
        content = unpacked(person, carried, one(form, "packed"), one(form, "signature"))
        file = DeclaredFile(content=content, **carried)
        taken = file.take(connection, person, may_shrink=one(form, "may_shrink") == "yes")
    except PipelineError as refused:
        return _refused(request, person, connection, stated, refused)
    told = f"Imported: {taken.told}; verdicts follow with the next run"
    if taken.import_id is not None:
        return redirect(request, f"imports/{taken.import_id}", told)
    return redirect(request, f"evidence/{taken.evidence_id}", "Handed in: somebody else has to decide on it")


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


def _preview(request: Request, person: Person, file: DeclaredFile, seen: ImportResult, *, missing: str) -> Response:
    field = packed(file.content)
    carried = {name: getattr(file, name) for name in ("name", *STATED)}
    notes = [printable(line) for line in seen.unclear if not line.startswith("refused: ")]
    return page(
        request,
        person,
        "imports_preview.html",
        file=file,
        kind=KINDS[file.kind],
        mapping=mappings().get(file.mapping, ""),
        seen=seen,
        refused=seen.refused[:SHOWN],
        refused_rows=len({problem.line for problem in seen.refused}),
        columns=list(seen.columns.items())[:SHOWN],
        notes=[line.removeprefix("noted: ").removeprefix(f"{printable(file.name)}: ") for line in notes],
        missing=missing,
        carried=carried,
        packed=field,
        signature=signed(person, carried, field),
    )


def _refused(
    request: Request, person: Person, connection: Connection, stated: dict[str, str], refused: PipelineError
) -> Response:
    """The form again, with what is wrong with the file, place by place."""
    problems = refused.problems[:SHOWN] if isinstance(refused, ImportRefused) and len(refused.problems) > 1 else []
    return _upload_form(
        request,
        person,
        connection,
        stated | {"kind": stated["kind"] if stated["kind"] in KINDS else "roster"},
        problem=one_line(refused),
        problems=[printable(problem) for problem in problems],
        status_code=503 if refused.retryable else 422,
    )


def _upload_form(
    request: Request,
    person: Person,
    connection: Connection,
    given: dict[str, str],
    *,
    problem: str = "",
    problems: list[str] | None = None,
    status_code: int = 200,
) -> Response:
    rosters = {found["roster_name"]: found["mapping"] for found in rows(connection, "imports/rosters")}
    known = mappings()
    usual = rosters.get(given["roster_name"] or MAIN)
    return page(
        request,
        person,
        "imports_new.html",
        status_code=status_code,
        given=given | {"mapping": given["mapping"] or (usual if usual in known else "")},
        kinds=KINDS,
        mappings=known,
        rosters=list(rosters),
        problem=problem,
        problems=problems or [],
    )
