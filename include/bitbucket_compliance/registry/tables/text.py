"""The text of a file in the encodings that spreadsheets and reports write."""

import re
import unicodedata
from typing import Final

from bitbucket_compliance.registry.tables.file import refused

_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_HOW_TO_SAVE: Final = "save the file as CSV UTF-8"
# What Windows-1252 has beside letters, and people write: a file of another encoding shows other signs, or these within
# words.
_SIGNS: Final = frozenset(" €‚„…†‡‰‹›‘’“”•–—§©«»®°±²³´µ·¹º¼½¾¿¡ª")
_WORD: Final = re.compile(r"[^\W\d_]+")
_SIGN_IN_A_WORD: Final = re.compile(r"[^\W\d_][^\w\x00-\x7f’–—][^\W\d_]")


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
