"""Policies: what a workspace's own policy changes, and those that ask for less and wait for somebody else."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request
from starlette.responses import Response

from bitbucket_compliance.core.errors import PolicyInvalid, PolicyRefused, one_line
from bitbucket_compliance.policy.overrides import DECISIONS, history, proposals
from bitbucket_compliance.security_tests.policies import decide, differences
from compliance_console_app.database import Connection, Database
from compliance_console_app.permissions import Decider, MayDecide, Person, Reader
from compliance_console_app.services.workspaces import Selected, Selection
from compliance_console_app.web.fields import one
from compliance_console_app.web.forms import Form
from compliance_console_app.web.pages import page, redirect

router = APIRouter()

# Postgres' bigint.
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/policies")
def overview(
    request: Request, person: Reader, connection: Database, selection: Selected, may_decide: MayDecide
) -> Response:
    """What waits, what differs from the policy as delivered, and every policy that ever held."""
    return _page(request, person, connection, selection, may_decide=may_decide)


@router.post("/policies/{number}/decision")
def decide_on(
    request: Request, person: Decider, connection: Database, selection: Selected, number: Number, form: Form
) -> Response:
    """Accept, reject or withdraw a policy that asks for less; the latter two with a reason."""
    decision, reason = one(form, "decision"), one(form, "reason").strip()
    if number not in [proposal.override_id for proposal in proposals(connection)]:
        raise HTTPException(404, detail=f"no policy {number} waits for a decision")
    try:
        decided = decide(connection, number, decision, decided_by=person.id, reason=reason or None)
    except PolicyRefused as refused:
        return _page(request, person, connection, selection, may_decide=True, problem=one_line(refused))
    told = f"Policy {number} of {decided.workspace} {DECISIONS[decision]}"
    return redirect(
        request, "policies", f"{told}; it is in force from the next run on" if decision == "accept" else told
    )


def _page(
    request: Request,
    person: Person,
    connection: Connection,
    selection: Selection,
    *,
    may_decide: bool,
    problem: str = "",
) -> Response:
    try:
        differing = differences(connection, selection.name) if selection.name else []
    except PolicyInvalid as invalid:
        differing, problem = [], problem or one_line(invalid)
    return page(
        request,
        person,
        "policies.html",
        status_code=409 if problem else 200,
        waiting=proposals(connection),
        differing=differing,
        history=history(connection, selection.name),
        may_decide=may_decide,
        problem=problem,
    )
