"""Moments and days in the address of a page: read, and shown as they were typed. Days are those of UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from fastapi import HTTPException


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


def _moment(text: str, name: str, *, is_end: bool) -> datetime | None:
    typed = text.strip()
    if not typed:
        return None
    try:
        if len(typed) == len("2026-01-31"):
            begins = datetime.combine(date.fromisoformat(typed), time(), UTC)
            return begins + timedelta(days=1, microseconds=-1) if is_end else begins
        found = datetime.fromisoformat(typed)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as unreadable:
        told = f"{name} {ascii(typed)[:40]} is no day and no moment; give it as 2026-01-31 or 2026-01-31T14:00:00Z"
        raise HTTPException(422, detail=told) from unreadable
