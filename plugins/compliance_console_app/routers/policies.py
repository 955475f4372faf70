"""Policies: what holds in plain words, changing it, deciding on what asks for less, and any one by its hash."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request
from starlette.responses import Response

from bitbucket_compliance.core.errors import PipelineError, PolicyInvalid, PolicyRefused, one_line
from bitbucket_compliance.core.persons import why_not_another
from bitbucket_compliance.policy.model import Policy, parsed_changes
from bitbucket_compliance.policy.overrides import DECISIONS, Plan, Proposal, flat, flat_changes, history, proposals
from bitbucket_compliance.security_tests.policies import decide, load_policy, plan_override, policy_of, set_override
from compliance_console_app.database import Connection, Database, row
from compliance_console_app.permissions import Decider, MayDecide, Person, Reader
from compliance_console_app.services.policy_keys import changed, grouped, known, origins
from compliance_console_app.services.workspaces import Selected, Selection
from compliance_console_app.web.fields import one, upload
from compliance_console_app.web.forms import Form
from compliance_console_app.web.pages import page, redirect

router = APIRouter()

#: What a file of overrides may hold: every key there is, with a reason for each, is a tenth of it.
MOST_BYTES = 64 * 1024
# Postgres' bigint.
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/policies")
def overview(
    request: Request, person: Reader, connection: Database, selection: Selected, may_decide: MayDecide
) -> Response:
    """What waits, every key with its value, and every policy that ever held."""
    return _page(request, person, connection, selection, may_decide=may_decide)


@router.get("/policies/change")
def ask(request: Request, person: Decider, connection: Database, selection: Selected) -> Response:
    """The form with the field of every key."""
    return _form(request, person, connection, selection)


@router.post("/policies/preview")
def preview(request: Request, person: Decider, connection: Database, selection: Selected, form: Form) -> Response:
    """What a change would do, or why it can't be made; nothing is written."""
    reason = one(form, "reason").strip()
    texts = {name: one(form, name) for name in known() if name in form}
    try:
        file = upload(form, "file")
        if file:
            changes, problems = _of_file(*file), {}
        else:
            base = load_policy()
            body = _newest(connection, selection)
            asked = changed(texts, body, _standing(connection, selection)[0], base)
            changes, problems = dict(asked.changes), dict(asked.problems)
        if not reason:
            problems["reason"] = "is missing; say why the policy changes, its history keeps it"
        plan = None if problems else plan_override(connection, _workspace(selection), changes)
    except PolicyInvalid as invalid:
        return _form(request, person, connection, selection, texts, reason, problem=one_line(invalid))
    if plan is None:
        return _form(request, person, connection, selection, texts, reason, problems=problems)
    if plan.body == plan.before:
        told = "nothing would change: this is what is set already"
        return _form(request, person, connection, selection, texts, reason, problem=told)
    return _preview(request, person, connection, selection, plan, reason)


@router.post("/policies")
def change(request: Request, person: Decider, connection: Database, selection: Selected, form: Form) -> Response:
    """Set what a preview showed, with a reason; what asks for less is a proposal."""
    reason = one(form, "reason").strip()
    try:
        if not reason:
            raise PolicyRefused("a reason is missing; say why the policy changes")
        try:
            changes = json.loads(one(form, "changes"))
        except (ValueError, RecursionError):
            changes = None
        if not isinstance(changes, dict):
            raise PolicyRefused("this is not the change that was shown; make it again")
        proposal = set_override(
            connection, _workspace(selection), changes, set_by=person.id, reason=reason, on=one(form, "on")
        )
    except (PolicyInvalid, PolicyRefused) as refused:
        return _form(request, person, connection, selection, {}, reason, problem=one_line(refused))
    if proposal is None:
        return redirect(request, "policies", "The policy is changed; it is in force from the next run on")
    told = f"Policy {proposal.override_id} is proposed: it asks for less, so somebody else has to accept it first"
    return redirect(request, "policies", told)


