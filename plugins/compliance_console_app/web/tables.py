"""Rows of a table whose cells know their column: a phone shows each row as a card."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from markupsafe import Markup, escape

_TAG = re.compile(r"<(tr|td|th)(?=[\s>])([^>]*)>|</td>")


def labelled(rows: Markup, columns: Sequence[str | tuple[str, str]], less: Collection[str], ticks: bool) -> Markup:
    """Rows as a template drew them, each cell with the heading of its column, and long text to be cut off.

    Args:
        rows: ``tr`` with ``td`` and ``th``, one for each column. columns: headings, or pairs of an order and a heading.
        less: headings that a narrow screen does without. ticks: whether a column of boxes stands before them.
    """
    names = ["", *map(_heading, columns)] if ticks else [_heading(column) for column in columns]
    place = 0
    cut = False

    def mark(found: re.Match[str]) -> str:
        nonlocal place, cut
        kind, attributes = found[1], found[2]
        if kind == "tr":
            place = 0
            return found[0]
        if kind is None:
            end, cut = ("</div></td>" if cut else "</td>"), False
            return end
        name = names[place] if place < len(names) else ""
        place += 1
        if name in less:
            attributes = _with_class(attributes, "less")
        cut = kind == "td" and re.search(r'class="[^"]*\bwide\b', attributes) is not None
        if kind == "th":
            return f"<th{attributes}>"
        start = f'<td data-label="{escape(name)}"{attributes}>'
        return f'{start}<div class="clamp">' if cut else start

    return Markup(_TAG.sub(mark, str(rows)))  # noqa: S704  # nosec B704 - what a template has escaped already


def _heading(column: str | tuple[str, str]) -> str:
    return column if isinstance(column, str) else column[1]


def _with_class(attributes: str, name: str) -> str:
    if 'class="' in attributes:
        return attributes.replace('class="', f'class="{name} ', 1)
    return f'{attributes} class="{name}"'
