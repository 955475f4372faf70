"""The audit trail, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse

from compliance_console_app.database import Database, row, rows
from compliance_console_app.permissions import Reader
from compliance_console_app.services.workspaces import Selected
from compliance_console_app.web.pages import page

router = APIRouter()

ENTRIES = 50
# Postgres' bigint.
_MOST = 2**63 - 1

Text = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]


@router.get("/audit")
def trail(
    request: Request,
    person: Reader,
    database: Database,
    _: Selected,
    actor: Text = "",
    action: Text = "",
    about: Text = "",
    older_than: Annotated[int | None, Query(ge=1, le=_MOST)] = None,
) -> HTMLResponse:
    """Who did what, before and after: a page of entries, older ones by a link."""
    chosen = {"actor": actor, "action": action, "about": about.strip()}
    found = rows(database, "audit/page", {**chosen, "older_than": older_than, "entries": ENTRIES + 1})
    shown = found[:ENTRIES]
    choices = row(database, "audit/choices") or {}
    return page(
        request,
        person,
        "audit.html",
        entries=[{**entry, "changes": changes(entry["before"], entry["after"])} for entry in shown],
        chosen=chosen,
        actors=choices.get("actors") or [],
        actions=choices.get("actions") or [],
        older_than=older_than,
        oldest=shown[-1]["audit_id"] if len(found) > ENTRIES else None,
    )


def changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[dict[str, str | None]]:
    """Every fact of an entry with what it was and what it is; None where it was not, or is no more."""
    names = list(dict.fromkeys([*(before or {}), *(after or {})]))
    return [{"name": name, "before": _told(before, name), "after": _told(after, name)} for name in names]


def _told(facts: Mapping[str, Any] | None, name: str) -> str | None:
    value = None if facts is None else facts.get(name)
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    return str(value)
