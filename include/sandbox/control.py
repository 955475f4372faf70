"""The control API under ``/_sandbox``, for processes that can't hold the state object: no token needed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any, get_type_hints

from fastapi import APIRouter, HTTPException, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from sandbox.actions import ActionError, act
from sandbox.endpoints import ENDPOINTS
from sandbox.state import Fault, SandboxState, Switches

_STRICT = ConfigDict(extra="forbid")
_SETTINGS: dict[str, Any] = {
    name: (kind, None) for name, kind in {"latency_ms": float, **get_type_hints(Switches)}.items()
}
_Settings: type[BaseModel] = create_model("Settings", __config__=_STRICT, **_SETTINGS)


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    checked: dict[str, Any] = _Settings(**settings).model_dump(exclude_unset=True)
    return checked


class ActionRequest(BaseModel):
    """The body of ``POST /_sandbox/actions``: a name and arguments of :mod:`sandbox.actions`."""

    model_config = _STRICT
    action: str
    arguments: dict[str, Any] = Field(default_factory=dict)


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
        return [asdict(record) for record in state.requests]


def _add_switching(router: APIRouter, state: SandboxState) -> None:
    @router.post("/reset")
    async def reset(faults: bool = True) -> dict[str, object]:
        state.reset(faults=faults)
        return state.stats()

    @router.post("/faults")
    async def faults(body: Fault) -> dict[str, object]:
        if body.endpoint not in ("*", "access_token", *(e.name for e in ENDPOINTS)):
            raise HTTPException(422, f"no endpoint is called {body.endpoint!r}")
        state.faults.append(body)
        return {"faults": len(state.faults)}

    @router.post("/latency")
    @router.post("/settings")
    async def settings(body: Annotated[dict[str, Any], AfterValidator(_checked)]) -> dict[str, object]:
        """What is left out stays."""
        for name, value in body.items():
            setattr(state, name, value)
        return body

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
