"""Evidence: what waits for a review, what expires soon, what became of the rest; hand in, decide, download."""

from __future__ import annotations

import re
from datetime import date
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from bitbucket_compliance.core.errors import EvidenceRefused, PipelineError, one_line
from bitbucket_compliance.registry.evidence import OUTCOMES, SCOPES, KeptFile, decide, open_evidence, submit
from bitbucket_compliance.security_tests import CATALOGUE
from compliance_console_app.database import Connection, Database, row, rows
from compliance_console_app.permissions import Decider, MayDecide, Person, Reader
from compliance_console_app.services import audit
from compliance_console_app.services.workspaces import Selected
from compliance_console_app.web.fields import one, typed, upload
from compliance_console_app.web.forms import Form
from compliance_console_app.web.listing import Listing, PageNumber, Text
from compliance_console_app.web.pages import page, redirect

router = APIRouter()

STATUSES = ("submitted", "accepted", "rejected", "withdrawn", "expired")
# What both lists above the history show at most; who has more of them works from the top.
SHOWN = 100
FIELDS = ("test_id", "workspace", "scope", "targets", "captured_on", "note")
AUDITED = ("status", "test_id", "workspace", "scope", "captured_on", "file_name", "file_sha256", "decision_reason")


@router.get("/evidence")
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
    """To review, expiring within 14 days, and the history, of which one page."""
    listing = Listing("evidence", {"test_id": test_id, "status": status}, number=number)
    filtered = {"workspace": selection.name, "test_id": test_id, "status": status}
    top: dict[str, Any] = {"workspace": selection.name, "test_id": "", "status": "", "limit": SHOWN, "offset": 0}
    history = rows(connection, "evidence/list", {**filtered, **listing.parameters, "section": "history"})
    return page(
        request,
        person,
        "evidence.html",
        may_decide=may_decide,
        to_review=rows(connection, "evidence/list", {**top, "section": "review"}),
        expiring=rows(connection, "evidence/list", {**top, "section": "expiring"}),
        history=history,
        listing=listing.of(history),
        tests=CATALOGUE,
        statuses=STATUSES,
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
    audit.record(connection, person, "evidence.submitted", evidence_id, None, _facts(connection, evidence_id))
    return redirect(
        request, f"evidence/{evidence_id}", "; ".join(("Handed in: somebody else has to decide on it", *lines))
    )


@router.get("/evidence/{evidence_id}")
def details(
    request: Request,
    person: Reader,
    connection: Database,
    selection: Selected,
    may_decide: MayDecide,
    evidence_id: UUID,
) -> Response:
    """One piece of evidence: what it claims, what it covers, what became of it."""
    return _details(request, person, connection, str(evidence_id), may_decide=may_decide)


@router.post("/evidence/{evidence_id}/decision")
def decide_on(
    request: Request, person: Decider, connection: Database, selection: Selected, evidence_id: UUID, form: Form
) -> Response:
    """Accept, reject or withdraw; the latter two with a reason."""
    key, decision, reason = str(evidence_id), one(form, "decision"), one(form, "reason")
    before = _facts(connection, key)
    try:
        decided = decide(connection, key, decision, decided_by=person.name, reason=reason or None)
    except EvidenceRefused as refused:
        return _details(
            request, person, connection, key, may_decide=True, problem=one_line(refused), typed_reason=reason
        )
    audit.record(connection, person, f"evidence.{decided.status}", key, before, _facts(connection, key))
    told = [f"Evidence {OUTCOMES[decision]}"]
    if decision == "accept":
        told.append("it covers 1 subject" if decided.subjects == 1 else f"it covers {decided.subjects} subjects")
    if decision != "reject":
        told.append("results show it from the next run on")
    return redirect(request, f"evidence/{key}", "; ".join((*told, *decided.lines)))


@router.get("/evidence/{evidence_id}/file")
def download(person: Reader, connection: Database, evidence_id: UUID) -> Response:
    """The stored file, to be saved: a browser neither shows nor runs it."""
    _facts(connection, str(evidence_id))
    kept: KeptFile = open_evidence(connection, str(evidence_id))
    return Response(kept.content, headers=kept.headers)


def _submitted(
    connection: Connection, person: Person, given: dict[str, str], file: tuple[str, bytes] | None
) -> tuple[str, tuple[str, ...]]:
    if file is None:
        raise EvidenceRefused("no file was chosen; choose the screenshot, document or export")
    submission = submit(
        connection,
        file,
        test_id=given["test_id"],
        workspace=given["workspace"] or None,
        scope=given["scope"] or None,
        targets=re.split(r"[,;\s]+", given["targets"].strip()) if given["targets"].strip() else (),
        captured_on=_day(given["captured_on"]),
        submitted_by=person.name,
        note=given["note"] or None,
    )
    return submission.evidence_id, submission.lines


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise EvidenceRefused(
            f"the day of capture {ascii(text.strip())[:40]} is no date; write it as 2026-03-31"
            if text.strip()
            else "the day of capture is missing; its validity counts from it"
        ) from None


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
        tests=CATALOGUE,
        scopes=SCOPES,
    )


def _details(
    request: Request,
    person: Person,
    connection: Connection,
    evidence_id: str,
    *,
    may_decide: bool,
    problem: str = "",
    typed_reason: str = "",
) -> Response:
    return page(
        request,
        person,
        "evidence_details.html",
        status_code=409 if problem else 200,
        evidence=_found(connection, evidence_id),
        subjects=rows(connection, "evidence/subjects", {"evidence_id": evidence_id, "limit": SHOWN}),
        may_decide=may_decide,
        problem=problem,
        typed_reason=typed_reason,
    )


def _found(connection: Connection, evidence_id: str) -> dict[str, Any]:
    found = row(connection, "evidence/one", {"evidence_id": evidence_id})
    if found is None:
        raise HTTPException(404, detail=f"there is no evidence {evidence_id}")
    return found


def _facts(connection: Connection, evidence_id: str) -> dict[str, Any]:
    """What the audit trail keeps of it."""
    found = _found(connection, evidence_id)
    return {name: found[name] for name in AUDITED if found[name] is not None}
