"""Listings as a server sends them that is not to be trusted: cut, repeated, reordered, with other counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st


@dataclass(frozen=True)
class Mangled:
    """How a listing is sent.

    Attributes:
        pages: places in the whole listing, page by page.
        sizes: what each page states as the size of the listing; None: nothing.
        length: of a page, as the server states it; None: it doesn't.
    """

    pages: list[list[int]]
    sizes: list[int | None]
    length: int | None

    def bodies(self, items: Sequence[dict[str, Any]], url: str) -> list[dict[str, Any]]:
        """The pages of these objects, each naming the next one."""
        made: list[dict[str, Any]] = []
        for number, (places, size) in enumerate(zip(self.pages, self.sizes, strict=True), 1):
            body: dict[str, Any] = {"values": [items[place] for place in places]}
            if size is not None:
                body["size"] = size
            if self.length is not None:
                body["pagelen"] = self.length
            if number < len(self.pages):
                body["next"] = f"{url}?page={number}"
            made.append(body)
        return made

    @property
    def fault(self) -> str:
        """The same for the sandbox's fault ``pages``, whose pages all state one size."""
        return json.dumps({"pages": self.pages, "size": self.sizes[-1], "pagelen": self.length})


@st.composite
def mangled(draw: st.DrawFn, count: int, *, length: int = 5, says_length: bool = False) -> Mangled:
    """A listing of so many objects.

    What is left out shows in a size, in a repetition, or in a full page at the end: a server that hides an object
    behind a short last page, and states no size or one that leaves it out too, can't be told from one that has no more.
    """
    order = draw(st.permutations(range(count))) if draw(st.booleans()) else list(range(count))
    pages = [list(order[at : at + length]) for at in range(0, count, length)] or [[]]
    if len(pages) > 1 and draw(st.booleans()):
        pages = pages[: draw(st.integers(1, len(pages) - 1))]
    for page in pages:
        if page and draw(st.booleans()):
            # In the place of another one.
            page[draw(st.integers(0, len(page) - 1))] = draw(st.sampled_from(order))
    if len(pages) > 1 and draw(st.booleans()):
        pages.insert(draw(st.integers(0, len(pages))), list(draw(st.sampled_from(pages))))
    if draw(st.booleans()):
        counted = count + draw(st.sampled_from([0, 0, 1, 7]))
        pages = [page[: draw(st.integers(0, len(page)))] if draw(st.booleans()) else page for page in pages]
        sizes: list[int | None] = [counted] * len(pages)
    else:
        sizes = [None] * len(pages)
    if sizes[0] is None and len(pages) > 1 and not says_length:
        return Mangled(pages, sizes, draw(st.sampled_from([length, None])))
    return Mangled(pages, sizes, length)
