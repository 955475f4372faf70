"""What a running stand-in knows beside its data: consumers, tokens, the request log and the fault switches.

One :class:`SandboxState` belongs to one server. Tests in the same process hold it directly; other processes
reach it through ``/_sandbox/*``.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from pydantic import ConfigDict

from sandbox.model import Account, Repository, Webhook, Workspace
from sandbox.webhooks import Deliveries

FIVE_SCOPES = ("account", "repository", "pullrequest", "webhook", "pipeline")
ADMIN_SCOPES = (*FIVE_SCOPES, "repository:admin")

# Classic scopes only; "repository:admin" implies nothing. Source: the official document's scope chapter.
IMPLIED_SCOPES: dict[str, tuple[str, ...]] = {
    "account:write": ("account",),
    "issue:write": ("issue",),
    "pipeline:write": ("pipeline",),
    "pipeline:variable": ("pipeline:write",),
    "project": ("repository",),
    "pullrequest": ("repository",),
    "pullrequest:write": ("pullrequest", "repository:write"),
    "repository:write": ("repository",),
}

FaultKind = Literal[
    "status",  # the given status code with Bitbucket's body for it
    "status_after",  # the same, after the work was done: what was to be created is there
    "text",  # the given status code, text/plain
    "html",  # the given status code, a page of some 25 KB that holds a token
    "reset",  # the connection is cut before an answer
    "truncated",  # the right answer, cut in the middle
    "reset_in_body",  # the same, and the connection is reset instead of closed
    "invalid_json",  # status 200, a body that is not JSON
    "repeat_item",  # the page's last item comes again (on the next page, if there is one)
    "wrong_size",  # "size" counts more items than there are
    "no_size",  # the listing has no "size"
    "drop_next",  # the listing stops early: no "next"
    "next_forgets",  # the "next" link names neither fields nor sort
    "next_with_ampersand",  # the "next" link begins its query with "&"
    "next_of_another",  # the "next" link leads to the same listing of the repository that ``body`` names
    "empty_pages",  # no page holds anything, and each names a next one
    "closed_account",  # one more membership, whose account was closed: its user is null
    "pages",  # as ``body`` says in JSON: "pages", each a list of places in the listing, and its "size" and "pagelen"
    "redirect",  # to the repository's slug where it is asked for by uuid; the query is not repeated
    "of_another",  # the right answer, but about the repository that the fault names in ``body``
    "fewer_scopes",  # the right answer, whose header states the scopes of its endpoint alone
]
WorkspaceNotFound = Literal["json", "text", "html"]
#: a token request is held there, before or after its token is used up, until the switch is off or the client gone
TokenHold = Literal["before", "after"]
#: where a person's browser goes if neither the request nor the consumer says
DEFAULT_REDIRECT = "http://localhost:8976/callback"
#: seconds in which a code has to be exchanged
CODE_LIFETIME = 600
SEED = 20261123


def closure(scopes: Iterable[str]) -> frozenset[str]:
    """The scopes and all that they imply."""
    found: set[str] = set()
    waiting = list(scopes)
    while waiting:
        scope = waiting.pop()
        if scope not in found:
            found.add(scope)
            waiting.extend(IMPLIED_SCOPES.get(scope, ()))
    return frozenset(found)


def without_implied(scopes: Iterable[str]) -> list[str]:
    """The scopes as live tokens list them: those that another granted scope implies are left out."""
    given = list(dict.fromkeys(scopes))
    return [s for s in given if not any(s in closure((other,)) for other in given if other != s)]


@dataclass(slots=True)
class Consumer:
    """An OAuth consumer; its scopes are fixed on it, as on Bitbucket.

    ``redirect_uri`` is its callback address: a request may only name one that begins with it. Empty takes any,
    which Bitbucket does not.
    """

    key: str
    secret: str
    scopes: tuple[str, ...]
    workspace_admin: bool = True
    redirect_uri: str = ""


@dataclass(slots=True)
class Code:
    """An authorization code on its way: for which consumer, from which address, and until when (epoch)."""

    consumer_key: str
    redirect_uri: str | None
    expires_at: float


@dataclass(slots=True)
class Credential:
    """What a bearer token stands for; ``expires_at`` is seconds since the epoch, null for never."""

    scopes: tuple[str, ...]
    credential_type: str
    workspace_admin: bool = True
    expires_at: float | None = None

    def allows(self, required: Iterable[str]) -> bool:
        """Whether the granted scopes, with what they imply, cover the required ones."""
        return closure(self.scopes).issuperset(required)


@dataclass(slots=True)
class RequestRecord:
    """One answered request; ``status`` is 0 where the connection was cut on purpose."""

    method: str
    path: str
    query: str
    status: int
    endpoint: str
    slug: str | None
    at: float


@dataclass(slots=True)
class Fault:
    """A switch on one endpoint (``*`` for all), for one repository or for all, so often (null: for ever)."""

    __pydantic_config__ = ConfigDict(extra="forbid")
    endpoint: str
    kind: FaultKind = "status"
    slug: str | None = None
    status: int = 500
    body: str | None = None
    remaining: int | None = None

    def meets(self, endpoint: str, slug: str | None) -> bool:
        """Whether this switch is on for a request."""
        return (
            self.remaining != 0
            and self.endpoint in ("*", endpoint)
            and (self.slug is None or self.slug.lower() == (slug or "").lower())
        )


@dataclass(slots=True)
class Cursor:
    """Where a ``next`` link goes on: the listing it belongs to and the first item."""

    path: str
    offset: int
    page: int


def default_consumers() -> dict[str, Consumer]:
    """The two consumers of the demo, by key."""
    made = (
        Consumer("demo-key", "demo-secret", FIVE_SCOPES),
        Consumer("demo-admin-key", "demo-admin-secret", ADMIN_SCOPES),
    )
    return {consumer.key: consumer for consumer in made}


def default_tokens() -> dict[str, Credential]:
    """The two workspace access tokens of the demo, by token."""
    scopes = {"demo-token": FIVE_SCOPES, "demo-admin-token": ADMIN_SCOPES}
    return {token: Credential(granted, "workspace_access_token") for token, granted in scopes.items()}


def _over_limit(hour: deque[float], limit: int | None) -> bool:
    """Whether one more request is too many in the rolling hour, given when the others came; counts it if not."""
    if limit is None:
        return False
    now = time.monotonic()
    while hour and hour[0] <= now - 3600:
        hour.popleft()
    if len(hour) >= limit:
        return True
    hour.append(now)
    return False


@dataclass(kw_only=True)
class Switches:
    """What goes otherwise than usual until a reset; ``POST /_sandbox/settings`` takes each by its name."""

    rate_429: float = 0.0
    rate_500: float = 0.0
    next_429: int = 0
    hourly_limit: int | None = None
    # Whether access tokens are told of the limit; null: where there is one. OAuth consumers never are.
    rate_limit_headers: bool | None = None
    token_lifetime: int = 7200
    workspace_not_found: WorkspaceNotFound = "json"
    lists_carry_size: bool = True
    # Of merge checks of pull requests: their own limit an hour, and how kinds are shown that no rule asks for.
    merge_checks_hourly_limit: int | None = None
    unconfigured_checks: Literal["absent", "null", "zero"] = "absent"
    deny_authorization: bool = False
    refuse_refresh: bool = False
    token_delay_ms: float = 0.0
    token_hold: TokenHold | None = None
    # Bytes of a request line that the web server in front takes.
    request_line_limit: int = 4094
    # An address that the members' filter answers with 400; *: any.
    refused_address: str = ""


@dataclass
class SandboxState(Switches):
    """Everything that a test may look at or switch. Times are in seconds unless the name says otherwise."""

    workspaces: list[Workspace]
    identity: Account
    consumers: dict[str, Consumer] = field(default_factory=default_consumers)
    tokens: dict[str, Credential] = field(default_factory=default_tokens)
    requests: list[RequestRecord] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    latency_ms: float = 0.0
    in_flight: int = 0
    max_in_flight: int = 0
    refresh_tokens: dict[str, str] = field(default_factory=dict)
    spent_refresh_tokens: set[str] = field(default_factory=set)
    reused_refresh_tokens: int = 0
    codes: dict[str, Code] = field(default_factory=dict)
    token_requests_held: int = 0
    cursors: dict[str, Cursor] = field(default_factory=dict)
    deliveries: Deliveries = field(default_factory=Deliveries)
    # What time it is for those who change something, see actions.
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        #: held while an answer is made and while an action changes the data: a reader sees all of it or nothing
        self.lock = threading.RLock()
        self._random = random.Random(SEED)  # noqa: S311  # faults are to be repeatable
        self._hour: deque[float] = deque()
        self._merge_checks_hour: deque[float] = deque()

    # --- data -----------------------------------------------------------------------------------------

    def workspace(self, key: str) -> Workspace | None:
        """The workspace with this slug or uuid, or nothing."""
        wanted = key.lower()
        return next((w for w in self.workspaces if wanted in (w.slug.lower(), w.uuid.lower())), None)

    def repository(self, slug: str) -> Repository:
        """The repository with this slug in the first workspace; raises ``KeyError`` if there is none."""
        found = self.workspaces[0].repository(slug)
        if found is None:
            raise KeyError(slug)
        return found

    def webhooks(self) -> list[tuple[Workspace, Repository | None, Webhook]]:
        """Every webhook with the workspace and, unless it is the workspace's own, the repository it belongs to."""
        found: list[tuple[Workspace, Repository | None, Webhook]] = []
        for workspace in self.workspaces:
            found += [(workspace, None, hook) for hook in workspace.webhooks]
            found += [(workspace, repo, hook) for repo in workspace.repositories for hook in repo.webhooks]
        return found

    # --- credentials ----------------------------------------------------------------------------------

    def add_consumer(self, key: str, secret: str, scopes: Iterable[str], *, workspace_admin: bool = True) -> Consumer:
        """Register an OAuth consumer with these classic scopes."""
        self.consumers[key] = Consumer(key, secret, tuple(scopes), workspace_admin)
        return self.consumers[key]

    def add_token(self, token: str, scopes: Iterable[str], *, workspace_admin: bool = True) -> None:
        """Register an access token that is used directly as a bearer."""
        self.tokens[token] = Credential(tuple(scopes), "workspace_access_token", workspace_admin)

    def issue_token(self, consumer: Consumer) -> str:
        """A fresh bearer token for a consumer, living ``token_lifetime`` seconds."""
        token = "sandbox-" + secrets.token_urlsafe(24)
        expires_at = time.time() + self.token_lifetime
        self.tokens[token] = Credential(consumer.scopes, "oauth2_legacy", consumer.workspace_admin, expires_at)
        return token

    def issue_refresh_token(self, consumer_key: str) -> str:
        """A refresh token of a consumer: single use, each refresh hands out the next one."""
        token = "refresh-" + secrets.token_urlsafe(24)
        self.refresh_tokens[token] = consumer_key
        return token

    def issue_code(self, consumer_key: str, redirect_uri: str | None = None) -> str:
        """An authorization code, as a person's consent gives it: single use."""
        code = secrets.token_urlsafe(12)
        self.codes[code] = Code(consumer_key, redirect_uri, time.time() + CODE_LIFETIME)
        return code

    def expire_tokens(self) -> None:
        """End the life of every token that a consumer was given (access tokens live on)."""
        for credential in self.tokens.values():
            if credential.credential_type == "oauth2_legacy":
                credential.expires_at = 0.0

    # --- faults ---------------------------------------------------------------------------------------

    def add_fault(self, endpoint: str, *, kind: FaultKind = "status", **more: Any) -> Fault:
        """Switch a fault on; ``more`` are the other fields of :class:`Fault`."""
        if kind not in get_args(FaultKind):
            raise ValueError(f"unknown fault kind {kind!r}: one of {', '.join(get_args(FaultKind))}")
        self.faults.append(Fault(endpoint, kind, **more))
        return self.faults[-1]

    def take_fault(self, endpoint: str, slug: str | None) -> Fault | None:
        """The first fault that meets a request, its count lowered by one."""
        for fault in self.faults:
            if fault.meets(endpoint, slug):
                if fault.remaining is not None:
                    fault.remaining -= 1
                return fault
        return None

    def refusal(self) -> int | None:
        """The status with which this API request is refused, or nothing: counts it against the switches.

        The burst of ``next_429`` comes first, then ``hourly_limit``, then the random rates (seeded).
        """
        if self.next_429 > 0:
            self.next_429 -= 1
            return 429
        if _over_limit(self._hour, self.hourly_limit):
            return 429
        drawn = self._random.random() if self.rate_429 or self.rate_500 else 1.0
        if drawn < self.rate_429:
            return 429
        return 500 if drawn < self.rate_429 + self.rate_500 else None

    def merge_checks_over_limit(self) -> bool:
        """Whether one more request for merge checks is too many; counts it."""
        return _over_limit(self._merge_checks_hour, self.merge_checks_hourly_limit)

    def limit_headers(self, credential: Credential) -> dict[str, str]:
        """What an access token is told of its limit; "near" is less than a fifth left, as Atlassian writes."""
        limit = self.hourly_limit
        wanted = limit is not None if self.rate_limit_headers is None else self.rate_limit_headers
        if not wanted or credential.credential_type != "workspace_access_token":
            return {}
        limit = 1000 if limit is None else limit
        near = limit - len(self._hour) < 0.2 * limit
        return {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Resource": "api",
            "X-RateLimit-NearLimit": str(near).lower(),
        }

    # --- the log --------------------------------------------------------------------------------------

    def count(self, endpoint: str | None = None, *, slug: str | None = None, status: int | None = None) -> int:
        """How many requests were answered, of one endpoint, repository or status if given."""
        return sum(
            endpoint in (None, r.endpoint) and slug in (None, r.slug) and status in (None, r.status)
            for r in self.requests
        )

    def forbidden(self) -> list[RequestRecord]:
        """The requests to paths outside the table of endpoints: there should be none."""
        return [record for record in self.requests if record.endpoint == "unknown"]

    def stats(self) -> dict[str, object]:
        """The counters as plain data: totals, per endpoint, per status, forbidden paths."""
        api = [r for r in self.requests if r.path.startswith("/2.0/")]
        return {
            "requests": len(self.requests),
            "api_requests": len(api),
            "by_endpoint": dict(Counter(r.endpoint for r in self.requests)),
            "by_status": {str(code): n for code, n in Counter(r.status for r in self.requests).items()},
            "forbidden": [f"{r.method} {r.path}" for r in self.forbidden()],
            "reused_refresh_tokens": self.reused_refresh_tokens,
            "webhooks": len(self.webhooks()),
            "repositories": sum(len(w.repositories) for w in self.workspaces),
        }

    def reset(self, *, faults: bool = True) -> None:
        """Empty the log and the counters and, unless told otherwise, switch every fault off.

        The latency is a setting, not a fault: it stays. So do webhooks, which are data.
        """
        self.requests.clear()
        self.deliveries.forget()
        self.cursors.clear()
        self._hour.clear()
        self._merge_checks_hour.clear()
        self.reused_refresh_tokens = 0
        self.max_in_flight = self.in_flight
        self._random = random.Random(SEED)  # noqa: S311  # faults are to be repeatable
        if faults:
            self.faults.clear()
            for switch in fields(Switches):
                setattr(self, switch.name, switch.default)
