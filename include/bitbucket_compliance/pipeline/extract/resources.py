"""What is read of Bitbucket, as data: which endpoint, which fields of it, which key names an object.

Only the fields that a rule, a reason or the inventory uses are asked for: it keeps answers small, and what is not
asked for can't leak. Titles, descriptions, commits and addresses are never among them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]


@dataclass(frozen=True)
class Resource:
    """One kind of landed object; what its bodies must look like is ``shapes.SHAPES``.

    Attributes:
        name: the ``resource`` column of landing and staging.coverage.
        endpoint: name in ``bitbucket_cloud.client.endpoints.ENDPOINTS``.
        fields: Bitbucket's partial-response paths.
        key: the object's key within the workspace, or within its repository; None where the object has none.
    """

    name: str
    endpoint: str
    fields: tuple[str, ...]
    key: Callable[[Body], str | None]


def _user_uuid(body: Body) -> str | None:
    return (body.get("user") or {}).get("uuid")


def _own(name: str) -> Callable[[Body], str | None]:
    def key(body: Body) -> str | None:
        value = body.get(name)
        return None if value is None else str(value)

    return key


def _email_and_user(body: Body) -> str | None:
    user = body.get("user") or {}
    return f"{user['email'].strip().lower()} {user['uuid']}" if user.get("email") and user.get("uuid") else None


REPOSITORIES = Resource(
    "repositories",
    "repositories",
    (
        "values.uuid",
        "values.slug",
        "values.name",
        "values.full_name",
        "values.is_private",
        "values.language",
        "values.mainbranch.name",
        "values.project.key",
        "values.created_on",
        "values.updated_on",
        "values.workspace.uuid",
        "values.workspace.slug",
        "values.workspace.name",
    ),
    _own("uuid"),
)
# One of them, where a webhook announced a change of it.
REPOSITORY = Resource(
    "repository", "repository", tuple(name.removeprefix("values.") for name in REPOSITORIES.fields), lambda body: ""
)
MEMBERS = Resource(
    "members",
    "workspace_members",
    (
        "values.user.uuid",
        "values.user.account_id",
        "values.user.display_name",
        "values.user.nickname",
        "values.user.type",
        "values.workspace.uuid",
        "values.workspace.slug",
        "values.workspace.name",
    ),
    _user_uuid,
)
MEMBER_ROLES = Resource(
    "member_roles",
    "workspace_permissions",
    # The two dates are gone from workspaces that are administered on admin.atlassian.com.
    ("values.permission", "values.user.uuid", "values.added_on", "values.last_accessed"),
    _user_uuid,
)
MEMBER_EMAILS = Resource(
    "member_emails", "workspace_members", ("values.user.email", "values.user.uuid"), _email_and_user
)
IDENTITY_ROLE = Resource(
    "identity_role",
    "workspace_permission",
    ("permission",),
    lambda body: "",
)
WORKSPACE = Resource("workspace", "workspace", ("uuid", "slug", "name"), _own("uuid"))
BRANCH_RESTRICTIONS = Resource(
    "branch_restrictions",
    "branch_restrictions",
    (
        "values.id",
        "values.kind",
        "values.branch_match_kind",
        "values.pattern",
        "values.branch_type",
        "values.value",
        "values.users.uuid",
        "values.users.display_name",
        "values.groups.slug",
        "values.groups.name",
    ),
    _own("id"),
)
BRANCHING_MODEL = Resource(
    "effective_branching_model",
    "effective_branching_model",
    (
        "development.name",
        "development.use_mainbranch",
        "production.name",
        "production.use_mainbranch",
        "branch_types.kind",
        "branch_types.prefix",
    ),
    lambda body: "",
)
PULL_REQUESTS = Resource(
    "pull_requests",
    "pull_requests",
    (
        "values.id",
        "values.state",
        "values.author.uuid",
        "values.destination.branch.name",
        "values.created_on",
        "values.updated_on",
        "values.participants.approved",
        "values.participants.user.uuid",
        "values.participants.user.type",
    ),
    _own("id"),
)
PULL_REQUEST_STATUSES = Resource(
    "pull_request_statuses",
    "pull_request_statuses",
    ("values.key", "values.state"),
    _own("pull_request_id"),
)
PIPELINES_CONFIG = Resource("pipelines_config", "pipelines_config", ("enabled",), lambda body: "")
LATEST_PIPELINE = Resource(
    "pipelines",
    "pipelines",
    (
        "values.uuid",
        "values.build_number",
        "values.state.name",
        "values.state.result.name",
        "values.created_on",
        "values.completed_on",
    ),
    _own("uuid"),
)

BY_NAME: Mapping[str, Resource] = {
    resource.name: resource
    for resource in (
        REPOSITORIES,
        REPOSITORY,
        MEMBERS,
        MEMBER_ROLES,
        MEMBER_EMAILS,
        IDENTITY_ROLE,
        WORKSPACE,
        BRANCH_RESTRICTIONS,
        BRANCHING_MODEL,
        PULL_REQUESTS,
        PULL_REQUEST_STATUSES,
        PIPELINES_CONFIG,
        LATEST_PIPELINE,
    )
}

# What a run can't do without, and what each scope is for; shown where one is missing.
REQUIRED_SCOPES: Mapping[str, str] = {
    "repository": "list repositories",
    "account": "list members",
}

# Restriction kinds that a rule of tests 4 to 6 looks at: only for these is a branching model worth a request.
PROTECTING_KINDS = frozenset(
    {
        "push",
        "force",
        "delete",
        "require_passing_builds_to_merge",
        "require_approvals_to_merge",
        "require_default_reviewer_approvals_to_merge",
        "require_review_group_approvals_to_merge",
        "enforce_merge_checks",
    }
)
