"""The filter language of the ``q`` parameter and the ``sort`` parameter.

Source: the "Filtering and sorting" chapter of the official API document: operators ``= != ~ !~ > >= <
<= IN NOT IN``, ``AND`` before ``OR``, parentheses, and the types string, number, null, boolean,
unquoted ISO-8601 datetime (UTC unless it says otherwise) and list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import ge, gt, le, lt
from typing import Any

from sandbox.errors import ApiError, envelope
from sandbox.partial import Lazy

Scalar = str | int | float | bool | None | datetime

_DATE = r"\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
_TOKEN = re.compile(
    rf"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<date>{_DATE})(?![\w.:-])
    | (?P<number>-?\d+(?:\.\d+)?)(?![\w.:-])
    | (?P<word>[A-Za-z_]\w*(?:\.\w+)*)
    | (?P<operator>!=|!~|>=|<=|=|~|>|<)
    | (?P<mark>[(),])
    )""",
    re.VERBOSE,
)
_CONSTANTS: dict[str, bool | None] = {"null": None, "true": True, "false": False}
_NEGATIONS = {"!=": "=", "!~": "~", "NOT IN": "IN"}
_ORDERS: dict[str, Callable[[Any, Any], Any]] = {">": gt, ">=": ge, "<": lt, "<=": le}
_RANKS = {"read": 0, "write": 1, "admin": 2}
# Fields that compare without regard to case.
_CASELESS = frozenset({"user.email"})


class FilterError(ApiError):
    """400: the filter or the sort key can't be understood; the message says where."""

    def __init__(self, problem: str) -> None:
        super().__init__(400, envelope(f"Bad query: {problem}"))


@dataclass(frozen=True)
class Comparison:
    """``field operator value``; ``value`` is a tuple for ``IN`` and ``NOT IN``."""

    field: str
    operator: str
    value: Scalar | tuple[Scalar, ...]


@dataclass(frozen=True)
class Group:
    """Parts that must all hold (``AND``), or at least one of them (``OR``)."""

    every: bool
    parts: tuple[Node, ...]


Node = Comparison | Group


def parse_datetime(text: str) -> datetime:
    """An ISO-8601 date or date-time as an aware datetime; without an offset it is UTC."""
    value = datetime.fromisoformat(text)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _tokens(text: str) -> list[tuple[str, str]]:
    """Kind and text of every token."""
    found: list[tuple[str, str]] = []
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise FilterError(f"unexpected text at {position}: {text[position : position + 20].strip()!r}")
        found.append((match.lastgroup, match.group(match.lastgroup)))
        position = match.end()
    return found


