"""Lists to pages: page lengths, ``size`` and an opaque ``next``.

Source: the "Pagination" chapter of the official document and the recorded refusals. A ``next`` link carries
an unguessable token; a page number that a client made up is refused, so nothing can come to rely on one.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from sandbox.errors import bad_request
from sandbox.state import Cursor, Fault, SandboxState

Query = list[tuple[str, str]]


@dataclass(frozen=True)
class PageRule:
    """The page lengths of one endpoint."""

    default: int = 10
    maximum: int = 100
    next_drops: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Asked:
    """The address of a request: scheme and host, decoded path, query."""

    base: str
    path: str
    query: Query


@dataclass(frozen=True)
class Window:
    """The part of a listing that a request asks for."""

    offset: int
    page: int
    pagelen: int


def first(query: Query, name: str) -> str | None:
    """The first value of a query parameter, or nothing."""
    return next((value for key, value in query if key == name), None)


def window(state: SandboxState, rule: PageRule, asked: Asked) -> Window:
    """What ``page`` and ``pagelen`` ask for; 400 where they are no good."""
    text = first(asked.query, "pagelen")
    try:
        pagelen = rule.default if text is None else int(text)
    except ValueError:
        pagelen = 0
    if not 1 <= pagelen <= rule.maximum:
        raise bad_request("Invalid pagelen")
    token = first(asked.query, "page")
    if token in (None, "1"):
        return Window(0, 1, pagelen)
    cursor = state.cursors.get(str(token))
    if cursor is None or cursor.path != asked.path:
        raise bad_request("Invalid page")
    return Window(cursor.offset, cursor.page, pagelen)


def page(state: SandboxState, rule: PageRule, asked: Asked, items: list[Any], fault: Fault | None) -> dict[str, Any]:
    """One page of a listing as Bitbucket wraps it.

    ``items`` is the whole listing in order, ``fault`` a listing fault that is on for this request.
    """
    ask = window(state, rule, asked)
    end = ask.offset + ask.pagelen
    body: dict[str, Any] = {"values": items[ask.offset : end], "pagelen": ask.pagelen, "page": ask.page}
    kind = fault.kind if fault else None
    if state.lists_carry_size and kind != "no_size":
        body["size"] = len(items) + (7 if kind == "wrong_size" else 0)
    more = end < len(items) and kind != "drop_next"
    if kind == "repeat_item" and body["values"]:
        if more and ask.pagelen > 1:
            end -= 1
        else:
            body["values"] = [*body["values"], body["values"][-1]]
    if more:
        body["next"] = _next_link(state, rule, asked, Cursor(asked.path, end, ask.page + 1))
    return body


def _next_link(state: SandboxState, rule: PageRule, asked: Asked, cursor: Cursor) -> str:
    token = secrets.token_urlsafe(9).replace("-", "x")
    state.cursors[token] = cursor
    kept = [(key, value) for key, value in asked.query if key != "page" and key not in rule.next_drops]
    return f"{asked.base}{quote(asked.path, safe='/')}?{urlencode([*kept, ('page', token)])}"
