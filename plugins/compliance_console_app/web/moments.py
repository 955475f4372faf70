"""Moments and days in the address of a page: read, and shown as they were typed. Days are those of UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from fastapi import HTTPException

LONGEST_DAYS = 800
#: years in which a day has others before and after it, in every time zone
YEARS = range(1900, 9000)


def begin_of(text: str, name: str) -> datetime | None:
    """The moment that a field names; a day means its begin. None: it is empty.

    Raises:
        HTTPException: 422, it is neither.
    """
    return _moment(text, name, is_end=False)


def end_of(text: str, name: str) -> datetime | None:
    """As ``begin_of``; a day means its last microsecond."""
    return _moment(text, name, is_end=True)


def day_of(text: str, name: str) -> date | None:
    """The day that a field names; None: it is empty.

    Raises:
        HTTPException: 422, it is none.
    """
    found = _moment(text, name, is_end=False)
    return found.date() if found else None


def period_of(since: str, until: str) -> tuple[date, date] | None:
    """First and last day of a period, today where no last one is given; None: neither is.

    Raises:
        HTTPException: 422, a day is missing or can't be read, or the period ends before it begins or is too long.
    """
    first, last = day_of(since, "since"), day_of(until, "until")
    if first is None and last is None:
        return None
    if first is None:
        raise HTTPException(422, detail="since is missing: give the first day of the period")
    last = last or datetime.now(UTC).date()
    if not first <= last <= first + timedelta(days=LONGEST_DAYS):
        raise HTTPException(422, detail=f"a period ends after it begins, and within {LONGEST_DAYS} days")
    return first, last


def _moment(text: str, name: str, *, is_end: bool) -> datetime | None:
    typed = text.strip()
    if not typed:
        return None
    try:
        if len(typed) == len("2026-01-31"):
            begins = datetime.combine(date.fromisoformat(typed), time(), UTC)
            found = begins + timedelta(days=1, microseconds=-1) if is_end else begins
        else:
            found = datetime.fromisoformat(typed)
            found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as unreadable:
        told = f"{name} {ascii(typed)[:40]} is no day and no moment; give it as 2026-01-31 or 2026-01-31T14:00:00Z"
        raise HTTPException(422, detail=told) from unreadable
    if found.year not in YEARS:
        raise HTTPException(422, detail=f"{name} {ascii(typed)[:40]} lies in no year that anything is known of")
    return found
