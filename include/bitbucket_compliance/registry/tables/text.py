"""The text of a file in the encodings that spreadsheets and reports write."""

import re
import unicodedata
from typing import Final

from bitbucket_compliance.registry.tables.file import refused

_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_HOW_TO_SAVE: Final = "save the file as CSV UTF-8"
# What Windows-1252 has beside letters, and people write: a file of another encoding shows other signs, or these within
# words.
_SIGNS: Final = frozenset(
    "\xa0\u20ac\u201a\u201e\u2026\u2020\u2021\u2030\u2039\u203a\u2018\u2019\u201c\u201d\u2022\u2013\u2014\xa7\xa9\xab\xbb\xae\xb0\xb1\xb2\xb3\xb4\xb5\xb7\xb9\xba\xbc\xbd\xbe\xbf\xa1\xaa"
)
_WORD: Final = re.compile(r"[^\W\d_]+")
_SIGN_IN_A_WORD: Final = re.compile(r"[^\W\d_][^\w\x00-\x7f\u2019\u2013\u2014][^\W\d_]")


def decoded(name: str, content: bytes) -> str:
    """The text of a file.

    Raises:
        ImportRefused: it is in no encoding that is known for certain, or no text at all.
    """
    text = _text(name, content)
    if "\x00" in text:
        raise refused(name, "holds NUL characters: this is no CSV file")
    return text


def _text(name: str, content: bytes) -> str:
    if content.startswith(_UTF16):
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError as wrong:
            raise refused(name, f"begins as UTF-16 text and is none; {_HOW_TO_SAVE}") from wrong
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        text = _windows_1252(content)
        if text is None:
            line = content.count(b"\n", 0, wrong.start) + 1
            raise refused(name, f"line {line}: is not UTF-8 text; {_HOW_TO_SAVE}") from wrong
        return text


def _windows_1252(content: bytes) -> str | None:
    """The text, where it can hardly be of another encoding: European letters amid others, and usual signs."""
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        return None
    for word in _WORD.findall(text):
        foreign = sum(letter > "\x7f" for letter in word)
        if 2 * foreign > len(word):
            return None
    if _SIGN_IN_A_WORD.search(text):
        return None
    others = {letter for letter in text if letter > "\x7f" and not unicodedata.category(letter).startswith("L")}
    return text if others <= _SIGNS else None
