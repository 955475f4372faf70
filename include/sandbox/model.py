"""What the stand-in holds: workspaces, repositories and people as plain dataclasses.

Nothing here knows HTTP or JSON. Every ``uuid`` is Bitbucket's form, with braces. Every time is an aware
``datetime`` in UTC. Sources of the fields: the definitions of the official API document.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

AccountType = Literal["user", "app_user"]
Permission = Literal["read", "write", "admin"]
Role = Literal["owner", "member"]
PullRequestState = Literal["OPEN", "MERGED", "DECLINED", "SUPERSEDED"]


@dataclass(slots=True)
class Account:
    """A person (``user``) or an integration (``app_user``); ``email`` is only ever shown on request."""

    uuid: str
    account_id: str
    display_name: str
    nickname: str
    type: AccountType = "user"
    email: str | None = None


@dataclass(slots=True)
class Member:
    """An account's membership of a workspace.

    Only a workspace that is not administered on admin.atlassian.com tells the two dates.
    """

    account: Account
    role: Role = "member"
    added_on: datetime | None = None
    last_accessed: datetime | None = None


@dataclass(slots=True)
class Restriction:
    """One branch restriction; ``kind`` is an open enumeration, ``value`` is null for permissions."""

    id: int
    kind: str
    pattern: str = ""
    branch_match_kind: Literal["glob", "branching_model"] = "glob"
    branch_type: str | None = None
    value: int | None = None
    users: list[Account] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Project:
    """A project: every repository stands in one.

    Its ``restrictions`` hold for all of its repositories, and no listing shows them; nor are its ``default_reviewers``
    among those of a repository.
    """

    uuid: str
    key: str
    name: str
    restrictions: list[Restriction] = field(default_factory=list)
    default_reviewers: list[Account] = field(default_factory=list)


@dataclass(slots=True)
class ModelBranch:
    """The development or production branch of a branching model."""

    name: str
    use_mainbranch: bool = False


@dataclass(slots=True)
class BranchingModel:
    """The effective branching model; ``production`` is null where none is set."""

    development: ModelBranch
    production: ModelBranch | None = None
    prefixes: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Participant:
    """Someone on a pull request; ``user`` is null once the account was deleted."""

    user: Account | None
    approved: bool = False
    role: Literal["REVIEWER", "PARTICIPANT"] = "PARTICIPANT"
    state: Literal["approved", "changes_requested"] | None = None
    participated_on: datetime | None = None


@dataclass(slots=True)
class CommitStatus:
    """A build status on a pull request's source commit."""

    key: str
    state: str
    created_on: datetime
    updated_on: datetime


@dataclass(slots=True)
class PullRequest:
    """A pull request; ``updated_on`` moves when it is merged, as lists carry no closing time, and with each comment.

    ``closed_on`` is when it was merged or declined, where that is not when it was updated last; ``activity`` alone
    tells of it, and of ``pushes``: when commits came to its source branch since it was opened. ``merge_statuses`` are
    those of the commit that merged it.
    """

    id: int
    title: str
    state: PullRequestState
    author: Account | None
    source_branch: str
    destination_branch: str
    created_on: datetime
    updated_on: datetime
    participants: list[Participant] = field(default_factory=list)
    reviewers: list[Account] = field(default_factory=list)
    statuses: list[CommitStatus] = field(default_factory=list)
    closed_by: Account | None = None
    closed_on: datetime | None = None
    draft: bool = False
    description: str = ""
    merge_hash: str | None = None
    comments: list[datetime] = field(default_factory=list)
    pushes: list[datetime] = field(default_factory=list)
    merge_statuses: list[CommitStatus] = field(default_factory=list)


@dataclass(slots=True)
class Pipeline:
    """A pipeline run; ``result`` is null until it is ``COMPLETED``, ``stage`` only while ``IN_PROGRESS``."""

    uuid: str
    build_number: int
    state: Literal["PENDING", "IN_PROGRESS", "COMPLETED"]
    result: str | None
    created_on: datetime
    completed_on: datetime | None
    creator: Account | None
    ref_name: str
    stage: str | None = None


@dataclass(slots=True)
class Webhook:
    """A subscription to events; its subject is what holds it. ``created_ns`` is nanoseconds since the epoch."""

    uuid: str
    url: str
    description: str
    events: list[str]
    created_ns: int
    active: bool = True
    secret: str | None = field(default=None, repr=False)
    skip_cert_verification: bool = False
    history_enabled: bool = False


@dataclass(slots=True)
class Repository:
    """A repository and all that hangs on it.

    ``identity_permission`` is what the calling identity may do here; ``pipelines_enabled`` is null where
    pipelines were never configured; a ``gone`` repository is listed and answers 404 when read.
    ``member_permissions`` maps an account uuid to that member's effective permission. ``branches`` null: those that
    its main branch, its branching model and its pull requests name. ``more_checks`` are shown of every open pull
    request as they stand here: custom checks, a merge queue, or what nobody knows yet.
    """

    uuid: str
    slug: str
    name: str
    project: Project
    created_on: datetime
    updated_on: datetime
    is_private: bool = True
    description: str = ""
    language: str = "python"
    size: int = 4096
    mainbranch: str | None = "main"
    identity_permission: Permission = "admin"
    gone: bool = False
    restrictions: list[Restriction] = field(default_factory=list)
    branching_model: BranchingModel = field(
        default_factory=lambda: BranchingModel(ModelBranch("main", use_mainbranch=True))
    )
    pull_requests: list[PullRequest] = field(default_factory=list)
    pipelines: list[Pipeline] = field(default_factory=list)
    pipelines_enabled: bool | None = True
    member_permissions: dict[str, Permission] = field(default_factory=dict)
    webhooks: list[Webhook] = field(default_factory=list)
    branches: list[str] | None = None
    default_reviewers: list[Account] = field(default_factory=list)
    more_checks: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Workspace:
    """A workspace, its members, projects and repositories (in listing order)."""

    uuid: str
    slug: str
    name: str
    created_on: datetime
    members: list[Member] = field(default_factory=list)
    projects: list[Project] = field(default_factory=list)
    repositories: list[Repository] = field(default_factory=list)
    webhooks: list[Webhook] = field(default_factory=list)

    def repository(self, key: str) -> Repository | None:
        """The repository with this slug (any case) or uuid (with braces), or nothing."""
        wanted = key.lower()
        return next((r for r in self.repositories if wanted in (r.slug.lower(), r.uuid.lower())), None)
