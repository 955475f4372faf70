"""Pages: templates with everything escaped, links that work below any prefix, messages after a redirect."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

from airflow.configuration import conf
from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse, Response

from bitbucket_compliance.core.persons import shown
from compliance_console_app.permissions import Person
from compliance_console_app.services import workspaces
from compliance_console_app.services.frame import Frame
from compliance_console_app.services.workspaces import Selection
from compliance_console_app.web import forms, navigation, signing, tables, time_zone
from compliance_console_app.web.past import Past, can_be_past

TEMPLATES = Path(__file__).parents[1] / "templates"
MESSAGE_COOKIE = "compliance_message"
MESSAGE_SECONDS = 60
NOTHING = "\N{EN DASH}"
#: What sentences say before the login of a person who signs in here, as everybody who reads them does.
_WITH_PROVIDER = re.compile(r"\bairflow:(?=\w)")


def page(
    request: Request, person: Person | None, name: str, /, *, status_code: int = 200, **values: Any
) -> HTMLResponse:
    """Render a template of ``templates/`` for this request.

    Templates know, besides ``values``: ``person``, ``path``, ``message``, ``selection`` (of ``workspaces``), ``frame``
    (of ``services.frame``), ``zone`` (which times are in), ``is_framed`` (Airflow shows the page within its own),
    ``url(path, **query)``, ``airflow_url(path)``, ``csrf_field()``, and the filters ``moment``, ``second``, ``ago``,
    ``day``, ``last_day``, ``number``, ``words``, ``person``, ``people``.
    """
    selection: Selection = getattr(request.state, "selection", Selection("", ()))
    past: Past | None = getattr(request.state, "past", None)
    frame: Frame = getattr(request.state, "frame", Frame())
    message = _message(request)
    zone = time_zone.chosen(request)

    def csrf_field() -> Markup:
        token = forms.token(request, person) if person else ""
        return Markup('<input type="hidden" name="{}" value="{}">').format(forms.FIELD, token)

    context = {
        "person": person,
        "url": partial(address, request),
        "airflow_url": partial(airflow_address, request),
        "csrf_field": csrf_field,
        "selection": selection,
        "message": message,
        "path": inner_path(request),
        "home": navigation.HOME,
        "navigation": navigation.GROUPS,
        "is_current": navigation.is_current,
        # What waits, and what is wrong with the data, is of now.
        "frame": replace(frame, waiting={}, banners=()) if past else frame,
        "is_framed": is_framed(request),
        "now": datetime.now(UTC),
        "zone": zone,
        "zones": sorted({time_zone.UTC_NAME, zone, frame.time_zone}),
        "kept_query": time_zone.kept_query(request),
        # What a form brought is no page to come back to.
        "is_form": request.method != "GET",
        "past": past,
        "can_be_past": can_be_past(request),
        "yesterday": datetime.now(UTC).date() - timedelta(days=1),
        **values,
    }
    for told in ("message", "problem", "text"):
        if isinstance(context.get(told), str):
            context[told] = _WITH_PROVIDER.sub("", context[told])
    response = HTMLResponse(_environment().get_template(name).render(context), status_code=status_code)
    if person:
        set_cookie(request, response, forms.COOKIE, forms.nonce(request))
    if selection.name:
        set_cookie(request, response, workspaces.COOKIE, selection.name)
    if time_zone.PARAMETER in request.query_params:
        set_cookie(request, response, time_zone.COOKIE, zone, max_age=365 * 86400)
    if message:
        response.delete_cookie(MESSAGE_COOKIE, path=cookie_path(request))
    return response


def redirect(request: Request, path: str, message: str = "") -> RedirectResponse:
    """303 to a page of the console (``path`` as in ``url``), which then shows the message once."""
    response = RedirectResponse(address(request, path), status_code=303)
    if message:
        text = base64.urlsafe_b64encode(json.dumps([int(time.time()), message[:1000]]).encode()).decode()
        signed = f"{text}.{signing.signature('message', text)}"
        set_cookie(request, response, MESSAGE_COOKIE, signed, max_age=MESSAGE_SECONDS)
    return response


def address(request: Request, path: str = "", **query: Any) -> str:
    """A relative link from this request's page to ``path`` below the console's root; empty queries are left out.

    Raises:
        ValueError: ``path`` leads out of the console.
    """
    if (
        path.startswith(("/", "\\"))
        or "//" in path
        or ".." in path.split("?")[0].split("/")
        or ":" in path.split("/")[0]
    ):
        raise ValueError(f"not a page of the console: {path}")
    root = "../" * inner_path(request).count("/") or "./"
    kept = {key: value for key, value in query.items() if value not in (None, "")}
    separator = "&" if "?" in path else "?"
    return root + path + (separator + urlencode(kept, quote_via=quote) if kept else "")


def airflow_address(request: Request, path: str) -> str:
    """A relative link to a page of Airflow, which the console is mounted in."""
    return "../" * (inner_path(request).count("/") + 1) + path


def is_framed(request: Request) -> bool:
    """Whether Airflow shows the page within its own: its frame lets no link out, and opens no other tab."""
    return request.headers.get("sec-fetch-dest") == "iframe"


def sign_in_address(request: Request) -> str:
    """Airflow's login, which leads back to the page that was asked for."""
    query = f"?{request.url.query}" if request.url.query else ""
    # Bitbucket's code and state are of use once, so that page is not opened again.
    asked = f"{request.url.path}{query}" if request.method == "GET" and "code=" not in query else cookie_path(request)
    return airflow_address(request, "api/v2/auth/login") + f"?{urlencode({'next': asked})}"


