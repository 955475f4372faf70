"""Pages as of a past day: ``?as_of=2026-03-31`` shows what was published by its end (UTC), and no actions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final

from fastapi import Depends, HTTPException, Request

from compliance_console_app.web.moments import day_of

PARAMETER: Final = "as_of"
#: The routes that know the past. What is none of them says so, rather than show today's.
PAGES: Final = frozenset(
    (
        "/",
        "/findings",
        "/tests",
        "/tests/{test_id}",
        "/tests/{test_id}/{subject_id}",
        "/repositories",
        "/repositories/{key}",
        "/members",
        "/members/{member_id}",
        "/controls",
    )
)


@dataclass(frozen=True)
class Past:
    """A day that is over.

    Attributes:
        moment: its last microsecond: what was published by then is shown.
    """

    day: date
    moment: datetime


def can_be_past(request: Request) -> bool:
    """Whether the page of a request can be shown as of a past day."""
    return request.method == "GET" and getattr(request.scope.get("route"), "path", "") in PAGES


def as_of(request: Request) -> Past | None:
    """The past day that the address asks for; None: the page shows what is now. ``page`` says which.

    Raises:
        HTTPException: 422, it is no day, or not over yet.
    """
    day = day_of(request.query_params.get(PARAMETER, "").replace("\0", ""), PARAMETER)
    if day is None:
        return None
    if day >= datetime.now(UTC).date():
        raise HTTPException(422, detail=f"{day} is not over yet: open the page without a day to see the present")
    begins = datetime(day.year, day.month, day.day, tzinfo=UTC)
    found = Past(day, begins + timedelta(days=1, microseconds=-1))
    request.state.past = found
    return found


def only_where_it_can_be_shown(request: Request) -> None:
    """Refuse a page as of a past day where it only knows what is now.

    Raises:
        HTTPException: 404, it does.
    """
    if request.query_params.get(PARAMETER) and not can_be_past(request):
        raise HTTPException(404, detail="this page shows the present; it can't be shown as of a past day")


AsOf = Annotated[Past | None, Depends(as_of)]
