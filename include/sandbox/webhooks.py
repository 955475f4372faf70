"""Delivering events to webhooks: who is told, how a request is signed, and when it is sent again.

Rules: 10 s for an answer; an answer of 5xx, or none, is followed by up to two more attempts at once; any other
answer ends it; a body of more than 256 KB is silently dropped. Source: Atlassian's pages on webhooks. The headers
name uuids without braces, and the time as HTTP does, as recorded requests do. Nothing is ordered: two events of
one second may arrive the other way round, as Bitbucket's do.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from uuid import uuid4

import requests

from sandbox import payloads
from sandbox.model import Account, PullRequest, Repository, Webhook, Workspace
from sandbox.render import Json

MAX_BODY = 256 * 1024
MAX_ATTEMPTS = 3
USER_AGENT = "Bitbucket-Webhooks/2.0"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one webhook, as that stood when it happened."""

    hook_uuid: str
    url: str
    event_key: str
    request_uuid: str
    headers: dict[str, str]
    body: bytes = field(repr=False)
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request to a webhook's address; ``status`` is 0 where no answer came, ``seconds`` how long it took."""

    hook_uuid: str
    event_key: str
    request_uuid: str
    number: int
    status: int
    seconds: float
    sent_at: datetime


def request_for(
    webhook: Webhook,
    event_key: str,
    body: Json | bytes,
    *,
    request_uuid: str | None = None,
    attempt: int = 1,
    happened_at: datetime | None = None,
) -> tuple[dict[str, str], bytes]:
    """The signed request of an event, headers and body, without sending it.

    A body given as bytes is taken as it is. ``request_uuid`` is a new one and ``happened_at`` now unless given.
    """
    sent = body if isinstance(body, bytes) else encoded(body)
    headers = {
        "User-Agent": USER_AGENT,
        "Content-Type": "application/json",
        "X-Event-Key": event_key,
        "X-Hook-UUID": webhook.uuid.strip("{}"),
        "X-Request-UUID": request_uuid or str(uuid4()),
        "X-Event-Time": format_datetime((happened_at or datetime.now(UTC)).astimezone(UTC), usegmt=True),
        "X-Attempt-Number": str(attempt),
    }
    if webhook.secret:
        headers["X-Hub-Signature"] = "sha256=" + hmac.new(webhook.secret.encode(), sent, hashlib.sha256).hexdigest()
    return headers, sent


def encoded(body: Json) -> bytes:
    """A body as it goes over the wire."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


class Deliveries:
    """Delivers events in threads and remembers every attempt.

    Attributes:
        workers: how many deliveries are on their way at once; a change holds from the next :meth:`close` on.
        timeout: seconds that an answer may take.
        attempts: every request that was made, in the order in which they ended.
        dropped: events that no webhook was told of, as their body was too large.
    """

    def __init__(self, workers: int = 8, timeout: float = 10.0) -> None:
        self.workers = workers
        self.timeout = timeout
        self.attempts: list[Attempt] = []
        self.dropped = 0
        self._pool: ThreadPoolExecutor | None = None
        self._waiting = 0
        self._changed = threading.Condition()

    def emit(
        self,
        event_key: str,
        workspace: Workspace,
        repository: Repository,
        pull_request: PullRequest | None = None,
        actor: Account | None = None,
        details: Json | None = None,
    ) -> list[Delivery]:
        """Tell every active webhook of the workspace and the repository that subscribed to the event.

        Args:
            actor: who did it; the workspace's first member unless given.
            details: what only this kind of event has, from :mod:`sandbox.payloads`.

        Returns:
            What is on its way; nothing where nobody subscribed, or the body is too large.
        """
        told = [
            hook for hook in (*workspace.webhooks, *repository.webhooks) if hook.active and event_key in hook.events
        ]
        if not told:
            return []
        who = actor or next((member.account for member in workspace.members), None)
        body = encoded(payloads.event(event_key, workspace, repository, pull_request, who, details or {}))
        if len(body) > MAX_BODY:
            self.dropped += 1
            return []
        made: list[Delivery] = []
        for hook in told:
            headers, sent = request_for(hook, event_key, body)
            number, verify = headers["X-Request-UUID"], not hook.skip_cert_verification
            made.append(Delivery(hook.uuid, hook.url, event_key, number, headers, sent, verify))
            self.send(made[-1])
        return made

    def send(self, delivery: Delivery) -> None:
        """Put a delivery on its way, be it a new one or one that was delivered before (a replay)."""
        with self._changed:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.workers, thread_name_prefix="webhook")
            self._waiting += 1
            future = self._pool.submit(self._deliver, delivery)
        future.add_done_callback(self._ended)

    def drain(self, timeout: float = 60.0) -> None:
        """Wait until nothing is on its way; raises ``TimeoutError`` with how much still is."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting == 0, timeout):
                raise TimeoutError(f"{self._waiting} deliveries are still on their way after {timeout:g} s")

    @property
    def waiting(self) -> int:
        """How many deliveries are on their way."""
        return self._waiting

    def forget(self) -> None:
        """Empty the record of attempts; what is on its way still arrives in it."""
        with self._changed:
            self.attempts.clear()
            self.dropped = 0

    def close(self) -> None:
        """Give up what has not been begun; a later event starts the threads anew."""
        with self._changed:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def _deliver(self, delivery: Delivery) -> None:
        for number in range(1, MAX_ATTEMPTS + 1):
            status = self._attempt(delivery, number)
            if 0 < status < 500:
                return

    def _attempt(self, delivery: Delivery, number: int) -> int:
        sent_at, started = datetime.now(UTC), time.monotonic()
        try:
            with requests.Session() as session:
                # Proxies of the environment are none of a stand-in's, nor is what requests says of itself.
                session.trust_env = False
                session.headers.clear()
                answer = session.post(
                    delivery.url,
                    data=delivery.body,
                    headers=delivery.headers | {"X-Attempt-Number": str(number), "Connection": "close"},
                    timeout=self.timeout,
                    allow_redirects=False,
                    verify=delivery.verify,
                )
            status = answer.status_code
        except (requests.RequestException, OSError, ValueError):
            status = 0
        seconds = time.monotonic() - started
        made = Attempt(
            delivery.hook_uuid, delivery.event_key, delivery.request_uuid, number, status, seconds, sent_at
        )  # fmt: skip
        with self._changed:
            self.attempts.append(made)
        return status

    def _ended(self, future: Future[None]) -> None:
        with self._changed:
            self._waiting -= 1
            self._changed.notify_all()
        if not future.cancelled() and (problem := future.exception()) is not None:
            raise problem
