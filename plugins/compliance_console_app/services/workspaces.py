"""The workspace that the pages show: asked for by ``?workspace=``, remembered in a cookie."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from bitbucket_compliance.core.errors import PersonUnclear
from bitbucket_compliance.registry import persons
from compliance_console_app.database import WITH_THE_ROUTE, Database, rows
from compliance_console_app.permissions import MayConnect, MayDecide, SignedIn
from compliance_console_app.services import frame

COOKIE = "compliance_workspace"


@dataclass(frozen=True)
class Selection:
    """Every workspace that has published results, and the one shown; ``name`` is empty where there is none."""

    name: str
    all: tuple[str, ...]


def selected(
    request: Request, connection: Database, person: SignedIn, may_connect: MayConnect, may_sync: MayDecide
) -> Selection:
    """The workspace of this request; ``page`` shows it in the selector. Whoever sees a page is known from then on.

    Raises:
        HTTPException: 404; the address asks for a workspace that has no results. Those of another one are never shown
            in its place.
    """
    with suppress(PersonUnclear):
        persons.note(connection, person.id)
    known = tuple(row["workspace"] for row in rows(connection, "workspaces/list"))
    asked = request.query_params.get("workspace")
    # Pages below Integrations are about a connection: theirs may be a workspace that nothing was published of yet.
    if asked and asked not in known and "/integrations/" not in request.scope["path"]:
        request.state.selection = Selection("", known)
        request.state.frame = frame.around(connection, "", may_connect=may_connect, may_sync=may_sync)
        there = f"there are results of {', '.join(known)}" if known else "no workspace has published results yet"
        raise HTTPException(404, detail=f"there is no workspace {ascii(asked)[:80]} here; {there}")
    remembered = asked or request.cookies.get(COOKIE) or ""
    name = remembered if remembered in known else next(iter(known), "")
    request.state.selection = Selection(name, known)
    request.state.frame = frame.around(connection, name, may_connect=may_connect, may_sync=may_sync)
    return Selection(name, known)


Selected = Annotated[Selection, Depends(selected, **WITH_THE_ROUTE)]
