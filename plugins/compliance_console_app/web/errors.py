"""Errors told on a page: one line: what is wrong and what to do, and nothing of the inside."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse

from bitbucket_cloud.errors import BitbucketError
from bitbucket_compliance.core.errors import PipelineError, one_line
from compliance_console_app.web.headers import SECURITY
from compliance_console_app.web.pages import page, sign_in_address

log = logging.getLogger(__name__)

TITLES = {
    400: "This can't be read",
    401: "Please sign in to Airflow",
    403: "Not allowed",
    404: "No such page",
    405: "Not possible here",
    409: "Not done",
    410: "No longer here",
    413: "Too large",
    422: "This can't be read",
    503: "Not now",
}


def install(app: FastAPI) -> None:
    """Let every error of the console end on its page."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(PipelineError, _ours)
    app.add_exception_handler(BitbucketError, _ours)
    app.add_exception_handler(Exception, _unexpected)


def can_be_asked_for(request: Request) -> None:
    """Refuse an address that names nothing: Postgres keeps no NUL, and a browser leaves no dots in one."""
    path = request.scope["path"]
    if "\0" in path or not {".", ".."}.isdisjoint(path.split("/")):
        raise HTTPException(404, detail="the address holds a character that no page has")


def _told(request: Request, status_code: int, text: str) -> HTMLResponse:
    title = TITLES.get(status_code, "Something went wrong")
    person = getattr(request.state, "person", None)
    sign_in = sign_in_address(request) if status_code == 401 else ""
    return page(request, person, "error.html", status_code=status_code, title=title, text=text, sign_in=sign_in)


async def _http(request: Request, error: Exception) -> HTMLResponse:
    status_code = error.status_code if isinstance(error, HTTPException) else 500
    text = str(error.detail) if isinstance(error, HTTPException) else one_line(error)
    response = _told(request, status_code, text)
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response


async def _unreadable(request: Request, error: Exception) -> HTMLResponse:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    named = ", ".join(".".join(str(part) for part in problem["loc"][1:]) for problem in found)
    return _told(request, 422, f"a value of the address can't be read: {named}")


async def _ours(request: Request, error: Exception) -> HTMLResponse:
    retryable = getattr(error, "retryable", False)
    log.warning("%s %s: %s", request.method, request.url.path, one_line(error))
    return _told(request, 503 if retryable else 409, one_line(error))


async def _unexpected(request: Request, error: Exception) -> HTMLResponse:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    response = _told(request, 500, "the console failed; the log of the API server says why")
    response.headers.update(SECURITY)
    return response
