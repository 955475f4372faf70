"""Where a URL would really be sent to: scheme, host and port, read by the parser that sends it."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

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
