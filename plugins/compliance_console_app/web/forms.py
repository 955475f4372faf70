"""Forms: read within a limit, from our own pages alone.

A form counts as ours when the browser says it comes from here (Origin, Sec-Fetch-Site), and when its field
``csrf_token`` is the signature of the person's name and of the nonce in the cookie.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import urlsplit

from airflow.configuration import conf
from fastapi import Depends, HTTPException, Request, status
from starlette.datastructures import FormData
from starlette.types import Message, Receive

from compliance_console_app.permissions import Person, SignedIn
from compliance_console_app.web.signing import is_signed, signature

MOST_BYTES = 10 * 1024 * 1024 + 64 * 1024
# A file of 10 MB, as a field carries it from the page of its preview: four letters for three bytes.
MOST_BYTES_CARRIED = 14 * 1024 * 1024
MOST_FIELDS = 2000
COOKIE = "compliance_form"
FIELD = "csrf_token"
PURPOSE = "form"


def nonce(request: Request) -> str:
    """The nonce of this browser: its cookie's, or a new one that ``page`` sends along."""
    if not hasattr(request.state, "form_nonce"):
        request.state.form_nonce = request.cookies.get(COOKIE) or secrets.token_urlsafe(24)
    return str(request.state.form_nonce)


def token(request: Request, person: Person) -> str:
    """What the field ``csrf_token`` of a form has to hold."""
    return signature(PURPOSE, person.name, nonce(request))


def carries_file(request: Request) -> None:
    """Let the form of this route be large enough for a file that a field carries."""
    request.state.most_bytes = MOST_BYTES_CARRIED


async def checked_form(request: Request, person: SignedIn) -> AsyncIterator[FormData]:
    """The form of this request; 403 where it isn't ours, 413 where it is too large."""
    _check_origin(request)
    most = getattr(request.state, "most_bytes", MOST_BYTES)
    limited = Request(request.scope, _limited(request, most))
    async with limited.form(max_fields=MOST_FIELDS, max_part_size=most) as form:
        claimed = form.get(FIELD)
        cookie = request.cookies.get(COOKIE, "")
        if not isinstance(claimed, str) or not cookie or not is_signed(claimed, PURPOSE, person.name, cookie):
            raise HTTPException(status.HTTP_403_FORBIDDEN, detail="the form is too old: open its page again")
        yield form


Form = Annotated[FormData, Depends(checked_form)]


def _check_origin(request: Request) -> None:
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    known = {request.headers.get("host", ""), urlsplit(conf.get("api", "base_url", fallback="")).netloc}
    if site != "same-origin" or (origin is not None and urlsplit(origin).netloc not in known - {""}):
        raise HTTPException(status.HTTP_403_FORBIDDEN, detail="the form comes from another site")


def _limited(request: Request, most: int) -> Receive:
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > most:
            told = f"the form is larger than {most // 1024 // 1024} MB"
            raise HTTPException(status.HTTP_413_CONTENT_TOO_LARGE, detail=told)
        return message

    return receive
