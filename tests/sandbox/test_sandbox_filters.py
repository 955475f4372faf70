"""The filter language against a plain Python evaluation, and the partial responses."""

from __future__ import annotations

import operator as op
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.filters import FilterError, matches, order, parse, select
from sandbox.partial import Lazy, hidden, project

TEXT = st.text(alphabet='abcAB "\\(),=é🚀', max_size=6)
WHOLE = st.integers(-50, 50)
MOMENT = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda d: d.replace(tzinfo=UTC))
ITEM = st.fixed_dictionaries(
    {
        "title": st.none() | TEXT,
        "id": st.none() | WHOLE,
        "draft": st.booleans(),
        "updated_on": st.none() | MOMENT.map(lambda d: d.isoformat(timespec="microseconds")),
        "author": st.none() | st.fixed_dictionaries({"nickname": st.none() | TEXT}),
    }
)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def plain(item: Any, field: str) -> Any:
    value = item
    for key in field.split("."):
        value = None if value is None else value[key]
    return value


def compare(value: Any, operator: str, wanted: Any) -> bool:
    if operator in ("!=", "NOT IN", "!~"):
        return not compare(value, {"!=": "=", "NOT IN": "IN", "!~": "~"}[operator], wanted)
    if operator == "IN":
        return value in wanted
    if operator == "~":
        return value is not None and wanted.casefold() in value.casefold()
    if value is None or wanted is None:
        return operator == "=" and value is None and wanted is None
    if isinstance(wanted, datetime):
        value = datetime.fromisoformat(value)
    say = {"=": op.eq, ">": op.gt, ">=": op.ge, "<": op.lt, "<=": op.le}[operator]
    return bool(say(value, wanted))


@st.composite
def leaf(draw: Any) -> tuple[str, Any]:
    field, values, write = draw(
        st.sampled_from(
            [
                ("title", TEXT, quoted),
                ("author.nickname", TEXT, quoted),
                ("id", WHOLE, str),
                ("updated_on", MOMENT, datetime.isoformat),
            ]
        )
    )
    operators = ["=", "!=", ">", ">=", "<", "<="]
    if values is not MOMENT:
        operators += ["IN", "NOT IN"]
    if values is TEXT:
        operators += ["~", "!~"]
    operator = draw(st.sampled_from(operators))
    if operator.endswith("IN"):
        wanted = draw(st.lists(values, min_size=1, max_size=3))
        text = f"{field} {operator} ({', '.join(map(write, wanted))})"
    elif operator in ("=", "!=") and draw(st.booleans()):
        wanted, text = None, f"{field}{operator}null"
    else:
        wanted = draw(values)
        text = f"{field} {operator} {write(wanted)}"
    return text, lambda item: compare(plain(item, field), operator, wanted)


def joined(children: Any) -> Any:
    pairs = st.tuples(st.sampled_from(["AND", "OR", "and"]), children, children)

    def join(pair: Any) -> tuple[str, Any]:
        word, (left, left_says), (right, right_says) = pair
        if word.upper() == "AND":
            return f"({left}) {word} ({right})", lambda item: left_says(item) and right_says(item)
        return f"({left}) {word} ({right})", lambda item: left_says(item) or right_says(item)

    return pairs.map(join)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.recursive(leaf(), joined, max_leaves=5), ITEM)
def test_a_filter_selects_what_plain_python_selects(filter_: tuple[str, Any], item: Any) -> None:
    text, says = filter_
    assert matches(parse(text), item) == says(item)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), min_size=3, max_size=3))
def test_and_binds_tighter_than_or(flags: list[bool]) -> None:
    item = dict(zip("abc", flags, strict=True))
    a, b, c = flags
    assert matches(parse("a = true OR b = true AND c = true"), item) == (a or (b and c))
    assert matches(parse("(a = true OR b = true) AND c = true"), item) == ((a or b) and c)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='ab.=!~<>() ,"1-:TZ+', max_size=25))
