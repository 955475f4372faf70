"""The past of a verdict as one strip: rectangles of an SVG, so that a page needs neither script nor inline styles.

What a stretch says shows in its colour and in its height: failing is the highest, passing a low band, not applicable
a line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

WIDTH, HEIGHT = 600, 24
HEIGHTS = {"failing": 24, "error": 19, "pending": 14, "passing": 9, "not_applicable": 3}
#: Reason codes of intervals in which nothing was published.
NOTHING_PUBLISHED = frozenset({"removed_or_invisible", "test_disabled"})
NARROWEST = 1.5


@dataclass(frozen=True)
class Stretch:
    """A stretch of one status: where it lies, and its sentence."""

    status: str
    x: float
    width: float
    y: float
    height: float
    text: str


@dataclass(frozen=True)
class Strip:
    """What the template draws for one test.

    Attributes:
        summary: the strip in words, for those who don't see it.
    """

    stretches: tuple[Stretch, ...]
    summary: str
    width: int = WIDTH
    height: int = HEIGHT


def strips(intervals: Iterable[dict[str, Any]], begins: datetime, ends: datetime) -> dict[str, Strip]:
    """A strip for each test, from ``begins`` to ``ends``.

    Args:
        intervals: rows of ``subjects/history``, test by test, the oldest first.
    """
    whole = max((ends - begins).total_seconds(), 1.0)
    found = {}
    for test_id, rows in groupby(intervals, key=lambda row: row["test_id"]):
        stretches = tuple(
            _stretch(row, begins, whole) for row in _joined(rows) if row["reason_code"] not in NOTHING_PUBLISHED
        )
        found[test_id] = Strip(stretches, "; ".join(stretch.text for stretch in stretches) or "nothing was published")
    return found


def _joined(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbours of one status as one."""
    joined: list[dict[str, Any]] = []
    for row in rows:
        last = joined[-1] if joined else None
        is_gap = row["reason_code"] in NOTHING_PUBLISHED
        if (
            last
            and last["status"] == row["status"]
            and last["ends"] == row["begins"]
            and (last["reason_code"] in NOTHING_PUBLISHED) == is_gap
        ):
            last.update(ends=row["ends"], valid_to=row["valid_to"])
        else:
            joined.append(dict(row))
    return joined


def _stretch(row: dict[str, Any], begins: datetime, whole: float) -> Stretch:
    x = (row["begins"] - begins).total_seconds() / whole * WIDTH
    width = max((row["ends"] - row["begins"]).total_seconds() / whole * WIDTH, NARROWEST)
    height = HEIGHTS.get(row["status"], HEIGHT)
    until = "now" if row["valid_to"] is None else f"{row['valid_to']:%Y-%m-%d}"
    text = f"{row['status'].replace('_', ' ')} from {row['valid_from']:%Y-%m-%d} to {until}"
    return Stretch(row["status"], round(min(x, WIDTH - width), 1), round(width, 1), HEIGHT - height, height, text)
