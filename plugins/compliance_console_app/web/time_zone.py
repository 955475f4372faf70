"""The time zone that a person reads times in: asked for by ``?time_zone=``, remembered in a cookie; UTC otherwise."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from fastapi import Request

PARAMETER: Final = "time_zone"
COOKIE: Final = "compliance_time_zone"
UTC_NAME: Final = "UTC"
#: What an address never carries on: Bitbucket's answer to a consent is of use once.
_USED_UP: Final = frozenset((PARAMETER, "code", "state"))


def chosen(request: Request) -> str:
    """The IANA name of the zone; one that nobody knows counts as none."""
    for asked in (request.query_params.get(PARAMETER), request.cookies.get(COOKIE)):
        if asked and asked in available_timezones():
            return asked
    return UTC_NAME


def kept_query(request: Request) -> list[tuple[str, str]]:
    """What the address says besides, so that choosing a zone leaves the page as it is."""
    if request.method != "GET":
        return []
    return [(name, value) for name, value in request.query_params.multi_items() if name not in _USED_UP]


def told(value: datetime, pattern: str, zone: str) -> str:
    """A moment in a zone, with the zone's abbreviation, or how far it is from UTC where it has none."""
    there = value.astimezone(ZoneInfo(zone))
    name = there.tzname() or ""
    return f"{there.strftime(pattern)} {name if name.isalpha() else f'UTC{there.isoformat()[-6:]}'}"
