"""What single cells of declared tables say: addresses, days, nothing at all."""

import re
import unicodedata
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

_EARLIEST_YEAR: Final = 1900
_IN_NO_ADDRESS: Final = re.compile(r"[\s\"\\<>(),;:@\[\]]")
_BRACKETS: Final = re.compile(r"<([^<>]*)>")
_COMMENT: Final = re.compile(r"\([^()]*\)")
_NOTHING: Final = frozenset(
    ("", "-", "--", "\u2013", "\u2014", "n/a", "n.a.", "na", "#n/a", "null", "none", "not applicable")
)

#: letters and marks that show nothing
_BLANKS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u3164\uffa0")

_ISO_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_YEAR_FIRST: Final = re.compile(r"(\d{4})[./](\d{1,2})[./](\d{1,2})|(\d{4})(\d{2})(\d{2})")
_TWO_AND_YEAR: Final = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})")
_WITH_MONTH: Final = (
    re.compile(r"(?P<day>\d{1,2})[ .-]+(?P<month>[a-z]{3,9})[ .,-]+(?P<year>\d{4})", re.IGNORECASE),
    re.compile(r"(?P<month>[a-z]{3,9})[ .-]+(?P<day>\d{1,2})[ .,-]+(?P<year>\d{4})", re.IGNORECASE),
)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_NAMES: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_TIME_BEHIND: Final = re.compile(r"[ T]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[AP]M)?", re.IGNORECASE)
#: how a mapping writes a date format, by what ``strptime`` calls its parts
_PARTS: Final = (("YYYY", "%Y"), ("YY", "%y"), ("MMMM", "%B"), ("MMM", "%b"), ("MM", "%m"), ("DD", "%d"))


def says_nothing(cell: str) -> bool:
    """Whether a cell stands for a value that there isn't: empty, a dash, N/A."""
    return visible(cell).casefold() in _NOTHING


def visible(cell: str) -> str:
    """A cell without characters that show nothing, every kind of space as one, trimmed."""
    shown = (letter for letter in unicodedata.normalize("NFKC", cell) if not _is_invisible(letter))
    return " ".join("".join(shown).split())


def _is_invisible(letter: str) -> bool:
    return unicodedata.category(letter) == "Cf" or letter in _BLANKS or "\ufe00" <= letter <= "\ufe0f"


def is_address(text: str) -> bool:
    """Whether it has the form of an e-mail address that a filter of Bitbucket's can hold."""
    local, _, domain = text.partition("@")
    return bool(local and domain) and not _IN_NO_ADDRESS.search(local + domain)


def addresses(cell: str) -> tuple[list[str], str]:
    """The e-mail addresses of a cell, in lower case, each once; and the first thing in it that is none, if any.

    Reports put several addresses, ``Name <address>``, ``mailto:`` or invisible characters into it.
    """
    shown = visible(cell).lower()
    found = [inside.strip() for inside in _BRACKETS.findall(shown)]
    # Beside an address in brackets stands a name, not another address.
    beside = [word for word in _words(_BRACKETS.sub(";", shown)) if not found or is_address(word)]
    plain = [_without_scheme(word) for word in (*found, *beside)]
    wrong = next((word for word in plain if not is_address(word)), "")
    return list(dict.fromkeys(word for word in plain if is_address(word))), wrong


def _words(text: str) -> list[str]:
    words = (word.strip("'\"`") for word in re.split(r"[;,|\s]+", _COMMENT.sub(" ", text)))
    return [word for word in words if any(letter.isalnum() for letter in word)]


def _without_scheme(word: str) -> str:
    return word.removeprefix("mailto:").partition("?")[0] if word.startswith("mailto:") else word


# ------------------------------------------------------------------------------------------------------------ days


class NoDay(ValueError):
    """A text is no day that can be told for certain; the message says what to write."""


def day(text: str, zone: ZoneInfo, date_format: str = "") -> date:
    """The day that a text says; an instant is the day that it is in ``zone``.

    Args:
        date_format: as a mapping says it, such as ``DD.MM.YYYY``; empty: whatever can be read in one way alone.

    Raises:
        NoDay: it is none, or day and month could be swapped.
    """
    shown = visible(text)
    found = _as_told(shown, date_format) if date_format else _instant(shown, zone) or _plain_day(shown)
    if found.year < _EARLIEST_YEAR:
        raise NoDay(f"lies in the year {found.year:04}: write the year in full")
    return found


def _as_told(text: str, date_format: str) -> date:
    pattern = date_format
    for ours, theirs in _PARTS:
        pattern = pattern.replace(ours, theirs)
    for candidate in (text, _TIME_BEHIND.sub("", text)):
        try:
            return datetime.strptime(candidate, pattern).date()
        except ValueError:
            continue
    raise NoDay(f"is no date; the mapping says {date_format}")


def _instant(text: str, zone: ZoneInfo) -> date | None:
    """The day of a date or date-time as ISO 8601 writes it; None: it is none."""
    if not _ISO_DAY.match(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NoDay("is no date; write it as YYYY-MM-DD") from None
    try:
        return moment.astimezone(zone).date() if moment.tzinfo else moment.date()
    except OverflowError:  # the last day of the calendar, by which some say that there is no end
        return moment.date()


def _plain_day(text: str) -> date:
    text = _TIME_BEHIND.sub("", text)
    if match := _YEAR_FIRST.fullmatch(text):
        year, month, number = (int(part) for part in match.groups() if part)
        return _made(year, month, number)
    if match := _TWO_AND_YEAR.fullmatch(text):
        return _of_two(int(match[1]), int(match[3]), int(match[4]))
    for pattern in _WITH_MONTH:
        if match := pattern.fullmatch(text):
            return _made(int(match["year"]), _month(match["month"]), int(match["day"]))
    raise NoDay("is no date; write it as YYYY-MM-DD")


def _of_two(first: int, second: int, year: int) -> date:
    """A day whose two numbers stand before the year, where only one order makes a date."""
    if first > 12 or first == second:
        return _made(year, second, first)
    if second > 12:
        return _made(year, first, second)
    raise NoDay("could be two days, for day and month can be swapped: say the date format, such as DD.MM.YYYY")


def _month(name: str) -> int:
    short = name[:3].lower()
    known = (*_MONTHS, "sept", *_MONTH_NAMES)
    if name.lower() not in known:
        raise NoDay("is no date; write it as YYYY-MM-DD")
    return _MONTHS.index(short) + 1


def _made(year: int, month: int, number: int) -> date:
    try:
        return date(year, month, number)
    except ValueError:
        raise NoDay("is no date; write it as YYYY-MM-DD") from None
