"""Pseudonyms in the place of persons: the same in a whole package, and of no meaning outside it."""

from __future__ import annotations

import hashlib
import hmac
import html
import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from markupsafe import escape

# Ids of accounts as Bitbucket writes them, also in an address; persons as the pipeline does (see core.persons);
# addresses of e-mail. Each is looked for only where a text holds what it can't do without.
_IDS: Final = (
    (("{",), re.compile(r"\{[0-9A-Fa-f-]{36}\}")),
    (("%7",), re.compile(r"%7[Bb][0-9A-Fa-f-]{36}%7[Dd]")),
    (("airflow:", "os:"), re.compile(r"\b(?:airflow|os):[^\s\"',;()\[\]{}]+")),
    (("@",), re.compile(r"[\w.+%-]+(?:'[\w.+%-]+)*@[\w-]+(?:\.[\w-]+)*")),
)
#: what names somebody in JSON, whoever it is: a participant need not be a member, nor an owner
_FIELD: Final = re.compile(r'"(?:account_id|display_name|email|nickname|owner)": ?"((?:[^"\\]|\\.)+)"')
#: the same, by its key
_PERSONS_KEYS: Final = frozenset(("account_id", "display_name", "email", "nickname", "owner"))
#: columns, and keys of JSON, that hold our own words or Bitbucket's: whoever takes the name "failing" hides no verdict
OWN_WORDS: Final = frozenset(
    (
        "approved_before_last_change",
        "basis",
        "cause",
        "chain",
        "classification",
        "configuration",
        "control",
        "control_title",
        "direct_push",
        "ended_basis",
        "ended_because",
        "ended_reason_code",
        "found_basis",
        "framework",
        "hash",
        "identity_role",
        "kind",
        "last_pipeline_state",
        "matched_by",
        "media_type",
        "member_type",
        "missing",
        "population",
        "quality",
        "reason_code",
        "required_protections",
        "review",
        "role",
        "sample_sizes",
        "scope",
        "scopes_granted",
        "sealed_at",
        "sensitivity",
        "severity",
        "shown_whole_by",
        "source",
        "state",
        "status",
        "strength",
        "subject_type",
        "test_id",
        "test_title",
        "tests",
        "time_zone",
        "title",
        "type",
        "visibility",
    )
)
#: a text of JSON, with the colon behind it where it is a key; or the end of a list or an object
_IN_JSON: Final = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|[\]}]')
_OWN_KEY: Final = re.compile(r"[a-z][a-z0-9_-]*")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ][\d:.]+(?:Z|[+-][\d:]+)?)?")
#: what a name of ASCII has that may be looked for within a text: a letter, or a number that is no day and no count
_TELLING: Final = re.compile(r"[A-Za-z]|\d{6}")
#: letters and digits alone: names are found beside an underscore too
_WORD: Final = re.compile(r"[^\W_]+")
_BRACES: Final = re.compile(r"^(?:\{|%7B)(.*)(?:\}|%7D)$", re.IGNORECASE)
_DIGITS: Final = 10
#: texts whose answer is kept, and how long they may be: most cells of a column are the same few
_KEPT: Final = 20_000
_KEPT_LENGTH: Final = 400


@dataclass(frozen=True)
class _Written:
    """A name as it is written somewhere: characters before its first word, its length, as it is compared, the name."""

    before: int
    length: int
    folded: str
    name: str


