"""Lists shown page by page: what was asked for by filters, order and page, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Query

PAGE_SIZE = 50
PageNumber = Annotated[int, Query(alias="page", ge=1, le=100_000)]
Text = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]


@dataclass(frozen=True)
class Listing:
    """One page of a list.

    Attributes:
        path: where it stands, as ``url`` takes it.
        chosen: its filters, by their names in the address.
        sort: column it is ordered by, with ``-`` in front where descending; empty: the list's own order.
        number: page, from 1.
        total: entries on all pages.
    """

    path: str
    chosen: Mapping[str, str]
    sort: str = ""
    number: int = 1
    total: int = 0
    size: int = PAGE_SIZE

    @property
    def parameters(self) -> dict[str, Any]:
        """``sort``, ``limit`` and ``offset`` for the statement."""
        return {"sort": self.sort, "limit": self.size, "offset": (self.number - 1) * self.size}

    def of(self, found: Sequence[Mapping[str, Any]]) -> Listing:
        """The listing with the total that each row found names (``total``)."""
        return replace(self, total=found[0]["total"] if found else 0)

    @property
    def pages(self) -> int:
        """How many pages there are; at least one."""
        return max(1, -(-self.total // self.size))

    @property
    def first(self) -> int:
        """Number of the first entry shown; 0 where there is none."""
        return (self.number - 1) * self.size + 1 if self.total else 0

    @property
    def last(self) -> int:
        """Number of the last entry shown."""
        return min(self.number * self.size, self.total)

    def asked(self, **other: Any) -> dict[str, Any]:
        """The queries of a link to the same list with something else in it; a new order begins at page 1."""
        return {**self.chosen, "sort": self.sort, **other}

    def order_of(self, column: str) -> str:
        """``ascending`` or ``descending`` where the list is ordered by ``column``, else nothing."""
        return {column: "ascending", f"-{column}": "descending"}.get(self.sort, "")

    def turned(self, column: str) -> str:
        """The order that a click on the heading of ``column`` asks for."""
        return f"-{column}" if self.sort == column else column