def test_any_text_is_either_a_filter_or_refused(text: str) -> None:
    with suppress(FilterError):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "state",
        'state = "OPEN',
        'state = "OPEN" AND',
        '(state = "OPEN"',
        'state = "OPEN")',
        "state == 1",
        'state IN "OPEN"',
        "state IN ()",
        'state NOT "OPEN"',
        'AND state = "OPEN"',
        'state = "a" state = "b"',
        "updated_on > 2026-13-01",
        "updated_on > 2026-01-01T00:00:00 00:00",
        "id > 1x",
        "state ~ 3",
        "= 1",
        'state = "OPEN" XOR id = 1',
        "'state' = 1",
    ],
)
def test_a_malformed_filter_is_refused(text: str) -> None:
    with pytest.raises(FilterError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("updated_on >= 2026-01-02", [2, 3]),
        ("updated_on > 2026-01-02T00:00:00", [3]),
        ("updated_on < 2026-01-02T00:30:00+01:00", [1]),
        ("updated_on = 2026-01-02T01:00:00.000+01:00", [2]),
        ('people.name = "bo"', [1, 3]),
        ('people.name != "bo"', [2]),
        ('title ~ "QUOTED"', [1]),
        ('title = "a \\"quoted\\" one"', [1]),
        ("title = null", [3]),
        ('permission > "read"', [2, 3]),
        ("id IN (1, 3)", [1, 3]),
        ("id NOT IN (1, 3)", [2]),
        ("id >= -1.5 AND id <= 2", [1, 2]),
    ],
)
def test_dates_lists_nulls_and_ranks_compare_as_documented(text: str, ids: list[int]) -> None:
    items = [
        {
            "id": 1,
            "title": 'a "quoted" one',
            "updated_on": "2026-01-01T23:00:00+00:00",
            "permission": "read",
            "people": [{"name": "al"}, {"name": "bo"}],
        },
        {
            "id": 2,
            "title": "plain",
            "updated_on": "2026-01-02T00:00:00+00:00",
            "permission": "write",
            "people": [],
        },
        {
            "id": 3,
            "title": None,
            "updated_on": "2026-02-01T00:00:00+00:00",
            "permission": "admin",
            "people": [{"name": "bo"}],
        },
    ]
    assert [item["id"] for item in select(items, text)] == ids


def test_unknown_fields_and_mismatched_types_are_refused() -> None:
    items = [{"id": 1, "updated_on": "2026-01-01T00:00:00+00:00", "author": {"nickname": "a"}}]
    for text in ('nope = "x"', 'author.nope = "x"', 'id = "1"', 'updated_on > "2026-01-01"', 'author = "a"'):
        with pytest.raises(FilterError):
            select(items, text)
    with pytest.raises(FilterError):
        order(items, "-nope")


def test_sorting_is_by_one_field_up_or_down() -> None:
    items = [{"id": 2, "a": {"b": "x"}}, {"id": 1, "a": {"b": "z"}}, {"id": 3, "a": {"b": "y"}}]
    assert [i["id"] for i in order(items, "id")] == [1, 2, 3]
    assert [i["id"] for i in order(items, "-a.b")] == [1, 3, 2]


def body() -> dict[str, Any]:
    return {
        "values": [
            {
                "id": 1,
                "links": {"self": {"href": "s"}, "html": {"href": "h"}},
                "people": hidden([{"n": 1, "m": 2}]),
            },
            {"id": 2, "links": Lazy(lambda: {"self": {"href": "s2"}}), "people": hidden([]), "main": None},
        ],
        "size": 2,
        "next": "https://…",
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("values.id", {"values": [{"id": 1}, {"id": 2}]}),
        ("values.id,next", {"values": [{"id": 1}, {"id": 2}], "next": "https://…"}),
        ("size", {"size": 2}),
        ("values.main.name,size", {"values": [{}, {"main": None}], "size": 2}),
        ("values.people.n", {"values": [{"people": [{"n": 1}]}, {"people": []}]}),
        (
            "values.links.*.href,values.id,-values.id",
            {
                "values": [
                    {"links": {"self": {"href": "s"}, "html": {"href": "h"}}, "id": 1},
                    {"links": {"self": {"href": "s2"}}, "id": 2},
                ]
            },
        ),
        ("-values,-next", {"size": 2}),
        (
            "-values.links.*,-size,-next",
            {"values": [{"id": 1, "links": {}}, {"id": 2, "links": {}, "main": None}]},
        ),
        ("-*,+size", {"size": 2}),
        (
            "-values.links,+values.links.self,-size,-next",
            {
                "values": [
                    {"id": 1, "links": {"self": {"href": "s"}}},
                    {"id": 2, "links": {"self": {"href": "s2"}}, "main": None},
                ]
            },
        ),
        (" values.id", {}),
        ("nothing.here", {}),
    ],
)
def test_fields_keep_drop_add_and_match_by_wildcard(fields: str, expected: Any) -> None:
    assert project(body(), fields) == expected


def test_hidden_parts_come_only_when_asked_for() -> None:
    assert "people" not in project(body(), None)["values"][0]
    added = project(body(), "+values.people")
    assert added["values"][0]["people"] == [{"n": 1, "m": 2}]
    assert added["values"][0]["id"] == 1 and added["size"] == 2
    assert "people" in project(body(), "values.*")["values"][0]
