"""Addresses that name no page: told within the frame, to whoever is signed in."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException
from starlette.responses import Response

from compliance_console_app.permissions import Reader
from compliance_console_app.services.workspaces import Selected

router = APIRouter()


@router.get("/{path:path}")
def no_page(person: Reader, selection: Selected, path: str) -> Response:
    """Nothing lies here."""
    raise HTTPException(404, detail="no page of the console has this address")
