"""Pseudonyms in the place of persons: the same in a whole package, and of no meaning outside it."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from typing import Final

# Ids of accounts as Bitbucket writes them, persons as the pipeline does (see core.persons), addresses of e-mail.
_IDS: Final = re.compile(
    r"(?P<uuid>\{[0-9A-Fa-f-]{36}\})"
    r"|(?P<login>\b(?:airflow|os):[^\s\"',;()\[\]{}]+)"
    r"|(?P<address>[\w.+%-]+@[\w-]+(?:\.[\w-]+)+)"
)
_WORD: Final = re.compile(r"\w+")
_DIGITS: Final = 10


class Pseudonyms:
    """What stands for whom.

    Args:
        names: names of persons as they may stand in a text: display names, nicknames, ids of accounts.
        things: ids in braces that are no account's: repositories, workspaces. Every other one is taken for a person.
    """

    def __init__(self, names: Iterable[str], things: Iterable[str]) -> None:
        # Never written down: with it whoever knows a person's id could find them.
        self._secret = secrets.token_bytes(32)
        self._things = frozenset(things)
        self._known: dict[str, str] = {}
        self._by_first_word: dict[str, list[str]] = {}
        for name in {one.strip() for one in names} - {""}:
            first = _WORD.search(name)
            if first and first.start() == 0:
                self._by_first_word.setdefault(first[0].casefold(), []).append(name)
        for found in self._by_first_word.values():
            found.sort(key=len, reverse=True)

    def of(self, person: str) -> str:
        """The pseudonym of a person, by an id, a login, an address or a name."""
        found = self._known.get(person)
        if found is None:
            digest = hmac.new(self._secret, person.casefold().encode(), hashlib.sha256).hexdigest()
            found = self._known[person] = f"person-{digest[:_DIGITS]}"
        return found

    def hide(self, text: str) -> str:
        """A text with pseudonyms in the place of all persons that are known."""
        return self._hide_names(_IDS.sub(self._replaced, text))

    def _replaced(self, match: re.Match[str]) -> str:
        found = match[0]
        return found if found in self._things else self.of(found)

    def _hide_names(self, text: str) -> str:
        pieces, done = [], 0
        for word in _WORD.finditer(text):
            if word.start() < done:
                continue
            for name in self._by_first_word.get(word[0].casefold(), ()):
                end = word.start() + len(name)
                if text[word.start() : end].casefold() == name.casefold() and not text[end : end + 1].isalnum():
                    pieces += [text[done : word.start()], self.of(name)]
                    done = end
                    break
        return "".join([*pieces, text[done:]]) if pieces else text
