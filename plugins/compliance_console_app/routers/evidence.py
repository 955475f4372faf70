"""Evidence: what waits for a review, what expires soon, what became of the rest; hand in, decide, download."""

from __future__ import annotations

import re
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from bitbucket_compliance.core.errors import EvidenceRefused, PipelineError, one_line
from bitbucket_compliance.registry.evidence import OUTCOMES, SCOPES, Decided, decide, open_evidence, submit, would_cover
from compliance_console_app.database import Connection, Database, row
from compliance_console_app.permissions import Decider, MayDecide, Person, Reader
from compliance_console_app.routers.decisions import TEST_TITLES, Kind, add_pages
from compliance_console_app.services.workspaces import Selected
from compliance_console_app.web.fields import typed, upload
from compliance_console_app.web.forms import Form
from compliance_console_app.web.listing import Text
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
