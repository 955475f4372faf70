"""The audit trail, newest first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BeforeValidator
from starlette.responses import Response

from compliance_console_app.database import Connection, Database, row, rows
from compliance_console_app.permissions import Reader
from compliance_console_app.services.workspaces import Selected
from compliance_console_app.web import csv_answer
from compliance_console_app.web.pages import page

router = APIRouter()

ENTRIES = 50
# Postgres' bigint.
_MOST = 2**63 - 1

# A uuid of Bitbucket stands in braces.
_ID = re.compile(r"\{[0-9a-f-]{36}\}|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")

# A form sends an empty day where none was chosen.
Day = Annotated[date | None, BeforeValidator(lambda typed: typed or None), Query()]
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
    since: Day = None,
    until: Day = None,
    older_than: Annotated[int | None, Query(ge=1, le=_MOST)] = None,
    form: csv_answer.Form = "",
) -> Response:
    """Who did what, before and after: a page of acts, older ones by a link; or every entry as CSV."""
    chosen = {"actor": actor, "action": action, "about": about.strip(), "since": since, "until": until}
    if form == "csv":
        return csv_answer.csv_answer("audit", "", rows(database, "audit/entries", chosen))
    found = rows(database, "audit/page", {**chosen, "older_than": older_than, "entries": ENTRIES + 1})
    shown = found[:ENTRIES]
    choices = row(database, "audit/choices") or {}
    names = _names(database, shown)
    return page(
        request,
        person,
        "audit.html",
        entries=[
            {
                **entry,
                "subjects": [_named(subject, names) for subject in entry["subjects"]],
                "changes": changes(entry["before"], entry["after"], names),
                "policy": _policy(entry),
            }
            for entry in shown
        ],
        chosen=chosen,
        actors=choices.get("actors") or [],
        actions=choices.get("actions") or [],
        older_than=older_than,
        oldest=shown[-1]["audit_id"] if len(found) > ENTRIES else None,
    )


def _policy(entry: Mapping[str, Any]) -> str:
    """The page of the policy that an entry is about; empty: it is about none."""
    number = (entry["after"] or {}).get("policy")
    return f"policies/{number}" if entry["action"].startswith("policy.") and isinstance(number, int) else ""


def _names(database: Connection, entries: list[dict[str, Any]]) -> dict[str, str]:
    """By id, what people call what these entries are about."""
    told = [str(entry[part]) for entry in entries for part in ("subjects", "before", "after")]
    ids = {found for text in told for found in _ID.findall(text)}
    return {found["id"]: found["name"] for found in rows(database, "audit/names", {"ids": sorted(ids)})} if ids else {}


def _named(text: str, names: Mapping[str, str]) -> str:
    """A text with names in the place of the ids that are known."""
    return _ID.sub(lambda found: names.get(found[0], found[0]), text)


def changes(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, names: Mapping[str, str]
) -> list[dict[str, str | None]]:
    """Every fact of an entry with what it was and what it is; None where it was not, or is no more.

    Args:
        names: by id, what stands in its place.
    """
    keys = list(dict.fromkeys([*(before or {}), *(after or {})]))
    return [{"name": key, "before": _told(before, key, names), "after": _told(after, key, names)} for key in keys]


def _told(facts: Mapping[str, Any] | None, name: str, names: Mapping[str, str]) -> str | None:
    value = None if facts is None else facts.get(name)
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_named(str(item), names) for item in value) or "none"
    return _named(str(value), names)
