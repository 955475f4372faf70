"""The trend chart: points of an SVG, computed here so that a page needs no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby, pairwise
from typing import Any

WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 28
LABELS = 6


@dataclass(frozen=True)
class Point:
    """A day with a score, where it lies, and its sentence."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Label:
    """Words under the chart or beside it."""

    at: float
    text: str


@dataclass(frozen=True)
class Chart:
    """What the template draws."""

    points: tuple[Point, ...]
    lines: tuple[str, ...]
    days: tuple[Label, ...]
    levels: tuple[Label, ...]
    summary: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


@dataclass(frozen=True)
class Moved:
    """What moved the score last.

    Attributes:
        by: points, up or down. on: the first day of the score as it is.
        tests: of each test that took part its title, and how many more pass and fail than on the day before.
    """

    by: float
    on: date
    tests: tuple[tuple[str, int, int], ...]


def by_day(tests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Day, score and failures of all tests together; from where each test stood, oldest first."""
    found = []
    for day, group in groupby(tests, key=lambda row: row["day"]):
        rows = list(group)
        decided = sum(row["weighted_decided"] for row in rows)
        score = round(100.0 * sum(row["weighted_passing"] for row in rows) / decided, 1) if decided else None
        found.append({"day": day, "score": score, "failing": sum(row["failing"] for row in rows)})
    return found


def moved(tests: Sequence[dict[str, Any]]) -> Moved | None:
    """The newest move of the score; None: it never moved."""
    days = [day for day in by_day(tests) if day["score"] is not None]
    for before, after in reversed(list(pairwise(days))):
        if before["score"] != after["score"]:
            stood, stands = (
                {row["test_id"]: row for row in tests if row["day"] == day["day"]} for day in (before, after)
            )
            none = {"passing": 0, "failing": 0}
            titles = {test_id: row["test_title"] for test_id, row in {**stood, **stands}.items()}
            changes = [
                (title, *(stands.get(key, none)[name] - stood.get(key, none)[name] for name in ("passing", "failing")))
                for key, title in titles.items()
            ]
            took_part = tuple((title, more, worse) for title, more, worse in changes if more or worse)
            return Moved(round(after["score"] - before["score"], 1), after["day"], took_part)
    return None


def chart(days: Sequence[dict[str, Any]]) -> Chart | None:
    """The score of each day (``day``, ``score``, ``failing``, oldest first); None where no day has a score."""
    known = [row for row in days if row["score"] is not None]
    if not known:
        return None
    step = (WIDTH - LEFT - RIGHT) / max(1, len(days) - 1)
    drawn: list[list[Point]] = [[]]
    for index, row in enumerate(days):
        if row["score"] is None:
            drawn.append([])
            continue
        text = f"{row['day'].isoformat()}: score {row['score']:.1f}, {row['failing']} failing"
        drawn[-1].append(Point(round(LEFT + index * step, 1), _height_of(row["score"]), text))
    first, last = known[0], known[-1]
    return Chart(
        points=tuple(point for line in drawn for point in line),
        lines=tuple(" ".join(f"{point.x},{point.y}" for point in line) for line in drawn if len(line) > 1),
        days=tuple(_labels(days, step)),
        levels=tuple(Label(_height_of(level), f"{level} %") for level in (0, 25, 50, 75, 100)),
        summary=(
            f"Score from {first['score']:.1f} on {first['day'].isoformat()}"
            f" to {last['score']:.1f} on {last['day'].isoformat()}"
        ),
    )


def _height_of(score: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * score / 100, 1)


def _labels(days: Sequence[dict[str, Any]], step: float) -> list[Label]:
    every = max(1, -(-len(days) // LABELS))
    return [
        Label(round(LEFT + index * step, 1), row["day"].isoformat())
        for index, row in enumerate(days)
        if index % every == 0
    ]
