"""Calls of Bitbucket's API that would mend something: shown, never executed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True)
class Call:
    """A call with its path and body filled in."""

    method: str
    path: str
    body: str


def filled_in(calls: Sequence[Mapping[str, Any]] | None, names: Mapping[str, Any]) -> list[Call]:
    """The calls of a reason code for one subject; a name that isn't known stays a placeholder in braces."""
    known = {f"{{{name}}}": value for name, value in names.items() if value is not None}
    return [Call(call["method"], _path(call["path"], known), _body(call.get("body"), known)) for call in calls or ()]


def _path(path: str, known: Mapping[str, Any]) -> str:
    for placeholder, value in known.items():
        path = path.replace(placeholder, quote(str(value), safe=""))
    return path


def _body(body: Mapping[str, Any] | None, known: Mapping[str, Any]) -> str:
    if not body:
        return ""
    filled = {key: known.get(value, value) if isinstance(value, str) else value for key, value in body.items()}
    return json.dumps(filled, indent=2, ensure_ascii=False)
