"""Members: the access review. Who has access, how the roster names them, and who decided to keep or revoke it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from bitbucket_compliance.core.errors import ReviewRefused, one_line
from bitbucket_compliance.registry.access_reviews import review, sign_off
from compliance_console_app.database import Connection, Database, executed, row, rows
from compliance_console_app.permissions import Decider, MayDecide, Person, Reader
from compliance_console_app.routers.past import PastPages
from compliance_console_app.services import audit
from compliance_console_app.services.workspaces import Selected, Selection
from compliance_console_app.web.csv_answer import csv_answer
from compliance_console_app.web.fields import one, page_number, several, typed
from compliance_console_app.web.forms import Form
from compliance_console_app.web.listing import Listing, PageNumber, Text, known_sort
from compliance_console_app.web.pages import page, redirect
from compliance_console_app.web.past import AsOf

router = APIRouter()

SORTS = ("urgency", "name", "role", "two_step", "last_accessed", "state", "reviewed_at")
FILTER = ("search", "role", "roster", "review")
GROUPS = {
    "left": "left, still has access",
    "not_on_roster": "not on the roster",
    "name_only": "on the roster by name only",
    "app": "app",
    "fine": "on the roster",
}
REVIEWS = {
    "due": "to be reviewed: new, or changed since",
    "changed": "changed since",
    "keep": "kept",
    "revoke": "revoked, still a member",
}
CHANGES = {"role": "the role", "match": "how the roster names them", "employment": "what the roster says"}


@router.get("/members")
def overview(
    request: Request,
    person: Reader,
    connection: Database,
    selection: Selected,
    may_decide: MayDecide,
    past: AsOf,
    search: Text = "",
    role: Text = "",
    roster: Text = "",
    review: Text = "",
    sort: Text = "urgency",
    number: PageNumber = 1,
) -> Response:
    """A page of the members, filtered and sorted."""
    if past:
        return PastPages(request, person, connection, selection, past).inventory("members", search, number)
    chosen = dict(zip(FILTER, (search.strip(), role, roster, review), strict=True))
    listing = Listing("members", chosen, known_sort(sort, SORTS, "urgency"), number)
    return _members(request, person, connection, selection, listing, may_decide=may_decide)


@router.get("/members/review.csv")
def export(person: Decider, connection: Database, selection: Selected) -> Response:
    """The review for the auditor, as a table that a spreadsheet takes for no formula. It lists who has left."""
    if not selection.name:
        raise HTTPException(404, detail="no workspace has published results yet")
    found = executed(connection, "members/review", {"workspace": selection.name})
    columns = [column.name for column in found.description or ()]
    return csv_answer("access-review", selection.name, found.fetchall(), columns)


@router.post("/members/review")
def decide(request: Request, person: Decider, connection: Database, selection: Selected, form: Form) -> Response:
    """Keep or revoke the access of the members that were ticked."""
    sort = known_sort(one(form, "sort"), SORTS, "urgency")
    listing = Listing("members", typed(form, *FILTER), sort, page_number(form))
    workspace, members = selection.name, several(form, "member")
    decision, reason = one(form, "decision"), one(form, "reason")
    before = _standing(connection, workspace, members)
    try:
        count = review(connection, workspace, members, decision, reviewed_by=person.id, reason=reason)
    except ReviewRefused as refused:
        return _members(
            request,
            person,
            connection,
            selection,
            listing,
            may_decide=True,
            ticked=members,
            reason=reason,
            problem=one_line(refused),
        )
    after = _standing(connection, workspace, members)
    action = "access.kept" if decision == "keep" else "access.revoked"
    for member_id, stands in after.items():
        name = f"member {workspace}/{stands.pop('display_name')}"
        audit.record(connection, person, action, name, _decision(before[member_id]), stands)
    of = "1 member" if count == 1 else f"{count} members"
    told = f"Kept: {of}" if decision == "keep" else f"To be revoked: {of}; take the access away in Bitbucket"
    return redirect(request, listing.address, told)


@router.post("/members/sign-off")
def done(request: Request, person: Decider, connection: Database, selection: Selected, form: Form) -> Response:
    """Sign the review off: on every member a decision stands."""
    note = one(form, "note")
    try:
        signed = sign_off(connection, selection.name, signed_off_by=person.id, note=note)
    except ReviewRefused as refused:
        listing = Listing("members", dict.fromkeys(FILTER, "") | {"review": "due"}, "urgency")
        return _members(request, person, connection, selection, listing, may_decide=True, problem=one_line(refused))
    audit.record(connection, person, "access.signed_off", f"workspace {selection.name}", None, vars(signed))
    told = f"Signed off: {signed.members} members, {signed.kept} kept, {signed.revoked} to be revoked"
    return redirect(request, "members", told)


@router.get("/members/print")
def printed(request: Request, person: Decider, connection: Database, selection: Selected) -> Response:
    """The whole review on one page, to be printed. It lists who has left."""
    everybody = Listing("members", dict.fromkeys(FILTER, ""), "urgency", size=None)
    found = rows(connection, "members/list", _parameters(everybody, selection))
    return page(
        request,
        person,
        "members_print.html",
        members={group: [one for one in found if one["review_group"] == group] for group in GROUPS},
        groups=GROUPS,
        counts=row(connection, "members/choices", {"workspace": selection.name}),
        sign_offs=rows(connection, "members/sign_offs", {"workspace": selection.name}),
        printed_at=datetime.now(UTC),
    )


def _parameters(listing: Listing, selection: Selection) -> dict[str, Any]:
    """What the list asks for."""
    return {**listing.chosen, **listing.parameters, "workspace": selection.name}


def _standing(connection: Connection, workspace: str, members: list[str]) -> dict[str, dict[str, Any]]:
    found = rows(connection, "members/before", {"workspace": workspace, "member_ids": members})
    return {one.pop("member_id"): one for one in found}


def _decision(stands: dict[str, Any]) -> dict[str, Any] | None:
    return {name: stands[name] for name in ("decision", "reason", "reviewed_by")} if stands["decision"] else None


def _members(
    request: Request,
    person: Person,
    connection: Connection,
    selection: Selection,
    listing: Listing,
    *,
    may_decide: bool,
    ticked: list[str] | None = None,
    reason: str = "",
    problem: str = "",
) -> Response:
    found = rows(connection, "members/list", _parameters(listing, selection))
    return page(
        request,
        person,
        "members.html",
        status_code=409 if problem else 200,
        members=found,
        listing=listing.of(found),
        counts=row(connection, "members/choices", {"workspace": selection.name}),
        groups=GROUPS,
        reviews=REVIEWS,
        changes=CHANGES,
        sign_offs=rows(connection, "members/sign_offs", {"workspace": selection.name}),
        may_decide=may_decide,
        ticked=ticked or [],
        reason=reason,
        problem=problem,
    )
