"""Where a URL would really be sent to: scheme, host and port, read by the parser that sends it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import parse_qsl, urlencode, urlsplit

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

Origin = tuple[str, str, int]

PORTS = {"http": 80, "https": 443}


def origin_of(url: str | None) -> Origin | None:
    """Scheme, host and port of ``url``; None where it has none, or carries a user or password."""
    parts = _parsed(url or "")
    if parts is None:
        return None
    scheme = (parts.scheme or "").lower()
    if scheme not in PORTS or not parts.host or parts.auth is not None:
        return None
    return scheme, parts.host.lower(), parts.port or PORTS[scheme]


def path_of(url: str | None) -> str:
    """Percent-encoded path of ``url`` without its query; empty where there is none."""
    parts = _parsed(url or "")
    return (parts.path if parts else None) or ""


def query_of(url: str | None) -> dict[str, object]:
    """The query parameters of ``url``, each with a list of its values."""
    query: dict[str, list[str]] = {}
    for name, value in parse_qsl(urlsplit(url or "").query, keep_blank_values=True):
        query.setdefault(name, []).append(value)
    return dict(query)


def still_asking(link: str, asked: Mapping[str, object], path: str | None = None) -> str:
    """A link that Bitbucket gave, asking for what was asked before: it loses ``fields``, ``sort`` and more on the way.

    Args:
        link: absolute; what only it names (where a page begins) stays.
        asked: query parameters of the request that led to it; these stand. But ``pagelen`` does so only where the link
            has none: the server may have chosen another length, by which its pages are counted.
        path: percent-encoded, in place of the link's own.
    """
    try:
        parts = urlsplit(link)
    except ValueError:  # no URL: whoever sends it finds that out
        return link
    given = parse_qsl(parts.query, keep_blank_values=True)
    names = {name for name, _ in given}
    wanted = [
        (name, str(one))
        for name, value in asked.items()
        if name != "pagelen" or name not in names
        for one in (value if isinstance(value, list | tuple) else (value,))
    ]
    kept = [(name, value) for name, value in given if name not in asked or name == "pagelen"]
    query = parts.query if sorted(given) == sorted([*kept, *wanted]) else urlencode([*wanted, *kept])
    return parts._replace(path=parts.path if path is None else path, query=query).geturl()


def sends_in_plain(url: str) -> bool:
    """Whether what is sent there would leave this machine without encryption."""
    origin = origin_of(url)
    if origin is None or origin[0] == "https" or origin[1] == "localhost":
        return False
    try:
        return not ipaddress.ip_address(origin[1].strip("[]")).is_loopback
    except ValueError:
        return True


# Each request's URL is looked at five times, and the parser goes over it letter by letter.
@lru_cache(maxsize=256)
def _parsed(url: str) -> Url | None:
    try:
        return parse_url(url)
    except LocationParseError:
        return None
