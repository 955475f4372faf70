"""Audit packages: what an auditor signs off from for a period, made by Airflow and downloaded here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response, StreamingResponse

from bitbucket_compliance.core.errors import one_line
from bitbucket_compliance.reporting.audit.model import FREQUENCIES, AuditRequest
from compliance_console_app.database import Connection, Database
from compliance_console_app.permissions import MayDecide, MayPackage, Packager, Person, Reader
from compliance_console_app.services import audit, packages
from compliance_console_app.services.dag_runs import RunNotStarted
from compliance_console_app.services.frameworks import known_frameworks
from compliance_console_app.services.workspaces import Selected, Selection
from compliance_console_app.web.fields import typed
from compliance_console_app.web.forms import Form
from compliance_console_app.web.listing import Listing, PageNumber, Text
from compliance_console_app.web.moments import period_of
from compliance_console_app.web.pages import page, redirect

router = APIRouter()

FIELDS: Final = ("framework", "since", "until", "seed", "frequency", "people", "read_samples")
LONGEST_SEED: Final = 200
STATES: Final = {"made": "passing", "failed": "failing", "queued": "pending", "under way": "pending"}


@router.get("/controls/packages")
def overview(
    request: Request,
    person: Reader,
    connection: Database,
    selection: Selected,
    may_decide: MayDecide,
    may_package: MayPackage,
    framework: Text = "",
    since: Text = "",
    until: Text = "",
    number: PageNumber = 1,
) -> Response:
    """The packages that were made of the workspace, and the form that asks for one."""
    given = {**dict.fromkeys(FIELDS, ""), "framework": framework, "since": since, "until": until}
    may = {"decide": may_decide, "package": may_package}
    return _packages(request, person, connection, selection, given, may, number=number)


@router.post("/controls/packages")
def make(
    request: Request,
    person: Packager,
    connection: Database,
    selection: Selected,
    may_decide: MayDecide,
    form: Form,
) -> Response:
    """Start the run that makes a package, or say why not."""
    given = typed(form, *FIELDS)
    if given["people"] and not may_decide:
        raise HTTPException(
            403, detail="only who may decide can ask for a package with people: ask for one with pseudonyms"
        )
    try:
        wanted = _wanted(connection, selection, given)
        listing = Listing("controls/packages").parameters | {"workspace": selection.name}
        for same in packages.listed(connection, listing):
            if same["state"] in ("queued", "under way") and _is_same(same, wanted):
                return redirect(request, "controls/packages", "Such a package is being made already.")
        packages.start(connection, person, wanted)
    except (HTTPException, RunNotStarted) as refused:
        status_code, told = (
            (refused.status_code, str(refused.detail))
            if isinstance(refused, HTTPException)
            else (409, one_line(refused))
        )
        may = {"decide": may_decide, "package": True}
        return _packages(request, person, connection, selection, given, may, problem=told, status_code=status_code)
    return redirect(request, "controls/packages", "The package is being made; this page shows when it is there.")


@router.get("/controls/packages/{package_id}")
def download(
    person: Reader, connection: Database, selection: Selected, may_decide: MayDecide, package_id: UUID
) -> Response:
    """The zip, from where the task wrote it. One that names people is for deciders alone."""
    found = packages.known(connection, selection.name, package_id)
    if found is None:
        raise HTTPException(404, detail="there is no such package of this workspace")
    if found["people"] and not may_decide:
        raise HTTPException(403, detail="this package names people: whoever decides may download it")
    if found["deleted_at"]:
        told = f"the zip of this package was deleted on {found['deleted_at']:%Y-%m-%d}, as the policy has it"
        raise HTTPException(410, detail=f"{told}: make the package again")
    file = packages.opened(found)
    after = {"workspace": selection.name, "people": found["people"], "manifest_sha256": found["manifest_sha256"]}
    audit.record(connection, person, "audit_package.downloaded", f"audit package {package_id}", None, after)
    headers = {"Content-Disposition": f'attachment; filename="{file.name}"', "Content-Length": str(file.size)}
    return StreamingResponse(file.content, media_type="application/zip", headers=headers)


def _wanted(connection: Connection, selection: Selection, given: dict[str, str]) -> AuditRequest:
    """What the form asks for.

    Raises:
        HTTPException: 404 or 422, it can't be made.
    """
    if not selection.name:
        raise HTTPException(404, detail="no workspace has published results yet")
    period = period_of(given["since"], given["until"])
    if period is None:
        raise HTTPException(422, detail="give the first and the last day of the period")
    if given["framework"] and given["framework"] not in known_frameworks(connection):
        raise HTTPException(404, detail=f"no framework is called {given['framework'][:60]}")
    if period[1] > datetime.now(UTC).date():
        raise HTTPException(422, detail="the period lies ahead: its last day is today at the latest")
    seed = given["seed"].strip()
    if len(seed) > LONGEST_SEED or not seed.isprintable():
        raise HTTPException(422, detail=f"a seed has {LONGEST_SEED} characters at most, in one line")
    if given["frequency"] not in ("", *FREQUENCIES):
        raise HTTPException(422, detail=f"a control operates {', '.join(FREQUENCIES)}, or the population decides")
    return AuditRequest(
        selection.name,
        *period,
        seed,
        given["framework"],
        bool(given["people"]),
        given["frequency"],
        bool(given["read_samples"]),
    )


def _is_same(listed: dict[str, object], wanted: AuditRequest) -> bool:
    asked = ("first_day", "last_day", "seed", "framework", "people", "frequency", "read_samples")
    return all(listed[name] == getattr(wanted, name) for name in asked)


def _packages(
    request: Request,
    person: Person,
    connection: Connection,
    selection: Selection,
    given: dict[str, str],
    may: dict[str, bool],
    *,
    number: int = 1,
    problem: str = "",
    status_code: int = 200,
) -> Response:
    listing = Listing("controls/packages", number=number)
    found = packages.listed(connection, {**listing.parameters, "workspace": selection.name})
    return page(
        request,
        person,
        "packages.html",
        status_code=status_code,
        packages=found,
        listing=listing.of(found),
        is_over=all(one["state"] in ("made", "failed") for one in found),
        states=STATES,
        frameworks=known_frameworks(connection),
        frequencies=FREQUENCIES,
        given=given,
        may=may,
        problem=problem,
    )
