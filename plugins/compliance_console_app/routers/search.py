"""Search: whatever is called by a text, from the box in the frame."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from compliance_console_app.database import Database, rows
from compliance_console_app.permissions import MayDecide, Reader
from compliance_console_app.services.workspaces import Selected
from compliance_console_app.web.pages import page, redirect

router = APIRouter()

SHOWN = 10
LONGEST = 200


@router.get("/search")
def search(
    request: Request,
    person: Reader,
    connection: Database,
    selection: Selected,
    may_decide: MayDecide,
    q: Annotated[str, Query()] = "",
) -> Response:
    """What is called so in this workspace, by kind; one that is called exactly so is gone to at once.

    Whoever may not decide finds no member by an address.
    """
    text = " ".join(q.replace("\0", " ").split())[:LONGEST]
    asked = {"text": text, "workspace": selection.name, "may_see_addresses": may_decide, "limit": SHOWN}
    found = rows(connection, "search/found", asked) if text else []
    exact = [one for one in found if one["is_exact"]]
    if len(exact) == 1:
        return redirect(request, _path(exact[0]))
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in found:
        groups.setdefault(one["kind"], []).append({**one, "path": _path(one)})
    return page(request, person, "search.html", text=text, groups=groups)


def _path(found: dict[str, Any]) -> str:
    """The page of a hit, below the console's root."""
    match found["kind"]:
        case "projects":
            query = {"project": found["more"]}
        case "controls":
            query = {"framework": found["key"], "control": found["more"]}
        case "reason codes":
            query = {"words": found["more"]}
        case _:
            query = {}
    key = quote(found["key"], safe="") if found["page"].endswith("/") else ""
    return f"{found['page']}{key}{f'?{urlencode(query)}' if query else ''}"
