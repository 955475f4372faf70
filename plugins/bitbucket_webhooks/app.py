"""The one route that Bitbucket delivers to.

A delivery is believed for nothing but what to read again, and only when its signature was made with a secret of the
webhook it names. Nothing of it is parsed before. It is answered with 2xx once its event is committed, or known already;
then Bitbucket forgets it. With 503 Bitbucket sends it again at once, twice at most.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from fastapi import APIRouter, FastAPI, Request
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response

from bitbucket_cloud.errors import ConfigurationError
from bitbucket_webhooks.database import PATIENCE, Database, DatabaseAway, Event, Hook
from bitbucket_webhooks.signature import matches

log = logging.getLogger(__name__)

PATH = "/webhooks/bitbucket"
#: Bytes of a body; Bitbucket sends no more.
MAX_BODY = 256 * 1024
#: Seconds that a body may take to arrive: as long as Bitbucket waits for the answer.
BODY_SECONDS = 10.0

_UUID = re.compile(r"\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?", re.ASCII | re.IGNORECASE)
_EVENT_KEY = re.compile(r"[a-z_]{1,40}:[a-z_]{1,60}", re.ASCII)
_REQUEST_ID = re.compile(r"[0-9A-Za-z_{}.:-]{1,100}", re.ASCII)

ACCEPTED = "taken in\n"
KNOWN = "known already\n"
UNAUTHORIZED = "unknown webhook, or no valid signature\n"


class Refused(Exception):
    """A delivery is not taken in."""

    def __init__(self, status: int, told: str, reason: str = "") -> None:
        super().__init__(reason or told.strip())
        self.status = status
        self.told = told


def create_app(database: Database) -> FastAPI:
    """The receiver alone: nothing else is answered."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await database.close()

    app = FastAPI(
        title="Receiver of Bitbucket's webhooks",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(router(database))
    return app


def router(database: Database) -> APIRouter:
    """The route, to be mounted where an application is at hand."""
    routes = APIRouter()
    refusals = _Refusals()

    @routes.post(PATH, response_class=PlainTextResponse)
    async def deliver(request: Request) -> Response:
        """Take one delivery in: 202; 401 unknown webhook or signature, 413 too large, 400 unreadable, 503 later."""
        try:
            told = await _taken_in(request, database)
        except Refused as refused:
            refusals.tell(refused)
            # The rest of the body is not waited for.
            return PlainTextResponse(refused.told, refused.status, {"Connection": "close"})
        return PlainTextResponse(told, 202)

    return routes


async def _taken_in(request: Request, database: Database) -> str:
    deadline = time.monotonic() + PATIENCE
    try:
        hook = await _hook(request, database, deadline)
        body = await _body(request)
        await _authenticate(request, database, hook, body, deadline)
        event = _event(request, body)
        # A body that came slowly leaves it a second all the same.
        is_new = await database.take_in(hook, event, max(deadline, time.monotonic() + 1.0))
    except DatabaseAway as away:
        raise Refused(503, "the database does not answer, try again\n", f"database away ({away})") from away
    except ConfigurationError as wrong:
        raise Refused(503, "the receiver is not set up, try again later\n", str(wrong)) from wrong
    log.info(
        "%s of workspace %s, repository %s: %s",
        event.event_key,
        hook.workspace,
        event.repository_id or "none",
        (ACCEPTED if is_new else KNOWN).strip(),
    )
    return ACCEPTED if is_new else KNOWN


async def _hook(request: Request, database: Database, deadline: float) -> Hook:
    named = _UUID.fullmatch(request.headers.get("x-hook-uuid", ""))
    hook = await database.hook(f"{{{named[1].lower()}}}", deadline) if named else None
    if hook is None:
        raise Refused(401, UNAUTHORIZED, "unknown webhook")
    return hook


async def _body(request: Request) -> bytes:
    """The raw body, read no further than it may be long."""
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:12]) > MAX_BODY:
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise _too_large()
    except TimeoutError:
        raise Refused(408, "the body did not arrive in time\n") from None
    except ClientDisconnect:
        raise Refused(400, "the body broke off\n") from None
    return bytes(body)


def _too_large() -> Refused:
    return Refused(413, f"a body of more than {MAX_BODY // 1024} KB is not taken in\n")


async def _authenticate(request: Request, database: Database, hook: Hook, body: bytes, deadline: float) -> None:
    header = request.headers.get("x-hub-signature")
    if matches(header, body, hook.secrets):
        return
    # The secret may have been rotated since it was looked up.
    again = await database.hook(hook.hook_id, deadline, afresh=True)
    if again is not None and matches(header, body, again.secrets):
        return
    if again is not None and again.problem:
        # It may be signed with the secret that can't be opened: the fault is ours.
        raise ConfigurationError(again.problem)
    await database.count_refusal(hook, deadline)
    raise Refused(401, UNAUTHORIZED, f"wrong or missing signature in the name of webhook {hook.hook_id}")


def _event(request: Request, body: bytes) -> Event:
    """What is kept of a delivery whose signature was right."""
    event_key = request.headers.get("x-event-key", "")
    if not _EVENT_KEY.fullmatch(event_key):
        raise Refused(400, "X-Event-Key is no key of an event, such as repo:push\n")
    body_hash = hashlib.sha256(body).hexdigest()
    request_id = request.headers.get("x-request-uuid") or f"none:{uuid4()}"
    if not _REQUEST_ID.fullmatch(request_id):
        raise Refused(400, "X-Request-UUID is no uuid\n")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise Refused(400, "the body is no JSON object\n")
    return Event(event_key, request_id, body_hash, _repository(content))


def _repository(content: dict[str, object]) -> str | None:
    """The uuid of the repository that a body is about, with braces; None where it names none."""
    repository = content.get("repository")
    named = repository.get("uuid") if isinstance(repository, dict) else None
    found = _UUID.fullmatch(named) if isinstance(named, str) else None
    return f"{{{found[1].lower()}}}" if found else None


class _Refusals:
    """Tells of refused deliveries in the log, one line a second at most: anybody may send some."""

    def __init__(self) -> None:
        self._told_at = float("-inf")
        self._untold = 0

    def tell(self, refused: Refused) -> None:
        now = time.monotonic()
        if now - self._told_at < 1.0:
            self._untold += 1
            return
        others = f" (and {self._untold} more before it)" if self._untold else ""
        log.warning("delivery refused with %d: %s%s", refused.status, refused, others)
        self._told_at, self._untold = now, 0