@router.get("/policies/{name}")
def one_policy(request: Request, person: Reader, connection: Database, _: Selected, name: str) -> Response:
    """Exactly one policy: a whole one by the hash that results name, or what was proposed or set by its number."""
    found = row(connection, "policies/version", {"version": name})
    proposed = None
    if found is None and name.isascii() and name.isdigit() and int(name) < 2**63:
        proposed = row(connection, "policies/number", {"number": int(name)})
    if found is None and proposed is None:
        raise HTTPException(
            404, detail=f"there is no policy {ascii(name)[:80]}; the page Policy lists those that were in force"
        )
    values = flat_changes((found or proposed or {})["body"])
    return page(request, person, "policy.html", version=found, proposed=proposed, values=values, keys=known())


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


def _of_file(name: str, content: bytes) -> dict[str, Any]:
    if len(content) > MOST_BYTES:
        raise PolicyInvalid(f"{name}: the policy file is larger than {MOST_BYTES // 1024} KB")
    try:
        return parsed_changes(content.decode("utf-8"), name)
    except UnicodeDecodeError as unreadable:
        raise PolicyInvalid(f"{name}: the policy file is not UTF-8 text") from unreadable


def _workspace(selection: Selection) -> str:
    if not selection.name:
        raise PolicyInvalid("no workspace has published results yet, so there is none to set a policy for")
    return selection.name


def _newest(connection: Connection, selection: Selection) -> Any:
    """What the workspace sets now."""
    held = history(connection, selection.name)
    return held[0].body if held else {}


def _standing(connection: Connection, selection: Selection) -> tuple[Policy, str]:
    """The policy in force, or that of no workspace in particular and why this one's can't be used."""
    try:
        return policy_of(connection, selection.name or None), ""
    except PolicyInvalid as invalid:
        # What it was raised from says the same without the way out for operators: on this page it is the form.
        cause = invalid.__cause__
        return load_policy(), one_line(cause if isinstance(cause, PipelineError) else invalid)


def _to_review(connection: Connection, person: Person, proposal: Proposal) -> dict[str, Any]:
    """A proposal with what it would change now, and why this person may not accept or reject it."""
    try:
        changes, problem = plan_override(connection, proposal.workspace, proposal.body).changes, ""
        may_be_one = policy_of(connection, proposal.workspace).thresholds.allow_self_review
    except PolicyInvalid as invalid:
        changes, problem, may_be_one = (), one_line(invalid), False
    not_for_you = "" if may_be_one else why_not_another(person.id, [proposal.set_by]) or ""
    return {**vars(proposal), "plan": changes, "problem": problem, "not_for_you": not_for_you}


def _page(
    request: Request,
    person: Person,
    connection: Connection,
    selection: Selection,
    *,
    may_decide: bool,
    problem: str = "",
) -> Response:
    in_force, unusable = _standing(connection, selection)
    held = history(connection, selection.name)
    return page(
        request,
        person,
        "policies.html",
        status_code=409 if problem else 200,
        waiting=[_to_review(connection, person, proposal) for proposal in proposals(connection)],
        is_kept=row(connection, "policies/version", {"version": in_force.version}) is not None,
        known=known(),
        groups=grouped(),
        in_force=in_force,
        values=flat(in_force),
        origins=origins(held, load_policy()),
        history=held,
        may_decide=may_decide,
        problem=problem,
        unusable=unusable,
    )


def _form(
    request: Request,
    person: Person,
    connection: Connection,
    selection: Selection,
    texts: dict[str, str] | None = None,
    reason: str = "",
    *,
    problem: str = "",
    problems: dict[str, str] | None = None,
) -> Response:
    values = flat(_standing(connection, selection)[0])
    if problems:
        problem = f"{len(problems)} {'field' if len(problems) == 1 else 'fields'} can't be used; each says why"
    return page(
        request,
        person,
        "policies_change.html",
        status_code=409 if problem else 200,
        groups=grouped(),
        texts={name: key.typed(values[name]) for name, key in known().items()} | (texts or {}),
        values=values,
        reason=reason,
        problem=problem,
        problems=problems or {},
    )


def _preview(
    request: Request, person: Person, connection: Connection, selection: Selection, plan: Plan, reason: str
) -> Response:
    return page(
        request,
        person,
        "policies_preview.html",
        plan=plan,
        keys=known(),
        changes=json.dumps(plan.body, ensure_ascii=False),
        reason=reason,
        waiting=proposals(connection, selection.name),
    )
