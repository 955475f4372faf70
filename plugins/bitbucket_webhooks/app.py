"""The one route that Bitbucket delivers to.

A delivery is believed for nothing but what to read again, and which commit a main branch was moved to; and only when
its signature was made with a secret of the webhook it names; its body is parsed after that. It is answered with 2xx
once its event is committed, was known already, or is a push to other branches, of which nothing is kept; Bitbucket does
not send it again then. After a 503 Bitbucket sends it again at once, twice at most.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from fastapi import APIRouter, FastAPI, Request
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response

from bitbucket_cloud.errors import ConfigurationError
from bitbucket_cloud.webhooks.events import DeliveryUnreadable, Event, read_event, webhook_of
from bitbucket_cloud.webhooks.signature import matches
from bitbucket_webhooks.database import PATIENCE, Database, DatabaseAway, Webhook

log = logging.getLogger(__name__)

PATH = "/webhooks/bitbucket"
#: Bytes of a body; Bitbucket sends no more.
MAX_BODY = 256 * 1024
#: Seconds that a body may take to arrive: as long as Bitbucket waits for the answer.
BODY_SECONDS = 10.0
#: Deliveries that are worked on at a time; the others wait, as long as for the database. Bodies arrive beside that.
MOST_AT_WORK = 32

ACCEPTED = "taken in\n"
KNOWN = "known already\n"
NOTHING_KEPT = "no push to a main branch, nothing is kept\n"
UNAUTHORIZED = "unknown webhook, or no valid signature\n"


class Refused(Exception):
    """A delivery is not taken in.

    Attributes:
        status: of the answer.
        answer: its text; the message of the exception is for the log alone.
    """

    def __init__(self, status: int, answer: str, reason: str = "") -> None:
        super().__init__(reason or answer.strip())
        self.status = status
        self.answer = answer


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
    """The route, to be mounted in another application or in one of its own."""
    routes = APIRouter()
    work = asyncio.Semaphore(MOST_AT_WORK)
    refusals = _RefusalLog()

    @routes.post(PATH, response_class=PlainTextResponse)
    async def deliver(request: Request) -> Response:
        """Take one delivery in: 202; 401 unknown webhook or signature, 413 too large, 400 unreadable, 503 later."""
        try:
            answer = await _take_in(request, database, work)
        except Refused as refused:
            refusals.add(refused)
            # The rest of the body is not waited for.
            return PlainTextResponse(refused.answer, refused.status, {"Connection": "close"})
        return PlainTextResponse(answer, 202)

    return routes


async def _take_in(request: Request, database: Database, work: asyncio.Semaphore) -> str:
    """Keep the event of a delivery; what to answer.

    Raises:
        Refused: it can't be kept, or must not be.
    """
    deadline = time.monotonic() + PATIENCE
    try:
        async with _turn(work, deadline):
            webhook = await _webhook(request, database, deadline)
        body = await _body(request)
        # A body that came slowly leaves it a second all the same.
        deadline = max(deadline, time.monotonic() + 1.0)
        async with _turn(work, deadline):
            await _authenticate(request, database, webhook, body, deadline)
            event = await _of_main_branch(read_event(request.headers, body), database, webhook, deadline)
            if event.push is not None and not event.push.changes:
                # Most pushes are: neither a row nor a line in the log.
                return NOTHING_KEPT
            is_new = await database.take_in(webhook, event, deadline)
    except DatabaseAway as away:
        raise Refused(503, "the database does not answer, try again\n", f"the database is away ({away})") from away
    except ConfigurationError as wrong:
        raise Refused(503, "the receiver is not set up, try again later\n", str(wrong)) from wrong
    except DeliveryUnreadable as unreadable:
        raise Refused(400, f"{unreadable}\n") from None
    answer = ACCEPTED if is_new else KNOWN
    _log_event(webhook, event, answer)
    return answer


async def _of_main_branch(event: Event, database: Database, webhook: Webhook, deadline: float) -> Event:
    """The event, with what was pushed to the repository's main branch and to no other; raises ``DatabaseAway``."""
    if event.push is None:
        return event
    branch = await database.main_branch(webhook, event.repository_id, deadline) if event.repository_id else None
    return replace(event, push=event.push.to_branch(branch))


@asynccontextmanager
async def _turn(work: asyncio.Semaphore, deadline: float) -> AsyncIterator[None]:
    """Wait until it may be worked on; refuse it where that takes too long."""
    try:
        async with asyncio.timeout(max(0.1, deadline - time.monotonic())):
            await work.acquire()
    except TimeoutError:
        raise Refused(503, "too many deliveries at once, try again\n") from None
    try:
        yield
    finally:
        work.release()


def _log_event(webhook: Webhook, event: Event, answer: str) -> None:
    repository = event.repository_id or "none"
    log.info("%s of workspace %s, repository %s: %s", event.event_key, webhook.workspace, repository, answer.strip())


async def _webhook(request: Request, database: Database, deadline: float) -> Webhook:
    hook_id = webhook_of(request.headers)
    webhook = await database.webhook(hook_id, deadline) if hook_id else None
    if webhook is None:
        raise Refused(401, UNAUTHORIZED, "unknown webhook")
    return webhook


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


async def _authenticate(request: Request, database: Database, webhook: Webhook, body: bytes, deadline: float) -> None:
    header = request.headers.get("x-hub-signature")
    if matches(header, body, webhook.secrets):
        return
    # The secret may have been rotated since it was looked up.
    again = await database.webhook(webhook.hook_id, deadline, afresh=True)
    if again is not None and matches(header, body, again.secrets):
        return
    if again is not None and again.problem:
        # It may be signed with the secret that can't be decrypted: then the fault is ours.
        raise ConfigurationError(again.problem)
    await database.count_refusal(webhook, deadline)
    raise Refused(401, UNAUTHORIZED, f"wrong or missing signature in the name of webhook {webhook.hook_id}")


class _RefusalLog:
    """Logs refused deliveries, one line a second at most: anybody may send some."""

    def __init__(self) -> None:
        self._logged_at = float("-inf")
        self._not_logged = 0

    def add(self, refused: Refused) -> None:
        now = time.monotonic()
        if now - self._logged_at < 1.0:
            self._not_logged += 1
            return
        others = f" (and {self._not_logged} more before it)" if self._not_logged else ""
        log.warning("delivery refused with %d: %s%s", refused.status, refused, others)
        self._logged_at, self._not_logged = now, 0
