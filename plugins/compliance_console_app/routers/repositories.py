"""Repositories: the inventory, and what somebody declares of one or many of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from bitbucket_compliance.core.errors import ImportRefused, one_line
from bitbucket_compliance.registry.classification import (
    CLASSIFICATIONS,
    SENSITIVITIES,
    Change,
    Declared,
    classify,
    take_back,
)
from compliance_console_app.database import Connection, Database, rows
from compliance_console_app.permissions import Decider, MayDecide, Person, Reader
from compliance_console_app.routers.past import PastPages
from compliance_console_app.services import audit
from compliance_console_app.services.workspaces import Selected, Selection
from compliance_console_app.web import csv_answer
from compliance_console_app.web.fields import one, page_number, several, typed
from compliance_console_app.web.forms import Form
from compliance_console_app.web.listing import Listing, PageNumber, Text, known_sort
from compliance_console_app.web.pages import page, redirect, words
from compliance_console_app.web.past import AsOf

router = APIRouter()

SORTS = ("name", "project", "visibility", "classification", "sensitivity", "owner", "updated")
FILTER = ("search", "project", "classification", "sensitivity", "visibility")
# Fields of the form are named apart from those of the filter that it carries along.
DECLARED = ("declare", "declare_sensitivity", "declare_owner")
VALUES = ("classification", "sensitivity", "owner")
NOTHING: Mapping[str, Any] = dict.fromkeys((*VALUES, "target_type", "target"))
TAKE_BACK = "take_back"
NONE = "none"
CLASSIFIED = {one: words(one) for one in CLASSIFICATIONS}


@router.get("/repositories")
def inventory(
    request: Request,
    person: Reader,
    connection: Database,
    selection: Selected,
    may_decide: MayDecide,
    past: AsOf,
    search: Text = "",
    project: Text = "",
    classification: Text = "",
    sensitivity: Text = "",
    visibility: Text = "",
    sort: Text = "name",
    number: PageNumber = 1,
    form: csv_answer.Form = "",
) -> Response:
    """A page of the inventory, filtered and sorted."""
    if past:
        return PastPages(request, person, connection, selection, past).inventory("repositories", search, number)
    chosen = dict(zip(FILTER, (search.strip(), project, classification, sensitivity, visibility), strict=True))
    listing = Listing("repositories", chosen, known_sort(sort, SORTS, "name"), number)
    if form == "csv":
        found = _listed(connection, selection.name, replace(listing, number=1, size=None))
        return csv_answer.csv_answer("repositories", selection.name, found)
    return _inventory(request, person, connection, selection, listing, may_decide=may_decide)


@router.post("/repositories/classify")
def declare(request: Request, person: Decider, connection: Database, selection: Selected, form: Form) -> Response:
    """Declare something of the repositories that were ticked, or of all that the filter leaves."""
    chosen = typed(form, *FILTER)
    listing = Listing("repositories", chosen, known_sort(one(form, "sort"), SORTS, "name"), page_number(form))
    given = typed(form, *DECLARED)
    try:
        ids = _named(connection, selection.name, form, listing)
        changes = _declared(connection, selection.name, ids, given, person)
    except ImportRefused as refused:
        return _inventory(
            request,
            person,
            connection,
            selection,
            listing,
            may_decide=True,
            given=given,
            ticked=several(form, "repository"),
            problem=one_line(refused),
        )
    taken_back = given["declare"] == TAKE_BACK
    _record(connection, person, selection.name, changes, taken_back=taken_back)
    return redirect(request, listing.address, _told(changes, len(ids), taken_back=taken_back))


def _named(connection: Connection, workspace: str, form: Form, listing: Listing) -> list[str]:
    """Ids of the repositories that are meant.

    Raises:
        ImportRefused: none is, or the filter leaves others by now than were shown.
    """
    if one(form, "of") != "all":
        return several(form, "repository")
    found = [row["repository_id"] for row in _listed(connection, workspace, replace(listing, number=1, size=None))]
    if str(len(found)) != one(form, "total"):
        raise ImportRefused(
            f"the filter now finds {len(found)} repositories, but the page showed {ascii(one(form, 'total'))[1:20]}; "
            "look at them and choose again",
            [],
        )
    return found


def _declared(
    connection: Connection, workspace: str, ids: list[str], given: dict[str, str], person: Person
) -> list[Change]:
    if given["declare"] == TAKE_BACK:
        return take_back(connection, workspace, ids, withdrawn_by=person.id)
    classification = given["declare"] or None
    sensitivity = {"": None, NONE: ""}.get(given["declare_sensitivity"], given["declare_sensitivity"])
    owner = {"": None, "-": ""}.get(given["declare_owner"].strip(), given["declare_owner"])
    if (classification, sensitivity, owner) == (None, None, None):
        raise ImportRefused("nothing is to change: choose a classification, a sensitivity or an owner", [])
    return classify(
        connection,
        workspace,
        ids,
        classification=classification,
        sensitivity=sensitivity,
        owner=owner,
        declared_by=person.id,
    )


def _record(connection: Connection, person: Person, workspace: str, changes: list[Change], *, taken_back: bool) -> None:
    action = "classification.withdrawn" if taken_back else "classification.declared"
    for change in changes:
        name = f"repository {workspace}/{change.slug}"
        audit.record(connection, person, action, name, _facts(change.before), _facts(change.after))


def _facts(declared: Declared | None) -> dict[str, Any] | None:
    return asdict(declared) if declared else None


def _told(changes: list[Change], named: int, *, taken_back: bool) -> str:
    if not changes:
        return "Nothing changed: that was declared already"
    of = "1 repository" if len(changes) == 1 else f"{len(changes)} repositories"
    done = f"Taken back for {of}" if taken_back else f"Declared for {of}"
    if taken_back and named > len(changes):
        done += f"; nothing was declared of the other {named - len(changes)} themselves"
    still = sum(change.after is not None for change in changes)
    if taken_back and still:
        done += f"; {still} stay classified by another entry"
    return f"{done}; results show it from the next run on"


def _listed(connection: Connection, workspace: str, listing: Listing) -> list[dict[str, Any]]:
    by_declared = listing.parameters["sort"] in VALUES or any(listing.chosen[name] for name in VALUES[:2])
    asked = {**listing.chosen, **listing.parameters, "workspace": workspace, "by_declared": by_declared}
    return rows(connection, "repositories/list", asked)


def _standing(connection: Connection, workspace: str, ids: list[str]) -> dict[str, dict[str, Any]]:
    """What is declared at this moment, by repository."""
    found = rows(connection, "repositories/declared", {"workspace": workspace, "repository_ids": ids})
    return {one["repository_id"]: one for one in found}


def _as_declared(repository: dict[str, Any], standing: Mapping[str, Any]) -> dict[str, Any]:
    """A repository with what is declared of it, which results may not show yet."""
    is_news = any(repository[f"published_{name}"] != standing[name] for name in VALUES)
    return {**repository, **standing, "is_news": is_news}


def _inventory(
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
    found = _listed(connection, selection.name, listing)
    standing = _standing(connection, selection.name, [one["repository_id"] for one in found])
    projects = rows(connection, "repositories/projects", {"workspace": selection.name})
    return page(
        request,
        person,
        "repositories.html",
        status_code=409 if problem else 200,
        repositories=[_as_declared(one, standing.get(one["repository_id"], NOTHING)) for one in found],
        listing=listing.of(found),
        projects=[one["project_key"] for one in projects],
        classifications={"unclassified": "unclassified", **CLASSIFIED},
        sensitivities=SENSITIVITIES,
        declarable={**CLASSIFIED, TAKE_BACK: "Take back what was declared"},
        declarable_sensitivities={NONE: "None", **{one: one for one in SENSITIVITIES}},
        may_decide=may_decide,
        given=given or dict.fromkeys(DECLARED, ""),
        ticked=ticked or [],
        problem=problem,
    )
