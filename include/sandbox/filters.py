"""The filter language of the ``q`` parameter and the ``sort`` parameter.

Source: the "Filtering and sorting" chapter of the official API document: operators ``= != ~ !~ > >= <
<= IN NOT IN``, ``AND`` before ``OR``, parentheses, and the types string, number, null, boolean,
unquoted ISO-8601 datetime (UTC unless it says otherwise) and list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sandbox.partial import Lazy

Operator = Literal["=", "!=", "~", "!~", ">", ">=", "<", "<=", "IN", "NOT IN"]
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
_RANKS = {"read": 0, "write": 1, "admin": 2}
_MISSING: Any = object()


class FilterError(ValueError):
    """The filter or the sort key can't be understood; the message says where."""


@dataclass(frozen=True)
class Comparison:
    """``field operator value``; ``value`` is a tuple for ``IN`` and ``NOT IN``."""

    field: str
    operator: Operator
    value: Scalar | tuple[Scalar, ...]


@dataclass(frozen=True)
class Both:
    """Every part holds (``AND``)."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Either:
    """At least one part holds (``OR``)."""

    parts: tuple[Node, ...]


Node = Comparison | Both | Either


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str


def parse_datetime(text: str) -> datetime:
    """An ISO-8601 date or date-time as an aware datetime; without an offset it is UTC."""
    value = datetime.fromisoformat(text)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise FilterError(f"unexpected text at {position}: {text[position : position + 20].strip()!r}")
        found.append(_Token(match.lastgroup, match.group(match.lastgroup)))
        position = match.end()
    return found


class _Parser:
    """Recursive descent over the tokens; one method per rule of the grammar."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = 0

    def parse(self) -> Node:
        node = self._either()
        if self._peek() is not None:
            raise FilterError(f"unexpected {self._take().text!r}")
        return node

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self) -> _Token:
        token = self._peek()
        if token is None:
            raise FilterError("unexpected end of the filter")
        self._next += 1
        return token

    def _keyword(self, word: str) -> bool:
        token = self._peek()
        if token is None or token.kind != "word" or token.text.upper() != word:
            return False
        self._next += 1
        return True

    def _mark(self, mark: str) -> bool:
        token = self._peek()
        if token is None or token.kind != "mark" or token.text != mark:
            return False
        self._next += 1
        return True

    def _need(self, mark: str) -> None:
        if not self._mark(mark):
            raise FilterError(f"expected {mark!r}")

    def _either(self) -> Node:
        parts = [self._both()]
        while self._keyword("OR"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _both(self) -> Node:
        parts = [self._term()]
        while self._keyword("AND"):
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _term(self) -> Node:
        if self._mark("("):
            node = self._either()
            self._need(")")
            return node
        return self._comparison()

    def _comparison(self) -> Comparison:
        name = self._take()
        if name.kind != "word" or name.text.upper() in {"AND", "OR", "NOT", "IN"}:
            raise FilterError(f"expected a field, found {name.text!r}")
        operator = self._operator()
        if operator in ("IN", "NOT IN"):
            return Comparison(name.text, operator, self._list())
        value = self._value()
        if operator in ("~", "!~") and not isinstance(value, str):
            raise FilterError(f"{operator!r} needs a string")
        return Comparison(name.text, operator, value)

    def _operator(self) -> Operator:
        if self._keyword("IN"):
            return "IN"
        if self._keyword("NOT"):
            if not self._keyword("IN"):
                raise FilterError("expected IN after NOT")
            return "NOT IN"
        token = self._take()
        if token.kind != "operator":
            raise FilterError(f"expected an operator, found {token.text!r}")
        return token.text  # type: ignore[return-value]  # the token pattern allows operators alone

    def _list(self) -> tuple[Scalar, ...]:
        self._need("(")
        values = [self._value()]
        while self._mark(","):
            values.append(self._value())
        self._need(")")
        return tuple(values)

    def _value(self) -> Scalar:
        token = self._take()
        if token.kind == "string":
            return re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL)
        if token.kind == "number":
            return float(token.text) if "." in token.text else int(token.text)
        if token.kind == "date":
            return _literal_date(token.text)
        if token.kind == "word" and token.text.lower() in _CONSTANTS:
            return _CONSTANTS[token.text.lower()]
        raise FilterError(f"expected a value, found {token.text!r}")


def _literal_date(text: str) -> datetime:
    try:
        return parse_datetime(text)
    except ValueError as problem:
        raise FilterError(f"bad date {text!r}") from problem


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
    """The values at a dotted path; lists fan out, a null on the way is null, an absent key is nothing."""
    values = [item]
    for key in path.split("."):
        values = [inner for value in values for inner in _children(value, key)]
    return [inner for value in values for inner in (value if isinstance(value, list) else [value])]


def _children(value: Any, key: str) -> Iterable[Any]:
    if isinstance(value, list):
        return [inner for entry in value for inner in _children(entry, key)]
    if value is None:
        return [None]
    if not isinstance(value, dict):
        return []
    child = value.get(key, _MISSING)
    if isinstance(child, Lazy):
        child = child.value
    return [] if child is _MISSING else [child]


def matches(node: Node, item: Any, caseless: frozenset[str] = frozenset()) -> bool:
    """Whether a JSON object satisfies the filter; fields in ``caseless`` compare without regard to case."""
    if isinstance(node, Both):
        return all(matches(part, item, caseless) for part in node.parts)
    if isinstance(node, Either):
        return any(matches(part, item, caseless) for part in node.parts)
    found = resolve(item, node.field) or [None]
    fold = node.field in caseless
    if node.operator in ("!=", "!~", "NOT IN"):
        positive: dict[str, Operator] = {"!=": "=", "!~": "~", "NOT IN": "IN"}
        return not any(_holds(node.field, value, positive[node.operator], node.value, fold) for value in found)
    return any(_holds(node.field, value, node.operator, node.value, fold) for value in found)


def _holds(field: str, value: Any, operator: Operator, wanted: Any, fold: bool) -> bool:
    if operator == "IN":
        return any(_holds(field, value, "=", one, fold) for one in wanted)
    if operator == "~":
        return isinstance(value, str) and wanted.casefold() in value.casefold()
    if value is None or wanted is None:
        return operator == "=" and value is None and wanted is None
    left, right = _comparable(field, value, wanted)
    if fold and isinstance(left, str) and isinstance(right, str):
        left, right = left.casefold(), right.casefold()
    if operator == "=":
        return bool(left == right)
    return _ordered(left, operator, right)


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
    return value, wanted


def _ordered(left: Any, operator: Operator, right: Any) -> bool:
    if operator == ">":
        return bool(left > right)
    if operator == ">=":
        return bool(left >= right)
    if operator == "<":
        return bool(left < right)
    return bool(left <= right)


def select(items: list[Any], text: str, caseless: frozenset[str] = frozenset()) -> list[Any]:
    """The items that satisfy the filter text; an unknown field is refused like a malformed filter."""
    node = parse(text)
    for comparison in comparisons(node):
        _known(items, comparison.field)
    return [item for item in items if matches(node, item, caseless)]


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
    if items and not any(_reaches(item, field.split(".")) for item in items):
        raise FilterError(f"unknown field {field!r}")


def _reaches(value: Any, path: list[str]) -> bool:
    if isinstance(value, Lazy):
        value = value.value
    if not path or value is None:
        return True
    if isinstance(value, list):
        return not value or any(_reaches(entry, path) for entry in value)
    return isinstance(value, dict) and path[0] in value and _reaches(value[path[0]], path[1:])
