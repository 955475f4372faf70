"""A list that the database filters, sorts and cuts: which page of it, with links that keep what was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query

PageNumber = Annotated[int, Query(alias="page", ge=1, le=1_000_000)]
# Postgres takes no NUL.
Text = Annotated[str, Query(max_length=400, pattern=r"^[^\x00]*$")]


@dataclass(frozen=True)
class Listing:
    """One page of a list.

    Attributes:
        path: the list, below the console's root. chosen: the filter, as it stands in the address.
        sort: a column, with ``-`` in front from high to low.
        size: rows of a page; None: all are on one.
        total: rows that the filter leaves, on all pages.
    """

    path: str
    chosen: Mapping[str, Any] = field(default_factory=dict)
    sort: str = ""
    number: int = 1
    size: int | None = 50
    total: int = 0

    @property
    def _rows(self) -> int:
        return self.size or max(self.total, 1)

    @property
    def pages(self) -> int:
        """At least one."""
        return max(1, -(-self.total // self._rows))

    @property
    def jumps(self) -> list[int | None]:
        """Pages that links lead to: the first, those around this one, the last; None where some are left out."""
        if self.pages == 1:
            return []
        near = {1, self.pages, *range(self.number - 2, self.number + 3)}
        found: list[int | None] = []
        for number in sorted(one for one in near if 1 <= one <= self.pages):
            if found and number != (found[-1] or 0) + 1:
                found.append(None)
            found.append(number)
        return found

    @property
    def first(self) -> int:
        """Place of the first row that is shown, counted from one; 0 where there is none."""
        return min((self.number - 1) * self._rows + 1, self.total)

    @property
    def last(self) -> int:
        """Place of the last row that is shown."""
        return min(self.number * self._rows, self.total)

    @property
    def parameters(self) -> dict[str, Any]:
        """What the statement of the list needs for order and cut."""
        return {
            "sort": self.sort.removeprefix("-"),
            "descending": self.sort.startswith("-"),
            "limit": self.size,
            "offset": (self.number - 1) * self._rows,
        }

    def asked(self, **changes: Any) -> dict[str, Any]:
        """The query of a link to this list; a new order begins on the first page."""
        number = self.number if "sort" not in changes else 1
        return {**self.chosen, "sort": self.sort, "page": number, **changes}

    @property
    def address(self) -> str:
        """The list as it is, below the console's root, to come back to."""
        kept = {name: value for name, value in self.asked().items() if value not in ("", 1)}
        return f"{self.path}?{urlencode(kept)}" if kept else self.path

    def turned(self, column: str) -> str:
        """The order that a click on a column's heading asks for."""
        return f"-{column}" if self.sort == column else column

    def order_of(self, column: str) -> str:
        """As ``aria-sort`` has it; empty where the list is sorted by something else."""
        return {column: "ascending", f"-{column}": "descending"}.get(self.sort, "")

    def of(self, rows: list[dict[str, Any]]) -> Listing:
        """The list with its size, which each row tells in its column ``total``."""
        return replace(self, total=rows[0]["total"] if rows else 0)


def known_sort(asked: str, columns: tuple[str, ...], default: str) -> str:
    """The order asked for, where there is such a column."""
    return asked if asked.removeprefix("-") in columns else default
