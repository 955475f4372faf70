"""The official API document (Swagger 2.0), for tests that check answers and requests against it.

It is not part of the project: it lies beside the repository, in ``../shared/bitbucket/openapi``. Tests that
need it skip where it is absent (:data:`MISSING` is then the reason). This module imports nothing of ours.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "bitbucket" / "openapi"
# Parameters that every listing, or every endpoint, takes by the document's narrative chapters.
NARRATIVE_LISTING = frozenset({"page", "pagelen", "q", "sort"})
NARRATIVE_ALWAYS = frozenset({"fields"})


def _found() -> Path | None:
    return max(FOLDER.glob("bitbucket-swagger2-*.json"), default=None)


MISSING = None if _found() else f"the official document is not in {FOLDER.parent.name}/{FOLDER.name} beside us"


@cache
def document() -> dict[str, Any]:
    """The whole document, read once; raises ``FileNotFoundError`` where it is absent."""
    path = _found()
    if path is None:
        raise FileNotFoundError(MISSING)
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


@cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    """The paths as patterns, those with the fewest placeholders first."""
    paths = sorted(document()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\\\{[^/]+\\\}", "[^/]+", re.escape(path))), path) for path in paths]


def operation_for(method: str, path: str) -> tuple[str, dict[str, Any]]:
    """The path template and the operation of a request.

    ``path`` may be a whole URL, with or without ``/2.0`` and a query. The operation's ``parameters``
    include those of its path. Raises ``LookupError`` where the document knows no such operation.
    """
    bare = urlsplit(path).path.removeprefix("/2.0")
    for pattern, template in _templates():
        item = document()["paths"][template]
        if pattern.fullmatch(bare) and method.lower() in item:
            operation = dict(item[method.lower()])
            operation["parameters"] = [*item.get("parameters", []), *operation.get("parameters", [])]
            return template, operation
    raise LookupError(f"the official document has no {method.upper()} {bare}")


def documented_query(op: dict[str, Any]) -> set[str]:
    """The query parameters that a request to this operation may carry."""
    named = {p["name"] for p in op.get("parameters", []) if p.get("in") == "query"}
    schema = response_schema(op) or {}
    listing = schema.get("$ref", "").rsplit("/", 1)[-1].startswith("paginated_")
    return named | NARRATIVE_ALWAYS | (NARRATIVE_LISTING if listing else set())


def classic_scopes(op: dict[str, Any]) -> set[str]:
    """The classic OAuth 2.0 scopes that an operation needs."""
    return {scope for entry in op.get("security", []) for scope in entry.get("oauth2", [])}


def response_schema(op: dict[str, Any], status: int = 200) -> dict[str, Any] | None:
    """The schema of an operation's answer, or nothing where it has none."""
    schema: dict[str, Any] | None = op.get("responses", {}).get(str(status), {}).get("schema")
    return schema
