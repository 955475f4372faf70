"""Partial responses: the ``fields`` parameter.

Source: the "Partial responses" chapter of the official API document. ``a.b`` keeps only what is named,
``-a`` removes, ``+a`` adds what a list leaves out, ``*`` matches every field of one level. A ``+`` that
was not URL-encoded arrives as a space and matches nothing, as the chapter warns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Path = tuple[str, ...]


class Lazy:
    """A part of a response that is built when somebody looks at it.

    ``hidden`` parts are left out unless ``fields`` names them (or asks for ``*`` on their level).
    """

    __slots__ = ("_built", "_make", "hidden")

    def __init__(self, make: Callable[[], Any], *, hidden: bool = False) -> None:
        self._make = make
        self._built: list[Any] = []
        self.hidden = hidden

    @property
    def value(self) -> Any:
        """The part itself, built once."""
        if not self._built:
            self._built.append(self._make())
        return self._built[0]


def hidden(value: Any) -> Lazy:
    """A value that only ``fields`` brings out."""
    return Lazy(lambda: value, hidden=True)


def project(body: Any, fields: str | None) -> Any:
    """The response body as JSON-ready data, trimmed as ``fields`` says; without ``fields``, the default."""
    wants: list[Path] = []
    drops: list[Path] = []
    default = True
    for entry in (fields or "").split(","):
        if entry.startswith("-"):
            drops.append(tuple(entry[1:].split(".")))
        elif entry.startswith("+"):
            wants.append(tuple(entry[1:].split(".")))
        elif entry:
            wants.append(tuple(entry.split(".")))
            default = False
    return _trim(body, _Mask(default, wants, drops))


class _Mask:
    """What is kept of one level: all by default or nothing, but for what is wanted and dropped.

    The masks of the keys below are worked out once each, as every item of a list asks for the same ones:
    ``shown`` holds them for usual values, ``hidden`` for those that only ``fields`` brings out.
    """

    __slots__ = ("_default", "_drops", "_wants", "hidden", "shown")

    def __init__(self, default: bool, wants: list[Path], drops: list[Path]) -> None:
        self._default, self._wants, self._drops = default, wants, drops
        self.shown: dict[str, tuple[_Mask, bool] | None] = {}
        self.hidden: dict[str, tuple[_Mask, bool] | None] = {}

    def below(self, key: str, hidden: bool) -> tuple[_Mask, bool] | None:
        """The mask of a key's value and whether a plain value is kept; nothing where the key goes."""
        known = self.hidden if hidden else self.shown
        if key not in known:
            known[key] = self._work_out(key, hidden)
        return known[key]

    def _work_out(self, key: str, hidden: bool) -> tuple[_Mask, bool] | None:
        wanted, deeper_wants = _step(self._wants, key)
        dropped, deeper_drops = _step(self._drops, key)
        whole = wanted or (self._default and not dropped and not hidden)
        if not whole and not deeper_wants:
            return None
        return _Mask(whole, deeper_wants, deeper_drops), whole


def _trim(value: Any, mask: _Mask) -> Any:
    if isinstance(value, Lazy):
        value = value.value
    if isinstance(value, list):
        return [_trim(entry, mask) for entry in value]
    return _trim_object(value, mask) if isinstance(value, dict) else value


def _trim_object(value: dict[str, Any], mask: _Mask) -> dict[str, Any]:
    """Most of the sandbox's time is spent here: a call is spared for whatever goes, and for every plain value."""
    kept: dict[str, Any] = {}
    shown = mask.shown
    for key, child in value.items():
        if isinstance(child, Lazy):
            found = mask.below(key, child.hidden)
        else:
            found = shown[key] if key in shown else mask.below(key, False)
        if found is None:
            continue
        inner = child.value if isinstance(child, Lazy) else child
        if isinstance(inner, (dict, list)):
            kept[key] = _trim(inner, found[0])
        elif found[1] or inner is None:
            kept[key] = inner
    return kept


def _step(paths: list[Path], key: str) -> tuple[bool, list[Path]]:
    """Whether a path ends at this key, and what the longer ones ask of its children."""
    inside = [path[1:] for path in paths if path[0] in (key, "*")]
    return () in inside, [path for path in inside if path]
