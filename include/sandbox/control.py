"""The control API under ``/_sandbox``, for processes that can't hold the state object: no token needed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from sandbox.actions import ActionError, act
from sandbox.endpoints import ENDPOINTS
from sandbox.state import FaultKind, SandboxState, TokenHold, WorkspaceNotFound


class FaultRequest(BaseModel):
    """The body of ``POST /_sandbox/faults``."""

    model_config = ConfigDict(extra="forbid")
    endpoint: str
    kind: FaultKind = "status"
    slug: str | None = None
    status: int = 500
    body: str | None = None
    remaining: int | None = None


class SettingsRequest(BaseModel):
    """The body of ``POST /_sandbox/settings`` and ``/_sandbox/latency``: what is left out stays."""

    model_config = ConfigDict(extra="forbid")
    latency_ms: float | None = None
    rate_429: float | None = None
    rate_500: float | None = None
    next_429: int | None = None
    hourly_limit: int | None = None
    rate_limit_headers: bool | None = None
    token_lifetime: int | None = None
    workspace_not_found: WorkspaceNotFound | None = None
    lists_carry_size: bool | None = None
    deny_authorization: bool | None = None
    refuse_refresh: bool | None = None
    token_delay_ms: float | None = None
    token_hold: TokenHold | None = None


class ActionRequest(BaseModel):
    """The body of ``POST /_sandbox/actions``: a name and arguments of :mod:`sandbox.actions`."""

    model_config = ConfigDict(extra="forbid")
    action: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class ResetRequest(BaseModel):
    """The body of ``POST /_sandbox/reset``."""

    model_config = ConfigDict(extra="forbid")
    faults: bool = True


def control_router(state: SandboxState) -> APIRouter:
    """The routes over a state: reading it, switching it, and letting something happen in it."""
    router = APIRouter(prefix="/_sandbox")
    _add_reading(router, state)
    _add_switching(router, state)
    _add_events(router, state)
    return router


def _add_reading(router: APIRouter, state: SandboxState) -> None:
    @router.get("/stats")
    async def stats() -> dict[str, object]:
        return state.stats()

    @router.get("/requests")
    async def log() -> list[dict[str, object]]:
        return [
            {"method": r.method, "path": r.path, "query": r.query, "status": r.status, "endpoint": r.endpoint}
            for r in state.requests
        ]


def _add_switching(router: APIRouter, state: SandboxState) -> None:
    @router.post("/reset")
    async def reset(body: ResetRequest | None = None) -> dict[str, object]:
        state.reset(faults=body is None or body.faults)
        return state.stats()

    @router.post("/faults")
    async def faults(body: FaultRequest) -> dict[str, object]:
        if body.endpoint not in ("*", "access_token", *(e.name for e in ENDPOINTS)):
            raise HTTPException(422, f"no endpoint is called {body.endpoint!r}")
        state.add_fault(**body.model_dump())
        return {"faults": len(state.faults)}

    @router.post("/latency")
    @router.post("/settings")
    async def settings(body: SettingsRequest) -> dict[str, object]:
        for name, value in body.model_dump(exclude_unset=True).items():
            setattr(state, name, value)
        return body.model_dump(exclude_unset=True)

    @router.post("/expire-tokens")
    async def expire_tokens() -> dict[str, object]:
        state.expire_tokens()
        return {"tokens": len(state.tokens)}


def _add_events(router: APIRouter, state: SandboxState) -> None:
    @router.get("/webhooks")
    async def webhooks() -> list[dict[str, object]]:
        return [
            {
                "uuid": hook.uuid,
                "workspace": workspace.slug,
                "repository": None if repo is None else repo.slug,
                "url": hook.url,
                "events": hook.events,
                "active": hook.active,
                "secret_set": hook.secret is not None,
            }
            for workspace, repo, hook in state.webhooks()
        ]

    # No coroutine: it may wait, and the API answers meanwhile.
    @router.get("/deliveries")
    def deliveries(wait: Annotated[float, Query(ge=0, le=300)] = 0) -> dict[str, object]:
        """Every attempt so far; ``wait`` gives what is on its way so many seconds to arrive."""
        with suppress(TimeoutError):
            state.deliveries.drain(wait)
        return {
            "attempts": [asdict(attempt) for attempt in list(state.deliveries.attempts)],
            "waiting": state.deliveries.waiting,
            "dropped": state.deliveries.dropped,
        }

    @router.post("/actions")
    def actions(body: ActionRequest) -> dict[str, object]:
        try:
            return {"done": [done.summary() for done in act(state, body.action, body.arguments)]}
        except ActionError as problem:
            raise HTTPException(422, str(problem)) from problem
