"""Bitbucket's error bodies, as the official document and the recordings have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

RATE_LIMIT_TEXT = "Rate limit for this resource has been exceeded"
HTML_TOKEN = "sandbox-html-token-that-must-never-reach-a-log"  # noqa: S105  # opens nothing
INVALID_TOKEN = "Token is invalid, expired, or not supported for this endpoint."  # noqa: S105  # a message
EXPIRED_TOKEN = "Access token expired. Use your refresh token to obtain a new access token."  # noqa: S105  # a message


@dataclass
class ApiError(Exception):
    """An answer that is not a success: status, body and content type."""

    status: int
    body: Any
    media_type: str = "application/json"


def envelope(message: str, **more: Any) -> dict[str, Any]:
    """The error envelope: ``{"type": "error", "error": {"message": …}}``."""
    return {"type": "error", "error": {"message": message, **more}}


def bad_request(message: str) -> ApiError:
    """400: a parameter that can't be understood."""
    return ApiError(400, envelope(message))


def unauthorized(message: str = INVALID_TOKEN) -> ApiError:
    """401: no token, an unknown one or an expired one."""
    return ApiError(401, envelope(message))


def missing_scope(required: list[str], granted: list[str]) -> ApiError:
    """403 of a missing scope; live answers carry an object in ``detail``."""
    return ApiError(
        403,
        envelope(
            "Your credentials lack one or more required privilege scopes.",
            detail={"required": required, "granted": granted},
        ),
    )


def missing_rights(message: str = "Access denied. You must have write or admin access.") -> ApiError:
    """403 of an identity without the rights, whatever the scopes."""
    data = {"key": "INSUFFICIENT_RIGHTS"}
    return ApiError(403, {"data": data, **envelope(message, data=data)})


def not_found(message: str = "Resource not found", **more: Any) -> ApiError:
    """404 in Bitbucket's envelope."""
    return ApiError(404, envelope(message, **more))


def no_api() -> ApiError:
    """404 of a path that is no endpoint."""
    return not_found(detail="There is no API hosted at this URL")


def gone() -> ApiError:
    """410 of the cross-workspace endpoints that were taken away."""
    return ApiError(
        410,
        envelope(
            "CHANGE-2770 - Functionality has been deprecated",
            detail="This API is no longer available. See the announcement for what replaces it.",
            data={"announcement_url": "https://developer.atlassian.com/cloud/bitbucket/changelog/#CHANGE-2770"},
        ),
    )


def rate_limited() -> ApiError:
    """429: plain text and no ``Retry-After``."""
    return ApiError(429, RATE_LIMIT_TEXT, "text/plain")


def html_page(status: int = 404) -> ApiError:
    """A whole web page of some 25 KB that carries a profile and a token: it must never be logged."""
    filler = "<p>This page could not be found.</p>\n" * 660
    page = (
        "<!DOCTYPE html>\n<html><head><title>404 - Page not found</title>\n"
        '<meta name="bb-bootstrap" '
        f'data-current-user=\'{{"displayName": "Sandbox", "token": "{HTML_TOKEN}"}}\'>\n'
        f"</head><body>\n{filler}</body></html>\n"
    )
    return ApiError(status, page, "text/html")


def workspace_not_found(key: str, shape: str) -> ApiError:
    """404 of an unknown workspace in one of the three shapes seen: JSON, plain text, a web page."""
    if shape == "html":
        return html_page()
    if shape == "text":
        return ApiError(404, "Not Found", "text/plain")
    return not_found(f"No workspace with identifier '{key}'.")


def repository_not_found() -> ApiError:
    """404 of a repository that is not there, or not visible: Bitbucket does not tell the two apart."""
    return not_found(
        "You may not have access to this repository or it no longer exists in this workspace. If you think "
        "this repository exists and you have access, make sure you are authenticated."
    )


def for_status(status: int) -> ApiError:
    """The usual body of a status code, for the fault switches."""
    known = {
        401: unauthorized,
        403: missing_rights,
        404: not_found,
        410: gone,
        429: rate_limited,
    }
    if status in known:
        return known[status]()
    if status in (502, 503, 504):
        return ApiError(status, f"<html><body><h1>{status}</h1></body></html>", "text/html")
    return ApiError(status, envelope("Something went wrong"))
