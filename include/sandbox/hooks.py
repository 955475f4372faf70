"""The endpoints of webhooks: reading, registering, changing and deleting those of a workspace or a repository.

Source: the official document's paths with ``/hooks`` and its definition ``webhook_subscription``; the keys are
those of recordings of 2026. The document refuses addresses of one's own network: a stand-in takes them, as it has
no other to deliver to. PUT takes the whole webhook, but for ``active`` and ``secret``, which may be left out.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from sandbox import errors, render
from sandbox.call import Answer, Call, Done, Endpoint, Listing
from sandbox.model import Repository, Webhook, Workspace

NOT_OWNER = "Access denied. The authenticated user is not an owner on the specified workspace."
MAX_SECRET = 128

_REPO_EVENTS = (
    "commit_comment_created", "commit_status_created", "commit_status_updated", "created", "deleted", "fork",
    "imported", "push", "transfer", "updated",
)  # fmt: skip
_PULL_REQUEST_EVENTS = (
    "approved", "changes_request_created", "changes_request_removed", "comment_created", "comment_deleted",
    "comment_reopened", "comment_resolved", "comment_updated", "created", "fulfilled", "push", "rejected",
    "unapproved", "updated",
)  # fmt: skip
EVENTS = frozenset(
    {
        *(f"repo:{event}" for event in _REPO_EVENTS),
        *(f"pullrequest:{event}" for event in _PULL_REQUEST_EVENTS),
        *(f"issue:{event}" for event in ("comment_created", "created", "updated")),
        "pipeline:span_created",
        "project:updated",
    }
)
# The scope that an event needs, by what stands before its colon.
EVENT_SCOPES = {
    "repo": "repository",
    "pullrequest": "pullrequest",
    "issue": "issue",
    "pipeline": "pipeline",
    "project": "project",
}

Subject = tuple[Workspace, Repository | None]


def _subject(call: Call) -> Subject:
    """What the path names, where the caller may have webhooks on it; 404 or 403 elsewhere."""
    if "repo_slug" in call.parameters:
        return call.administered()
    workspace = call.workspace()
    call.needs_workspace_admin(NOT_OWNER)
    return workspace, None


def _hooks(subject: Subject) -> list[Webhook]:
    workspace, repo = subject
    return workspace.webhooks if repo is None else repo.webhooks


def _found(call: Call, subject: Subject) -> Webhook:
    """The webhook of the path, its uuid with or without braces in any case; 404 where it isn't."""
    wanted = call.parameters["uid"].strip("{}").lower()
    found = next((hook for hook in _hooks(subject) if hook.uuid.strip("{}").lower() == wanted), None)
    if found is None:
        raise errors.not_found(f"{call.parameters['uid']} does not exist.")
    return found


# --- what the caller sent -----------------------------------------------------------------------------


def _sent(call: Call) -> dict[str, Any]:
    """The body as an object; 400 for anything else."""
    try:
        body = json.loads(call.body)
    except ValueError as problem:
        raise errors.bad_request("The request body is not valid JSON.") from problem
    if not isinstance(body, dict):
        raise errors.bad_request("The request body is not a JSON object.")
    return body


def _refusal(name: str, problem: str) -> errors.ApiError:
    return errors.bad_request(f"{name}: {problem}")


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise _refusal(name, "Not a string.")


def _url(name: str, value: Any) -> None:
    _text(name, value)
    try:
        parts = urlsplit(value)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        known = False
    if not known:
        raise _refusal(name, "Enter a valid URL.")


def _events(name: str, value: Any) -> None:
    if not isinstance(value, list) or not value:
        raise _refusal(name, "At least one event is required.")
    unknown = [event for event in value if not isinstance(event, str) or event not in EVENTS]
    if unknown:
        raise _refusal(name, f"{unknown[0]!r} is not a known event.")
    if len(set(value)) < len(value):
        raise _refusal(name, "Events are listed more than once.")


def _flag(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise _refusal(name, "Not a boolean.")


def _secret(name: str, value: Any) -> None:
    if value is not None:
        _text(name, value)
        if len(value) > MAX_SECRET:
            raise _refusal(name, f"Longer than {MAX_SECRET} characters.")


_REQUIRED = ("url", "description", "events")
_CHECKS: dict[str, Callable[[str, Any], None]] = {
    "url": _url,
    "description": _text,
    "events": _events,
    "active": _flag,
    "secret": _secret,
    "skip_cert_verification": _flag,
    "history_enabled": _flag,
}


def _checked(call: Call) -> dict[str, Any]:
    """The properties that were sent and can be set; 400 for what is wrong, 403 for the events' scopes."""
    body = _sent(call)
    missing = [name for name in _REQUIRED if name not in body]
    if missing:
        raise _refusal(missing[0], "This field is required.")
    known = {name: body[name] for name in _CHECKS if name in body}
    for name, value in known.items():
        _CHECKS[name](name, value)
    events = {EVENT_SCOPES[event.partition(":")[0]] for event in known["events"]}
    call.needs_scopes(["webhook", *sorted(events)])
    if "secret" in known:
        known["secret"] = known["secret"] or None
    return known


# --- the endpoints ------------------------------------------------------------------------------------


def webhooks(call: Call) -> Answer:
    """``GET …/hooks``."""
    subject = _subject(call)
    return Listing([render.webhook(*subject, hook) for hook in _hooks(subject)])


def webhook(call: Call) -> Answer:
    """``GET …/hooks/{uid}``."""
    subject = _subject(call)
    return render.webhook(*subject, _found(call, subject))


def create(call: Call) -> Answer:
    """``POST …/hooks``: 201 with its address."""
    subject = _subject(call)
    hook = Webhook(uuid="{" + str(uuid4()) + "}", created_ns=time.time_ns(), **_checked(call))
    _hooks(subject).append(hook)
    body = render.webhook(*subject, hook)
    return Done(201, body, {"Location": body["links"]["self"]["href"]})


def update(call: Call) -> Answer:
    """``PUT …/hooks/{uid}``: a secret that is left out stays, null or an empty one takes it away."""
    subject = _subject(call)
    hook = _found(call, subject)
    for name, value in _checked(call).items():
        setattr(hook, name, value)
    return Done(200, render.webhook(*subject, hook))


def delete(call: Call) -> Answer:
    """``DELETE …/hooks/{uid}``: 204."""
    subject = _subject(call)
    hook = _found(call, subject)
    _hooks(subject).remove(hook)
    return Done(204)


def _rows(owner: str, root: str) -> tuple[Endpoint, ...]:
    """The five rows of the table for what stands at ``root``."""
    scopes = ("webhook",)
    one = root + "/{uid}"
    return (
        Endpoint(f"{owner}_webhooks", root, scopes, webhooks),
        Endpoint(f"create_{owner}_webhook", root, scopes, create, method="POST"),
        Endpoint(f"{owner}_webhook", one, scopes, webhook),
        Endpoint(f"update_{owner}_webhook", one, scopes, update, method="PUT"),
        Endpoint(f"delete_{owner}_webhook", one, scopes, delete, method="DELETE"),
    )


HOOK_ENDPOINTS = (
    *_rows("workspace", "/workspaces/{workspace}/hooks"),
    *_rows("repository", "/repositories/{workspace}/{repo_slug}/hooks"),
)