class _Parser:
    """Recursive descent over the tokens; one method per rule of the grammar."""

    def __init__(self, text: str) -> None:
        self._left = _tokens(text)[::-1]

    def parse(self) -> Node:
        node = self._either()
        if self._left:
            raise FilterError(f"unexpected {self._take()[1]!r}")
        return node

    def _take(self) -> tuple[str, str]:
        if not self._left:
            raise FilterError("unexpected end of the filter")
        return self._left.pop()

    def _accept(self, wanted: str) -> bool:
        """Take the next token if it is this word (in any case) or mark."""
        if not self._left or self._left[-1][1].upper() != wanted:
            return False
        self._left.pop()
        return True

    def _need(self, mark: str) -> None:
        if not self._accept(mark):
            raise FilterError(f"expected {mark!r}")

    def _either(self) -> Node:
        parts = [self._both()]
        while self._accept("OR"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Group(False, tuple(parts))

    def _both(self) -> Node:
        parts = [self._term()]
        while self._accept("AND"):
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else Group(True, tuple(parts))

    def _term(self) -> Node:
        if not self._accept("("):
            return self._comparison()
        node = self._either()
        self._need(")")
        return node

    def _comparison(self) -> Comparison:
        kind, name = self._take()
        if kind != "word" or name.upper() in {"AND", "OR", "NOT", "IN"}:
            raise FilterError(f"expected a field, found {name!r}")
        operator = self._operator()
        if operator.endswith("IN"):
            return Comparison(name, operator, self._list())
        value = self._value()
        if operator.endswith("~") and not isinstance(value, str):
            raise FilterError(f"{operator!r} needs a string")
        return Comparison(name, operator, value)

    def _operator(self) -> str:
        if self._accept("NOT"):
            self._need("IN")
            return "NOT IN"
        if self._accept("IN"):
            return "IN"
        kind, text = self._take()
        if kind != "operator":
            raise FilterError(f"expected an operator, found {text!r}")
        return text

    def _list(self) -> tuple[Scalar, ...]:
        self._need("(")
        values = [self._value()]
        while self._accept(","):
            values.append(self._value())
        self._need(")")
        return tuple(values)

    def _value(self) -> Scalar:
        kind, text = self._take()
        if kind == "string":
            return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind == "date":
            try:
                return parse_datetime(text)
            except ValueError as problem:
                raise FilterError(f"bad date {text!r}") from problem
        if text.lower() in _CONSTANTS:
            return _CONSTANTS[text.lower()]
        raise FilterError(f"expected a value, found {text!r}")


def parse(text: str) -> Node:
    """The syntax tree of a filter; raises :class:`FilterError` when it is malformed or empty."""
    return _Parser(text).parse()


def comparisons(node: Node) -> Iterator[Comparison]:
    """Every comparison of the tree, in writing order."""
    if isinstance(node, Comparison):
        yield node
        return
    for part in node.parts:
        yield from comparisons(part)


def resolve(item: Any, path: str) -> list[Any]:
    """The values at a dotted path; lists fan out, a null or an empty list is null, an absent key is nothing."""
    values = [item]
    for key in path.split("."):
        values = [inner for value in values for inner in _children(value, key)]
    return [inner for value in values for inner in ((value or [None]) if isinstance(value, list) else [value])]


def _children(value: Any, key: str) -> Iterable[Any]:
    if isinstance(value, list):
        return [inner for entry in value or [None] for inner in _children(entry, key)]
    if value is None:
        return [None]
    if not isinstance(value, dict) or key not in value:
        return []
    child = value[key]
    return [child.value if isinstance(child, Lazy) else child]


def matches(node: Node, item: Any) -> bool:
    """Whether a JSON object satisfies the filter."""
    if isinstance(node, Group):
        return (all if node.every else any)(matches(part, item) for part in node.parts)
    positive = _NEGATIONS.get(node.operator, node.operator)
    found = resolve(item, node.field) or [None]
    return any(_holds(node.field, value, positive, node.value) for value in found) == (positive == node.operator)


def _holds(field: str, value: Any, operator: str, wanted: Any) -> bool:
    if operator == "IN":
        return any(_holds(field, value, "=", one) for one in wanted)
    if operator == "~":
        return isinstance(value, str) and wanted.casefold() in value.casefold()
    if value is None or wanted is None:
        return operator == "=" and value is None and wanted is None
    left, right = _comparable(field, value, wanted)
    return bool(left == right if operator == "=" else _ORDERS[operator](left, right))


def _comparable(field: str, value: Any, wanted: Any) -> tuple[Any, Any]:
    """Both sides as one type; raises where the types can't be compared."""
    if isinstance(wanted, datetime):
        if not isinstance(value, str):
            raise FilterError(f"{field} is not a date")
        return parse_datetime(value), wanted
    if isinstance(wanted, str) and field.endswith("_on"):
        raise FilterError(f"{field} needs an unquoted date")
    if isinstance(value, bool) != isinstance(wanted, bool) or isinstance(value, str) != isinstance(wanted, str):
        raise FilterError(f"{field} does not compare with {wanted!r}")
    if isinstance(value, dict):
        raise FilterError(f"{field} is an object")
    if field.endswith("permission") and value in _RANKS and wanted in _RANKS:
        return _RANKS[value], _RANKS[wanted]
    if field in _CASELESS:
        return str(value).casefold(), str(wanted).casefold()
    return value, wanted


def select(items: list[Any], text: str) -> list[Any]:
    """The items that satisfy the filter text; an unknown field is refused like a malformed filter."""
    node = parse(text)
    for comparison in comparisons(node):
        _known(items, comparison.field)
    return [item for item in items if matches(node, item)]


def order(items: list[Any], key: str) -> list[Any]:
    """The items sorted by one field, ``-`` in front for descending; nulls come first when ascending."""
    name = key.removeprefix("-")
    if not re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", name):
        raise FilterError(f"bad sort key {key!r}")
    _known(items, name)
    return sorted(items, key=lambda item: _sort_key(item, name), reverse=key.startswith("-"))


def _sort_key(item: Any, name: str) -> tuple[bool, Any]:
    value = next(iter(resolve(item, name)), None)
    if isinstance(value, (dict, list)):
        raise FilterError(f"{name} is an object")
    return (value is not None, "" if value is None else value)


def _known(items: list[Any], field: str) -> None:
    """Refuse a field that no item has (with no items at all nothing can be said)."""
    if items and not any(resolve(item, field) for item in items):
        raise FilterError(f"unknown field {field!r}")