def inner_path(request: Request) -> str:
    """The path of this request below the console's root, without a leading slash."""
    path = str(request.scope["path"])
    return path.removeprefix(str(request.scope.get("root_path", ""))).removeprefix("/")


def cookie_path(request: Request) -> str:
    """Where the console's cookies are sent to: the console alone."""
    return str(request.scope.get("root_path", "")) or "/"


def set_cookie(request: Request, response: Response, name: str, value: str, max_age: int | None = None) -> None:
    """A cookie for the console alone, unreadable for scripts, not sent along from other sites."""
    response.set_cookie(
        name,
        value,
        max_age=max_age,
        path=cookie_path(request),
        httponly=True,
        samesite="lax",
        # Behind a proxy that speaks TLS the request itself comes by plain http.
        secure="https" in (request.url.scheme, urlsplit(conf.get("api", "base_url", fallback="")).scheme),
    )


def _message(request: Request) -> str:
    text, _, signature = request.cookies.get(MESSAGE_COOKIE, "").partition(".")
    if not signature or not signing.is_signed(signature, "message", text):
        return ""
    at, message = json.loads(base64.urlsafe_b64decode(text))
    return str(message) if time.time() - at <= MESSAGE_SECONDS else ""


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        moment=_moment,
        second=_second,
        ago=ago,
        day=day,
        last_day=last_day,
        number=number,
        words=words,
        person=shown_person,
        people=people,
        labelled=tables.labelled,
    )
    return environment


def moment(value: datetime | None, zone: str = time_zone.UTC_NAME) -> str:
    """``2026-03-31 14:05 UTC``, or in the zone that a person chose."""
    return time_zone.told(value, "%Y-%m-%d %H:%M", zone) if value else NOTHING


def second(value: datetime | None, zone: str = time_zone.UTC_NAME) -> str:
    """``2026-03-31 14:05:09 UTC``, where the order of two moments matters."""
    return time_zone.told(value, "%Y-%m-%d %H:%M:%S", zone) if value else NOTHING


@pass_context
def _moment(context: Context, value: datetime | None) -> str:
    return moment(value, context["zone"])


@pass_context
def _second(context: Context, value: datetime | None) -> str:
    return second(value, context["zone"])


def last_day(value: datetime | None, zone: str = "UTC") -> str:
    """``2027-01-31`` of what ends with that day in a zone, as it was typed: the end itself is the next midnight."""
    return (value - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date().isoformat() if value else NOTHING


def number(value: float | None) -> str:
    """``12,345``."""
    return NOTHING if value is None else f"{value:,}"


def day(value: date | datetime | None) -> str:
    """``2026-03-31``."""
    if isinstance(value, datetime):
        value = value.astimezone(UTC).date()
    return value.isoformat() if value else NOTHING


def ago(value: datetime | None) -> str:
    """``3 hours ago``, or ``in 3 days``."""
    if value is None:
        return NOTHING
    seconds = (datetime.now(UTC) - value).total_seconds()
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = int(abs(seconds) // size)
        if count:
            amount = f"{count} {unit}{'' if count == 1 else 's'}"
            return f"{amount} ago" if seconds > 0 else f"in {amount}"
    return "just now"


def words(value: str | None) -> str:
    """``not applicable`` for ``not_applicable``."""
    return (value or NOTHING).replace("_", " ")


def shown_person(value: str | None) -> str:
    """``anna`` for ``airflow:anna``; the audit trail and files name everybody in full."""
    return shown(value) if value else NOTHING


def people(values: Iterable[str]) -> dict[str, str]:
    """Options of a choice among persons: how each is read, by who it is."""
    return {value: shown(value) for value in values}