class Pseudonyms:
    """What stands for whom.

    Args:
        names: names of persons as they may stand in a text: display names, nicknames, ids of accounts, addresses.
        things: ids in braces that are no account's: repositories, workspaces. Every other one is taken for a person.
    """

    def __init__(self, names: Iterable[str], things: Iterable[str]) -> None:
        # Never written down: with it whoever knows a person's id could find them.
        self._secret = secrets.token_bytes(32)
        self._things = frozenset(thing.lower() for thing in things)
        self._known: dict[str, str] = {}
        self._seen: dict[str, str] = {}
        self._seen_in_json: dict[str, str] = {}
        self._by_words: dict[tuple[str, ...], list[_Written]] = {}
        # By the first of them, how many words the names have that begin with it, the most first.
        self._lengths: dict[str, list[int]] = {}
        # Names without a letter or a digit, such as an emoji: those of marks alone would be found in every sentence.
        self._wordless: list[str] = []
        self._whole: set[str] = set()
        for name in {one.strip() for one in names} - {""}:
            self._whole.add(name.casefold())
            if name.isascii() and not _TELLING.search(name):
                continue
            for written in {name, *_as_written_elsewhere(name)}:
                self._add(written, name)
        for found in self._by_words.values():
            found.sort(key=lambda one: one.length, reverse=True)
        for lengths in self._lengths.values():
            lengths.sort(reverse=True)

    def of(self, person: str) -> str:
        """The pseudonym of a person, by an id, a login, an address or a name."""
        found = self._known.get(person)
        if found is None:
            plain = _BRACES.sub(r"\1", person.strip().casefold())
            digest = hmac.new(self._secret, plain.encode(), hashlib.sha256).hexdigest()
            found = self._known[person] = f"person-{digest[:_DIGITS]}"
        return found

    def hide(self, text: str) -> str:
        """A text with pseudonyms in the place of all persons that are known."""
        return _answer(self._seen, text, self._hidden)

    def hide_json(self, text: str) -> str:
        """The text of a JSON value with pseudonyms in its texts alone: keys, numbers and our own words stay."""
        return text if self.hide(text) == text else _answer(self._seen_in_json, text, self._hidden_in_json)

    def _hidden_in_json(self, text: str) -> str:
        key = ""

        def replaced(found: re.Match[str]) -> str:
            nonlocal key
            if found[1] is None:
                key = ""
                return found[0]
            value = json.loads(found[1], strict=False)
            if found[2]:
                key = value
                hidden = value if _OWN_KEY.fullmatch(value) else self.hide(value)
            elif key in _PERSONS_KEYS:
                hidden = self.of(value) if value else value
            else:
                hidden = value if key in OWN_WORDS or _MOMENT.fullmatch(value) else self.hide(value)
            written = found[1] if hidden == value else json.dumps(hidden, ensure_ascii=False)
            return f"{written}{found[2] or ''}"

        return _IN_JSON.sub(replaced, text)

    def _add(self, written: str, name: str) -> None:
        words = list(_WORD.finditer(written))
        if words:
            key = tuple(word[0].casefold() for word in words)
            one = _Written(words[0].start(), len(written), written.casefold(), name)
            self._by_words.setdefault(key, []).append(one)
            lengths = self._lengths.setdefault(key[0], [])
            if len(key) not in lengths:
                lengths.append(len(key))
        elif not written.isascii():
            self._wordless.append(written)

    def _hidden(self, text: str) -> str:
        if text.casefold() in self._whole:
            return self.of(text)
        # The words of a text are looked up at once: most hold no name.
        is_named = not self._lengths.keys().isdisjoint(map(str.casefold, _WORD.findall(text)))
        spans = [*self._ids(text), *(self._names(text) if is_named else ())]
        if spans:
            # From left to right, the longest first; what overlaps goes with it.
            spans.sort(key=lambda span: (span[0], -span[1]))
            pieces, done = [], 0
            for start, end, person in spans:
                if start >= done:
                    pieces += [text[done:start], self.of(person)]
                done = max(done, end)
            text = "".join([*pieces, text[done:]])
        for name in self._wordless:
            if name in text:
                text = text.replace(name, self.of(name))
        return text

    def _ids(self, text: str) -> Iterator[tuple[int, int, str]]:
        if '":' in text:
            for match in _FIELD.finditer(text):
                yield (*match.span(1), json.loads(f'"{match[1]}"', strict=False))
        for needed, pattern in _IDS:
            if not any(one in text for one in needed):
                continue
            for match in pattern.finditer(text):
                if match[0].lower().replace("%7b", "{").replace("%7d", "}") not in self._things:
                    yield (*match.span(), match[0])

    def _names(self, text: str) -> Iterator[tuple[int, int, str]]:
        words = list(_WORD.finditer(text))
        folded_words = [word[0].casefold() for word in words]
        for place, first in enumerate(folded_words):
            for length in self._lengths.get(first, ()):
                key = tuple(folded_words[place : place + length])
                for one in self._by_words.get(key, ()):
                    start = words[place].start() - one.before
                    end = start + one.length
                    # No part of a longer word.
                    is_whole = not (one.folded[-1].isalnum() and text[end : end + 1].isalnum())
                    if start >= 0 and is_whole and text[start:end].casefold() == one.folded:
                        yield start, end, one.name


def _answer(seen: dict[str, str], text: str, of: Callable[[str], str]) -> str:
    """What ``of`` says of a text; answers to short ones are kept for the next time."""
    found = seen.get(text)
    if found is None:
        found = of(text)
        if len(text) <= _KEPT_LENGTH:
            if len(seen) >= _KEPT:
                seen.clear()
            seen[text] = found
    return found


def _as_written_elsewhere(name: str) -> Iterator[str]:
    """How a name stands in JSON and on a page."""
    yield json.dumps(name, ensure_ascii=False)[1:-1]
    yield json.dumps(name)[1:-1]
    yield html.escape(name)
    yield str(escape(name))
