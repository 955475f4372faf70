"""Evidence: what waits for a review, what expires soon, what became of the rest; hand in, decide, download."""

from __future__ import annotations

import re
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request
from pydantic import PositiveInt
from starlette.responses import Response

from bitbucket_compliance.core.errors import EvidenceRefused, PipelineError, one_line
from bitbucket_compliance.registry.evidence import OUTCOMES, SCOPES, Decided, decide, open_evidence, submit, would_cover
from bitbucket_compliance.registry.evidence_files.apart import draw_page
from bitbucket_compliance.registry.evidence_files.types import PDF
from compliance_console_app.database import Connection, Database, row
from compliance_console_app.permissions import Decider, MayDecide, Person, Reader
from compliance_console_app.routers.decisions import TEST_TITLES, Kind, add_pages
from compliance_console_app.services.workspaces import Selected
from compliance_console_app.web.fields import typed, upload
from compliance_console_app.web.forms import Form
from compliance_console_app.web.listing import PageNumber, Text
from compliance_console_app.web.pages import page, redirect

router = APIRouter()

#: kind of the evidence that lists people
EXPORT = "mfa_export"
FIELDS = ("test_id", "workspace", "scope", "targets", "captured_on", "note")


def _told(decision: str, decided: Decided) -> str:
    told = [f"Evidence {OUTCOMES[decision]}"]
    if decision == "accept":
        told.append("it covers 1 subject" if decided.subjects == 1 else f"it covers {decided.subjects} subjects")
    if decision != "reject":
        told.append("results show it from the next run on")
    return "; ".join((*told, *decided.lines))


KIND = Kind(
    name="evidence",
    path="evidence",
    statuses=("submitted", "accepted", "rejected", "withdrawn", "expired"),
    refusal=EvidenceRefused,
    decide=decide,
    told=_told,
    would_cover=would_cover,
    stake=("submitted_by",),
    waits="submitted",
)


@router.get("/evidence/new")
def ask_for_file(
    request: Request,
    person: Decider,
    connection: Database,
    selection: Selected,
    test_id: Text = "",
    scope: Text = "",
    targets: Text = "",
    subject_id: Text = "",
) -> Response:
    """The form of an upload; the address may fill it, as a test's page does, and a subject's with ``subject_id``."""
    given = {"test_id": test_id, "workspace": selection.name, "scope": scope, "targets": targets}
    about = {"workspace": selection.name, "test_id": test_id, "subject_id": subject_id}
    if subject_id and (named := row(connection, "evidence/about", about)):
        given |= named
    return _upload_form(request, person, {**dict.fromkeys(FIELDS, ""), **given})


@router.post("/evidence")
def hand_in(request: Request, person: Decider, connection: Database, selection: Selected, form: Form) -> Response:
    """Take an uploaded file as evidence that waits for somebody else, or say why not."""
    given = typed(form, *FIELDS)
    try:
        evidence_id, lines = _submitted(connection, person, given, upload(form, "file"))
    except PipelineError as refused:
        status_code = 503 if refused.retryable else 422
        return _upload_form(request, person, given, problem=one_line(refused), status_code=status_code)
    return redirect(
        request, f"evidence/{evidence_id}", "; ".join(("Handed in: somebody else has to decide on it", *lines))
    )


@router.get("/evidence/{evidence_id}/file")
def download(person: Reader, connection: Database, may_decide: MayDecide, evidence_id: UUID) -> Response:
    """The stored file, to be saved: a browser neither shows nor runs it. Exports of people are for deciders alone."""
    found = KIND.found(connection, str(evidence_id))
    if found["kind"] == EXPORT and not may_decide:
        raise HTTPException(403, detail="this file lists people: whoever decides on evidence may download it")
    kept = open_evidence(connection, str(evidence_id))
    return Response(kept.content, headers=kept.headers)


@router.get("/evidence/{evidence_id}/pages")
def pages(
    request: Request,
    person: Reader,
    connection: Database,
    selection: Selected,
    evidence_id: UUID,
    number: PageNumber = 1,
) -> Response:
    """A document page by page, so that whoever decides sees what it shows."""
    count, _ = _page(connection, str(evidence_id), number)
    found = KIND.found(connection, str(evidence_id))
    return page(request, person, "evidence_pages.html", evidence=found, number=number, count=count)


@router.get("/evidence/{evidence_id}/pages/{page_number}")
def page_picture(person: Reader, connection: Database, evidence_id: UUID, page_number: PositiveInt) -> Response:
    """One page of a document, drawn as a picture by the process that opens uploaded files."""
    _, picture = _page(connection, str(evidence_id), page_number)
    return Response(picture, media_type="image/png")


def _page(connection: Connection, evidence_id: str, number: int) -> tuple[int, bytes]:
    """How many pages a document has, and one of them as a picture.

    Raises:
        HTTPException: 404, it is no PDF document, or has no such page; 422, it can't be drawn.
        PipelineError: the file can't be looked at now.
    """
    KIND.found(connection, evidence_id)
    kept = open_evidence(connection, evidence_id)
    if kept.media_type != PDF.media_type:
        raise HTTPException(404, detail="only a PDF document has pages")
    try:
        count, picture = draw_page(kept.name, kept.content, number)
    except EvidenceRefused as refused:
        raise HTTPException(422, detail=one_line(refused)) from None
    if not picture:
        raise HTTPException(404, detail=f"{kept.name} has {count} pages, none with the number {number}")
    return count, picture


def _submitted(
    connection: Connection, person: Person, given: dict[str, str], file: tuple[str, bytes] | None
) -> tuple[str, tuple[str, ...]]:
    if file is None:
        raise EvidenceRefused("no file was chosen; choose the screenshot, document or export")
    missing = "is missing; its validity counts from it"
    captured_on = KIND.day(given["captured_on"], "the day of capture", missing, "2026-03-31")
    submission = submit(
        connection,
        file,
        test_id=given["test_id"],
        workspace=given["workspace"] or None,
        scope=given["scope"] or None,
        targets=re.split(r"[,;\s]+", given["targets"].strip()) if given["targets"].strip() else (),
        captured_on=captured_on,
        submitted_by=person.id,
        note=given["note"] or None,
    )
    return submission.evidence_id, submission.lines


def _upload_form(
    request: Request, person: Person, given: dict[str, str], *, problem: str = "", status_code: int = 200
) -> Response:
    return page(
        request,
        person,
        "evidence_new.html",
        status_code=status_code,
        given=given,
        problem=problem,
        tests=TEST_TITLES,
        scopes=SCOPES,
    )


add_pages(router, KIND)
