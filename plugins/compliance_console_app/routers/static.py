"""Style sheet and icons; a login is needed for them as for everything."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, HTTPException
from starlette.responses import FileResponse

from compliance_console_app.permissions import SignedIn

router = APIRouter()
FOLDER = Path(__file__).parents[1] / "static"
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@router.get("/static/{name}")
def static_file(name: str, _: SignedIn) -> FileResponse:
    """A file of ``static/``, looked up by its name among those that are there."""
    for file in FOLDER.iterdir():
        if file.name == name and file.suffix in MEDIA_TYPES:
            return FileResponse(
                file, media_type=MEDIA_TYPES[file.suffix], headers={"Cache-Control": "private, max-age=3600"}
            )
    raise HTTPException(404, detail="no such file")
