"""Without people no text of a package names anybody, however the name is written."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import escape

from bitbucket_compliance.reporting.audit.pseudonyms import Pseudonyms

PERSON = re.compile(r"person-[0-9a-f]{10}")
REPOSITORY = "{00000000-0000-4000-8000-00000000000a}"
MEMBER = "11111111-2222-4333-8444-55555555555b"
# What Postgres can store, but for what is left away where a name begins or ends.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
NAMES = st.text(CHARACTERS, min_size=1, max_size=30).map(str.strip)
BESIDE = st.text(st.sampled_from(" ,.:;/_-()[]\"'=\n\t"), max_size=4)
WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in JSON": lambda name: json.dumps({"reason": name}, ensure_ascii=False),
    "in JSON of ASCII": lambda name: json.dumps({"reason": name}),
    "on a page": lambda name: str(escape(name)),
    "in an attribute": html.escape,
}


def left_of(text: str) -> str:
    """What is no pseudonym."""
    return PERSON.sub("\0", text).casefold()


@given(st.lists(NAMES, min_size=1, max_size=6), BESIDE, BESIDE, st.sampled_from(sorted(WRITTEN)))
@example(["=SUM(1+1)"], "seen ", ".", "as it is")
@example(["_ada_"], "", ".csv", "as it is")
@example(["Ada"], "report_", "_2026.csv", "as it is")
@example(['Ada "Countess" King'], "by ", ", twice", "in JSON")
@example(["Miles O'Brien"], "<td>", "</td>", "on a page")
@example(["Ada King", "Ada King Noel", "Ada"], "", "", "as it is")
@example(["\N{UNICORN FACE}"], "by ", ".", "as it is")
@example(["Stra\N{LATIN SMALL LETTER SHARP S}e"], "", " 1", "in JSON of ASCII")
def test_no_name_is_left(names: list[str], before: str, after: str, how: str) -> None:
    # A name of punctuation or few digits alone, such as a dash, says nothing: it is hidden where it is a whole cell.
    names = [name for name in names if not name.isascii() or re.search(r"[A-Za-z]|\d{6}", name)]
    pseudonyms = Pseudonyms(names, [REPOSITORY])
    for name in names:
        shown = left_of(pseudonyms.hide(before + WRITTEN[how](name) + after))
        assert WRITTEN[how](name).casefold() not in shown
        assert pseudonyms.hide(name) == pseudonyms.of(name)


@given(NAMES, BESIDE)
@example("failing", "")
@example("status", " ")
@example("2026", "-")
def test_in_json_texts_are_hidden_and_nothing_else(name: str, beside: str) -> None:
    pseudonyms = Pseudonyms([name], [])
    value = {
        "status": "failing",
        "seen_on": "2026-03-31T12:00:00+00:00",
        "merges": [1, 2026, 7.10],
        "by": [{"kind": "push"}, f"{beside}{name}{beside}"],
        "display_name": name,
    }
    shown = json.loads(pseudonyms.hide_json(json.dumps(value, ensure_ascii=False)))
    by = shown["by"][1]
    assert {**shown, "by": [shown["by"][0], ""], "display_name": ""} == {
        **value, "by": [{"kind": "push"}, ""], "display_name": "",
    }  # fmt: skip
    if any(map(str.isalpha, name)):
        assert shown["display_name"] == pseudonyms.of(name) and name.casefold() not in left_of(by)


@pytest.mark.parametrize(
    "text",
    [
        f"{{{MEMBER}}} pushed",
        f"https://bitbucket.org/%7B{MEMBER}%7D/",
        f"members/{MEMBER.upper()}?x=1",
        "712020:aaaa-bbbb approved",
        "ada@example.com, miles.o'brien@example.co.uk and root@localhost",
        '{"owner": "Ada \\"Q\\" King", "display_name":"Miles", "account_id": "557058:unknown-1"}',
        "airflow:ada.king decided, os:root did",
        "airflow:Ada King decided",
    ],
)
def test_no_id_login_or_address_is_left(text: str) -> None:
    known = ["712020:aaaa-bbbb", MEMBER, "airflow:ada king"]
    shown = left_of(Pseudonyms(known, [REPOSITORY]).hide(text))
    for word in (MEMBER, "aaaa", "ada", "king", "brien", "miles", "557058", "unknown", "root", "example"):
        assert word not in shown, shown


def test_repositories_keep_their_ids_and_words_that_hold_a_name_stay() -> None:
    pseudonyms = Pseudonyms(["Ada", "Al"], [REPOSITORY])
    text = f"{REPOSITORY} and %7B{REPOSITORY[1:-1]}%7D: Adamant readers also load data"
    assert pseudonyms.hide(text) == text


def test_one_person_has_one_pseudonym_however_the_id_is_written() -> None:
    pseudonyms = Pseudonyms([MEMBER], [])
    forms = (f"{{{MEMBER}}}", f"%7B{MEMBER}%7D", MEMBER, MEMBER.upper())
    assert len({pseudonyms.hide(form) for form in forms} | {pseudonyms.of(MEMBER)}) == 1
    assert Pseudonyms([], []).of(MEMBER) != pseudonyms.of(MEMBER)


def test_many_names_with_one_first_word_cost_no_more() -> None:
    pseudonyms = Pseudonyms([f"Member {number}" for number in range(100_000)], [])
    text = "Member 7 and member 99999 are members. " * 50
    assert left_of(pseudonyms.hide(text)).count("member") == 50
