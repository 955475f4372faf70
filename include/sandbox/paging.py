"""Lists to pages: page lengths, ``size`` and an opaque ``next``.

Source: the "Pagination" chapter of the official document and the recorded refusals. A ``next`` link carries
an unguessable token; a page number that a client made up is refused, so nothing can come to rely on one.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from sandbox.call import Call, PageRule
from sandbox.errors import bad_request
from sandbox.render import Json
from sandbox.state import Cursor, Fault


def page(call: Call, rule: PageRule, items: list[Any], fault: Fault | None) -> Json:
    """One page of a listing as Bitbucket wraps it; 400 where ``page`` or ``pagelen`` is no good.

    ``items`` is the whole listing in order, ``fault`` a listing fault that is on for this request.
    """
    pagelen, start = _page_length(call, rule), _start(call)
    kind = fault.kind if fault else None
    if fault and kind == "pages":
        return _described_page(call, rule, items, fault, start)
    if kind == "closed_account":
        items = [*items, {"type": "workspace_membership", "user": None}]
    end = start.offset + pagelen
    body: Json = {"values": items[start.offset : end], "pagelen": pagelen, "page": start.page}
    if call.state.lists_carry_size and kind != "no_size":
        body["size"] = len(items) + (7 if kind == "wrong_size" else 0)
    if kind == "empty_pages":
        body["values"], end = [], start.offset
    more = (end < len(items) or kind == "empty_pages") and kind != "drop_next"
    if kind == "repeat_item" and body["values"]:
        if more and pagelen > 1:
            end -= 1
        else:
            body["values"] = [*body["values"], body["values"][-1]]
    if more:
        body["next"] = _next_link(call, rule, Cursor(start.path, end, start.page + 1), fault)
    return body


def _described_page(call: Call, rule: PageRule, items: list[Any], fault: Fault, start: Cursor) -> Json:
    """A page of the places that a fault describes; its cursors count pages, not places."""
    described = json.loads(fault.body or "{}")
    pages: list[list[int]] = described["pages"]
    shown = [items[place] for place in pages[start.offset] if place < len(items)] if start.offset < len(pages) else []
    length = described.get("pagelen") or _page_length(call, rule)
    body: Json = {"values": shown, "pagelen": length, "page": start.page}
    if described.get("size") is not None:
        body["size"] = described["size"]
    if start.offset + 1 < len(pages):
        body["next"] = _next_link(call, rule, Cursor(start.path, start.offset + 1, start.page + 1), fault)
    return body


def _page_length(call: Call, rule: PageRule) -> int:
    text = call.one("pagelen")
    try:
        pagelen = rule.default if text is None else int(text)
    except ValueError:
        pagelen = 0
    if not 1 <= pagelen <= rule.maximum:
        raise bad_request("Invalid pagelen")
    return pagelen


def _start(call: Call) -> Cursor:
    path, token = call.request.url.path, call.one("page")
    if token in (None, "1"):
        return Cursor(path, 0, 1)
    cursor = call.state.cursors.get(str(token))
    if cursor is None or cursor.path != path:
        raise bad_request("Invalid page")
    return cursor


def _next_link(call: Call, rule: PageRule, cursor: Cursor, fault: Fault | None) -> str:
    token = secrets.token_urlsafe(9).replace("-", "x")
    kind = fault.kind if fault else None
    path = cursor.path
    if fault and kind == "next_of_another":
        path = path.replace(call.named("repo_slug"), str(fault.body))
        cursor = replace(cursor, path=path)
    call.state.cursors[token] = cursor
    url, query = call.request.url, call.request.query_params.multi_items()
    dropped = rule.next_drops | ({"fields", "sort"} if kind == "next_forgets" else set())
    kept = [(key, value) for key, value in query if key != "page" and key not in dropped]
    begins = "&" if kind == "next_with_ampersand" else "?"
    return f"{url.scheme}://{url.netloc}{quote(path, safe='/')}{begins}{urlencode([*kept, ('page', token)])}"
