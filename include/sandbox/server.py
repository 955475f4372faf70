"""The FastAPI application: routes, authentication, latency, faults and the control API.

Every request goes the same way: wait, token, random faults, switched faults, scope, handler, page, fields.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from starlette.responses import RedirectResponse
from starlette.types import Receive, Scope, Send

from sandbox import errors, oauth
from sandbox.call import Call, Done, Endpoint, Listing
from sandbox.control import control_router
from sandbox.endpoints import ENDPOINTS, GONE_PATHS
from sandbox.errors import ApiError
from sandbox.paging import page
from sandbox.partial import project
from sandbox.state import Credential, Fault, RequestRecord, SandboxState, TokenHold, without_implied

API_ROOT = "/2.0"
AUTHORIZE_PATH = "/site/oauth2/authorize"
TOKEN_PATH = "/site/oauth2/access_token"  # noqa: S105  # a path
LISTING_FAULTS = frozenset(
    {
        "repeat_item", "wrong_size", "no_size", "drop_next", "next_forgets", "next_with_ampersand", "next_of_another",
        "empty_pages", "closed_account", "pages",
    }
)  # fmt: skip
ANY_METHOD = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"]


class Broken(Response):
    """An answer that stops after half of its body, or without a body never begins: its ``status_code`` is then 0.

    The connection is reset, or closed as if all had been sent.
    """

    def __init__(self, request: Request, whole: bytes = b"", *, reset: bool = True) -> None:
        super().__init__(whole, 200 if whole else 0, media_type="application/json")
        # Nothing in ASGI cuts a connection: this is the transport of the server itself.
        self._transport = getattr(getattr(request.receive, "__self__", None), "transport", None)
        self._reset = reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what is to be sent, then close the connection or reset it."""
        if self.body:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            half = bytes(self.body)[: len(self.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
        if self._transport is None:
            return
        if not self._reset:
            self._transport.close()
            return
        # A reset throws away what its peer has not read yet.
        await asyncio.sleep(0.02 if self.body else 0)
        with suppress(OSError, AttributeError):
            linger = struct.pack("ii", 1, 0)
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.abort()


def create_app(state: SandboxState) -> FastAPI:
    """The application over a state: API, token endpoint and control API."""
    app = FastAPI(title="Bitbucket Cloud stand-in", openapi_url=None, redirect_slashes=False)
    app.include_router(control_router(state))
    for endpoint in ENDPOINTS:
        app.add_route(API_ROOT + endpoint.path, partial(_api, state, endpoint), [endpoint.method])
    app.add_route(AUTHORIZE_PATH, partial(_authorize, state), ["GET"])
    app.add_route(TOKEN_PATH, partial(_token, state), ["POST"])
    app.add_route("/{path:path}", partial(_unknown, state), ANY_METHOD)
    return app


async def _api(state: SandboxState, endpoint: Endpoint, request: Request) -> Response:
    slug, body = _slug(state, request), await request.body()
    return await _timed(state, request, endpoint.name, slug, lambda: _answer(state, endpoint, slug, request, body))


async def _token(state: SandboxState, request: Request) -> Response:
    form = (await request.body()).decode(errors="replace")

    def exchange() -> Response:
        return _json(oauth.exchange(state, request.headers.get("authorization"), form))

    def answer() -> Response:
        fault = state.take_fault("access_token", None)
        return exchange() if fault is None else _broken(request, fault, exchange)

    if not await _held(state, "before", request):
        return Response(status_code=499)
    response = await _timed(state, request, "access_token", None, answer)
    await asyncio.sleep(state.token_delay_ms / 1000)
    await _held(state, "after", request)
    return response


async def _held(state: SandboxState, where: TokenHold, request: Request) -> bool:
    """Keep a token request waiting while the switch says so; whether its client is still there."""
    state.token_requests_held += 1
    try:
        while state.token_hold == where:
            if await request.is_disconnected():
                return False
            await asyncio.sleep(0.01)
    finally:
        state.token_requests_held -= 1
    return True


async def _authorize(state: SandboxState, request: Request) -> Response:
    def answer() -> Response:
        return RedirectResponse(oauth.authorize(state, request.query_params), status_code=302)

    return await _timed(state, request, "authorize", None, answer)


async def _unknown(state: SandboxState, request: Request) -> Response:
    def refuse() -> Response:
        path = request.url.path.removeprefix(API_ROOT)
        raise errors.gone() if path in GONE_PATHS else errors.no_api()

    return await _timed(state, request, "unknown", None, refuse)


async def _timed(
    state: SandboxState, request: Request, name: str, slug: str | None, answer: Callable[[], Response]
) -> Response:
    """Run an answer under the latency, turn its error into a response, and write the log."""
    started = time.monotonic()
    state.in_flight += 1
    state.max_in_flight = max(state.max_in_flight, state.in_flight)
    try:
        try:
            response = answer()
        except ApiError as error:
            response = _error(state, request, name, error)
        waiting = state.latency_ms / 1000 - (time.monotonic() - started)
        if waiting > 0:
            await asyncio.sleep(waiting)
    finally:
        state.in_flight -= 1
    url, status = request.url, response.status_code
    state.requests.append(RequestRecord(request.method, url.path, url.query, status, name, slug, time.monotonic()))
    return response


def _answer(state: SandboxState, endpoint: Endpoint, slug: str | None, request: Request, sent: bytes) -> Response:
    """The way of one API request, from token to response."""
    _check_request_line(state, request)
    credential = oauth.bearer(state, request.headers.get("authorization"))
    status = state.refusal()
    if status is not None:
        raise errors.for_status(status)
    fault = state.take_fault(endpoint.name, slug)
    call = Call(state, credential, request, sent)
    if fault is None or fault.kind in LISTING_FAULTS:
        return _success(endpoint, call, fault)
    if fault.kind == "of_another":
        request.path_params["repo_slug"] = fault.body
        return _success(endpoint, call, None)
    if fault.kind == "redirect":
        return _redirect_to_slug(endpoint, call, str(slug))
    if fault.kind == "fewer_scopes":
        response = _success(endpoint, call, None)
        response.headers["X-OAuth-Scopes"] = ", ".join(endpoint.scopes)
        return response
    return _broken(request, fault, lambda: _success(endpoint, call, None))


def _redirect_to_slug(endpoint: Endpoint, call: Call, slug: str) -> Response:
    """The answer under the slug; under the uuid, where the slug's is. What was asked for there is not repeated."""
    if call.named("repo_slug") == slug:
        return _success(endpoint, call, None)
    url = call.request.url
    path = url.path.replace(call.named("repo_slug"), slug)
    return Response(status_code=301, headers={"Location": f"{url.scheme}://{url.netloc}{quote(path, safe='/')}"})


def _check_request_line(state: SandboxState, request: Request) -> None:
    """As the web server in front of Bitbucket does: 400 and a page, before anything is looked at."""
    url = request.url
    line = len(f"{request.method} {url.path}?{url.query} HTTP/1.1")
    if line > state.request_line_limit:
        page = (
            "<html><head><title>Bad Request</title></head><body><h1>Bad Request</h1>"
            f"Request Line is too large ({line} &gt; {state.request_line_limit})</body></html>"
        )
        raise ApiError(400, page, "text/html")


def _success(endpoint: Endpoint, call: Call, fault: Fault | None) -> Response:
    """The handler's answer as a response; nobody changes the data between its first byte and its last."""
    call.needs_scopes(endpoint.scopes)
    headers = _scope_headers(endpoint, call.credential) | call.state.limit_headers(call.credential)
    with call.state.lock:
        answer = endpoint.handler(call)
        if isinstance(answer, Listing):
            body = page(call, endpoint.pages, answer.items, fault)
            if endpoint.name == "pipelines" and not answer.items:
                body["pagelen"] = 0  # seen live: an empty list of pipelines says so
            answer = body
        done = answer if isinstance(answer, Done) else Done(200, answer)
        if done.body is None:
            return Response(status_code=done.status, headers=headers)
        return _json(project(done.body, call.one("fields")), headers | done.headers, done.status)


def _broken(request: Request, fault: Fault, whole: Callable[[], Response]) -> Response:
    """What a switched fault makes of a request."""
    if fault.kind == "reset":
        return Broken(request)
    if fault.kind in ("truncated", "reset_in_body"):
        return Broken(request, bytes(whole().body), reset=fault.kind == "reset_in_body")
    if fault.kind == "status_after":
        whole()
    if fault.kind == "invalid_json":
        return Response(fault.body or '{"values": [', 200, media_type="application/json")
    if fault.kind == "text":
        return Response(fault.body or "Not Found", fault.status, media_type="text/plain")
    if fault.kind == "html":
        raise errors.html_page(fault.status)
    if fault.body is not None:
        return Response(fault.body, fault.status, media_type="application/json")
    raise errors.for_status(fault.status)


def _json(body: Any, headers: dict[str, str] | None = None, status: int = 200) -> Response:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "surrogatepass"), status, headers, "application/json")


