"""Which OAuth scope includes which other (classic scopes; API-token scopes include nothing).

Source: the scope section of Bitbucket's REST documentation. ``repository:admin`` includes neither
``repository`` nor ``repository:write``, and neither includes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

#: scope -> what Bitbucket grants with it, one step deep
IMPLIED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "account:write": frozenset({"account"}),
        "issue:write": frozenset({"issue"}),
        "pipeline:write": frozenset({"pipeline"}),
        "pipeline:variable": frozenset({"pipeline"}),
        "project": frozenset({"repository"}),
        "pullrequest": frozenset({"repository"}),
        "pullrequest:write": frozenset({"pullrequest", "repository:write"}),
        "repository:write": frozenset({"repository"}),
        "runner:write": frozenset({"runner"}),
        "snippet:write": frozenset({"snippet"}),
    }
)


def expand(scopes: Iterable[str]) -> frozenset[str]:
    """All scopes that these scopes amount to, themselves included.

    Live tokens leave the included ones out of ``X-OAuth-Scopes``, so a check must add them again.
    """
    known: set[str] = set()
    todo = list(scopes)
    while todo:
        scope = todo.pop()
        if scope not in known:
            known.add(scope)
            todo.extend(IMPLIED.get(scope, ()))
    return frozenset(known)


def parse(text: str) -> frozenset[str]:
    """Scopes written with commas (``X-OAuth-Scopes``) or spaces (a token's ``scope``)."""
    return frozenset(text.replace(",", " ").split())
