"""How often an address may try to sign in, whatever auth manager Airflow uses.

FabAuthManager limits its form alone: its other doors (``/auth/token``, ``/auth/token/cli``,
``/auth/api/v1/security/login``) and Airflow's simple login take as many tries as a program can make. So every refused
request to whatever lies below ``/auth/`` counts here. It is counted in the process: each worker of the API server
(``[api] workers``) allows as many.
"""

from __future__ import annotations

import ipaddress
import json
import math
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

# Airflow loads plugins in the process of every task, too: nothing is imported there.
if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

REFUSALS = 10
SECONDS = 300.0
#: addresses that are remembered; beyond that the one that was quiet for longest is forgotten
ADDRESSES = 20_000
BELOW = "/auth/"


class LoginAttempts:
    """Answers 429 to an address whose last tries to sign in were refused."""

    def __init__(self, app: ASGIApp, clock: Callable[[], float] = time.monotonic):
        self.app = app
        self.clock = clock
        self.tries: dict[str, deque[float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS") or BELOW not in scope["path"]:
            await self.app(scope, receive, send)
            return
        tries, now = self._of(_address(scope)), self.clock()
        while tries and tries[0] <= now - SECONDS:
            tries.popleft()
        if len(tries) >= REFUSALS:
            await _refuse(send, tries[0] + SECONDS - now)
            return
        # Counted before it is answered, so that many at once are no way around; taken back when it is no refusal.
        tries.append(now)

        async def look_and_send(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400 and now in tries:
                tries.remove(now)
            await send(message)

        await self.app(scope, receive, look_and_send)

    def _of(self, address: str) -> deque[float]:
        """The tries of an address, which becomes the last to be forgotten."""
        tries = self.tries.pop(address, None) or deque()
        self.tries[address] = tries
        if len(self.tries) > ADDRESSES:
            del self.tries[next(iter(self.tries))]
        return tries


def _address(scope: Scope) -> str:
    """Who asks: one IPv4 address, or one network of IPv6, of which a single machine has 2^64."""
    client = scope.get("client")
    host = client[0] if client else ""
    try:
        return str(ipaddress.ip_network((host, 64), strict=False)) if ":" in host else host
    except ValueError:
        return host


async def _refuse(send: Send, wait: float) -> None:
    seconds = str(max(1, math.ceil(wait)))
    said = f"too many refused tries to sign in from your address: try again in {seconds} seconds"
    headers = {"content-type": "application/json", "retry-after": seconds}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 429, "headers": pairs})
    await send({"type": "http.response.body", "body": json.dumps({"detail": said}).encode()})