def _scope_headers(endpoint: Endpoint, credential: Credential) -> dict[str, str]:
    """The headers that tell a token's scopes (implied ones left out) and those the endpoint needs."""
    headers = {
        "X-OAuth-Scopes": ", ".join(without_implied(credential.scopes)),
        "X-Credential-Type": credential.credential_type,
    }
    if endpoint.scopes:
        headers["X-Accepted-OAuth-Scopes"] = ", ".join(endpoint.scopes)
    return headers


def _error(state: SandboxState, request: Request, name: str, error: ApiError) -> Response:
    """An error as a response, with the scope headers where a token and an endpoint are known."""
    headers: dict[str, str] = {}
    endpoint = next((e for e in ENDPOINTS if e.name == name), None)
    if endpoint is not None and error.status in (400, 403, 404):
        with suppress(ApiError):
            headers = _scope_headers(endpoint, oauth.bearer(state, request.headers.get("authorization")))
    if error.media_type == "application/json":
        return _json(error.body, headers, error.status)
    return Response(error.body, error.status, headers, error.media_type)


def _slug(state: SandboxState, request: Request) -> str | None:
    """The slug of the repository a request is about, also where its path names the uuid."""
    key = request.path_params.get("repo_slug")
    if key is None:
        return None
    workspace = state.workspace(request.path_params["workspace"])
    found = workspace.repository(key) if workspace else None
    return found.slug if found else str(key)
