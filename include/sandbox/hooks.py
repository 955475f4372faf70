"""The endpoints of webhooks: reading, registering, changing and deleting those of a workspace or a repository.

Source: the official document's paths with ``/hooks`` and its definition ``webhook_subscription``; the keys are
those of recordings of 2026. The document refuses addresses of one's own network: a stand-in takes them, as it has
no other to deliver to. PUT takes the whole webhook, but for ``active`` and ``secret``, which may be left out.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

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

Subject = tuple[Workspace, Repository | None]


def _subject(call: Call) -> Subject:
    """What the path names, where the caller may have webhooks on it; 404 or 403 elsewhere."""
    if "repo_slug" in call.request.path_params:
        return call.administered()
    workspace = call.workspace()
    call.needs_workspace_admin(NOT_OWNER)
    return workspace, None


def _hooks(subject: Subject) -> list[Webhook]:
    workspace, repo = subject
    return workspace.webhooks if repo is None else repo.webhooks


def _found(call: Call, subject: Subject) -> Webhook:
    """The webhook of the path, its uuid with or without braces in any case; 404 where it isn't."""
    uid = call.named("uid")
    wanted = uid.strip("{}").lower()
    found = next((hook for hook in _hooks(subject) if hook.uuid.strip("{}").lower() == wanted), None)
    if found is None:
        raise errors.not_found(f"{uid} does not exist.")
    return found


# --- what the caller sent -----------------------------------------------------------------------------


class _Sent(BaseModel):
    """The properties that can be set; what else is sent is ignored."""

    model_config = ConfigDict(strict=True)
    url: str
    description: str
    events: list[str] = Field(min_length=1)
    active: bool = True
    secret: str | None = Field(None, max_length=MAX_SECRET)
    skip_cert_verification: bool = False
    history_enabled: bool = False

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError("Enter a valid URL.")
        return value

    @field_validator("events")
    @classmethod
    def _are_known(cls, value: list[str]) -> list[str]:
        unknown = [event for event in value if event not in EVENTS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not a known event.")
        if len(set(value)) < len(value):
            raise ValueError("Events are listed more than once.")
        return value

    @field_validator("secret")
    @classmethod
    def _empty_is_none(cls, value: str | None) -> str | None:
        return value or None


def _checked(call: Call) -> dict[str, Any]:
    """The properties that were sent; 400 for what is wrong, 403 for the events' scopes."""
    try:
        sent = _Sent.model_validate_json(call.body)
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(map(str, first["loc"])) or "The request body is not a JSON object"
        raise errors.bad_request(f"{where}: {first['msg']}") from problem
    # An event needs the scope that stands before its colon.
    scopes = {event.partition(":")[0].replace("repo", "repository") for event in sent.events}
    call.needs_scopes(["webhook", *sorted(scopes)])
    return sent.model_dump(exclude_unset=True)


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
    return render.webhook(*subject, hook)


def delete(call: Call) -> Answer:
    """``DELETE …/hooks/{uid}``: 204."""
    subject = _subject(call)
    _hooks(subject).remove(_found(call, subject))
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
