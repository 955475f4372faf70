"""One request to the API and what may answer it: what the table of endpoints and its handlers are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from sandbox import errors
from sandbox.model import Repository, Workspace
from sandbox.render import Json
from sandbox.state import Credential, SandboxState, without_implied

NO_ADMIN = "Access denied. You must be an administrator of this workspace."


@dataclass(frozen=True)
class Call:
    """One request after authentication: who asks, for what."""

    state: SandboxState
    credential: Credential
    request: Request
    body: bytes

    def one(self, name: str) -> str | None:
        """A query parameter's first value."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> list[str]:
        """Every value of a repeatable query parameter."""
        return self.request.query_params.getlist(name)

    def named(self, name: str) -> str:
        """What stands in the path for a parameter of it."""
        return str(self.request.path_params[name])

    def workspace(self) -> Workspace:
        """The workspace of the path, or 404 in the shape that is switched on."""
        key = self.named("workspace")
        found = self.state.workspace(key)
        if found is None:
            raise errors.workspace_not_found(key, self.state.workspace_not_found)
        return found

    def repository(self) -> tuple[Workspace, Repository]:
        """Workspace and repository of the path, or 404."""
        workspace = self.workspace()
        found = workspace.repository(self.named("repo_slug"))
        if found is None or found.gone:
            raise errors.repository_not_found()
        return workspace, found

    def administered(self) -> tuple[Workspace, Repository]:
        """The same where this identity has admin rights on the repository, else 403."""
        workspace, repo = self.repository()
        if repo.identity_permission != "admin":
            raise errors.missing_rights()
        return workspace, repo

    def needs_workspace_admin(self, message: str = NO_ADMIN) -> None:
        """403 with this message unless the caller administers the workspace."""
        if not self.credential.workspace_admin:
            raise errors.missing_rights(message)

    def needs_scopes(self, scopes: Iterable[str]) -> None:
        """403 with the scopes required and granted, where the credential lacks one."""
        required = list(scopes)
        if not self.credential.allows(required):
            raise errors.missing_scope(required, without_implied(self.credential.scopes))


@dataclass(frozen=True)
class Listing:
    """A whole collection, in order, before it is cut into pages."""

    items: list[Any]


@dataclass(frozen=True)
class Done:
    """An answer with a status of its own: 201 with a body and headers, or 204 with neither."""

    status: int
    body: Json | None = None
    headers: dict[str, str] = field(default_factory=dict)


Answer = Listing | Done | Json
Handler = Callable[[Call], Answer]


@dataclass(frozen=True)
class PageRule:
    """The page lengths of one endpoint, and the query parameters that its ``next`` links forget."""

    default: int = 10
    maximum: int = 100
    next_drops: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Endpoint:
    """A row of the table; ``scopes`` are all needed."""

    name: str
    path: str
    scopes: tuple[str, ...]
    handler: Handler
    pages: PageRule = field(default_factory=PageRule)
    method: str = "GET"
