"""The resources, one row each.

Only the fields that a rule, a reason or the inventory uses are asked for: answers stay small, and what is not asked for
can't leak. Titles, descriptions and commits are never among them; addresses only to confirm those that people declared.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from bitbucket_compliance.resources import shapes
from bitbucket_compliance.resources.model import Body, Resource


def _field(name: str) -> Callable[[Body], str | None]:
    return lambda body: None if body.get(name) is None else str(body[name])


def _names(text: str, prefix: str = "") -> tuple[str, ...]:
    return tuple(prefix + name for name in text.split())


def _only_one(_body: Body) -> str:
    return ""


def _user_uuid(body: Body) -> str | None:
    return (body.get("user") or {}).get("uuid")


def _email_and_user(body: Body) -> str | None:
    user = body.get("user") or {}
    return f"{user['email'].strip().lower()} {user['uuid']}" if user.get("email") and user.get("uuid") else None


def _open_or_merged_since(window_start: datetime) -> Mapping[str, object]:
    since = window_start.replace(hour=0, minute=0, second=0, microsecond=0).isoformat()
    return {"q": f'state = "OPEN" OR (state = "MERGED" AND updated_on >= {since})'}


def _newest_first(_window_start: datetime) -> Mapping[str, object]:
    return {"sort": "-created_on", "pagelen": 1}


_REPOSITORY_FIELDS = _names(
    "uuid slug name full_name is_private language mainbranch.name project.key created_on updated_on"
    " size workspace.uuid workspace.slug workspace.name"
)
_OF_MERGES = _names("required_approvals required_builds merge_checks_enforced merge_rules_seen", "repositories.")
_OF_RULES = (*_OF_MERGES, *_names("push_restricted force_push_prevented deletion_prevented", "repositories."))

IDENTITY_ROLE = Resource(
    name="identity_role",
    title="The connection's own role in the workspace",
    endpoint="workspace_permission",
    of="workspace",
    read_as="object",
    fields=("permission", "workspace.uuid", "workspace.slug"),
    shape=shapes.Role,
    key=_only_one,
)
WORKSPACE = Resource(
    name="workspace",
    title="Workspace",
    endpoint="workspace",
    of="workspace",
    read_as="object",
    fields=("uuid", "slug", "name"),
    shape=shapes.Workspace,
    key=_field("uuid"),
    table="workspaces",
    required="know the workspace's uuid",
    identifies="workspace",
)
REPOSITORIES = Resource(
    name="repositories",
    title="Repositories",
    endpoint="repositories",
    of="workspace",
    read_as="listing",
    fields=_REPOSITORY_FIELDS,
    shape=shapes.Repository,
    key=_field("uuid"),
    owner="workspace.uuid",
    table="repositories",
    fills=_names("slug name project_key visibility language default_branch updated_on", "repositories."),
    sort="created_on",
    required="list repositories",
    identifies="repository",
    # Not project:updated: it would need the scope project, and repositories name their project.
    announced_by=("repo:created", "repo:imported", "repo:updated", "repo:transfer", "repo:deleted"),
)
# One of them, where an event announced a change of it: read in place of the listing.
REPOSITORY = Resource(
    name="repository",
    title="Repository",
    endpoint="repository",
    of="repository",
    read_as="object",
    fields=_REPOSITORY_FIELDS,
    shape=shapes.Repository,
    key=_only_one,
    owner="uuid",
)
MEMBERS = Resource(
    name="members",
    title="Members",
    endpoint="workspace_members",
    of="workspace",
    read_as="listing",
    fields=_names(
        "user.uuid user.account_id user.display_name user.nickname user.type"
        " workspace.uuid workspace.slug workspace.name"
    ),
    shape=shapes.Member,
    key=_user_uuid,
    owner="workspace.uuid",
    table="members",
    fills=("members.account_id", "members.display_name", "members.nickname", "members.member_type"),
    required="list members",
    may_fail=True,
    identifies="member",
)
MEMBER_ROLES = Resource(
    name="member_roles",
    title="User permissions in the workspace",
    endpoint="workspace_permissions",
    of="workspace",
    read_as="listing",
    # The two dates are gone from workspaces that are administered on admin.atlassian.com.
    fields=("permission", "user.uuid", "added_on", "last_accessed"),
    shape=shapes.Member,
    key=_user_uuid,
    owner="workspace.uuid",
    table="members",
    fills=("members.role", "members.added_on", "members.last_accessed"),
)
MEMBER_EMAILS = Resource(
    name="member_emails",
    title="Members, filtered by declared e-mail addresses",
    endpoint="workspace_members",
    of="workspace",
    read_as="addresses",
    fields=("user.email", "user.uuid"),
    shape=shapes.Member,
    key=_email_and_user,
    table="member_emails",
    fills=("members.matched_by",),
    identifies="member",
)
# Before the branch restrictions, whose staging asks it which branches they mean.
BRANCHING_MODEL = Resource(
    name="effective_branching_model",
    title="Effective branching model",
    endpoint="effective_branching_model",
    of="repository",
    read_as="object",
    fields=_names(
        "development.name development.use_mainbranch production.name production.use_mainbranch"
        " branch_types.kind branch_types.prefix"
    ),
    shape=shapes.BranchingModel,
    key=_only_one,
    table="branching_models",
    fills=_OF_RULES,
    asked_after="branch_restrictions",
    first_requests=0,
    later_requests=0,
)
BRANCH_RESTRICTIONS = Resource(
    name="branch_restrictions",
    title="Branch restrictions",
    endpoint="branch_restrictions",
    of="repository",
    read_as="listing",
    fields=_names(
        "id kind branch_match_kind pattern branch_type value users.uuid users.display_name groups.slug groups.name"
    ),
    shape=shapes.Restriction,
    key=_field("id"),
    table="branch_restrictions",
    fills=_OF_RULES,
)
PULL_REQUESTS = Resource(
    name="pull_requests",
    title="Pull requests, open or merged in the window",
    endpoint="pull_requests",
    of="repository",
    read_as="listing",
    fields=_names(
        "id state draft author.uuid destination.branch.name created_on updated_on closed_by.uuid merge_commit.hash"
        " participants.approved participants.user.uuid participants.user.account_id participants.user.type"
    ),
    shape=shapes.PullRequest,
    key=_field("id"),
    owner="destination.repository.uuid",
    query=_open_or_merged_since,
    sort="created_on",
    table="pull_requests",
    fills=("repositories.open_pull_requests",),
    announced_by=_names("created updated push approved unapproved fulfilled rejected", "pullrequest:"),
)
# Of the newest one that is open: what applies to it, also of rules that its project hands down.
MERGE_CHECKS = Resource(
    name="merge_checks",
    title="Merge checks of an open pull request",
    endpoint="pull_request_merge_checks",
    of="repository",
    read_as="of_pull_request",
    fields=_names("size next values.type values.required values.check.kind values.requirement"),
    shape=shapes.MergeChecks,
    key=_only_one,
    table="merge_checks",
    fills=_OF_MERGES,
    asked_after="pull_requests",
    may_be_unread=True,
)
DEFAULT_REVIEWERS = Resource(
    name="default_reviewers",
    title="Effective default reviewers",
    endpoint="effective_default_reviewers",
    of="repository",
    read_as="collected",
    fields=_names("user.uuid user.type"),
    shape=shapes.DefaultReviewer,
    key=_only_one,
    table="default_reviewers",
    asked_after="branch_restrictions",
    first_requests=0,
    later_requests=0,
)
# Of a repository without content: whether anything was ever pushed to its main branch.
MAIN_BRANCH_REF = Resource(
    name="main_branch_ref",
    title="The main branch itself",
    endpoint="branch",
    of="repository",
    read_as="object",
    fields=("name",),
    shape=shapes.Branch,
    key=_only_one,
    asked_after="repositories",
    may_be_absent=True,
    first_requests=0,
    later_requests=0,
)
PULL_REQUEST_STATUSES = Resource(
    name="pull_request_statuses",
    title="Build statuses of a merged pull request",
    endpoint="pull_request_statuses",
    of="repository",
    read_as="collected",
    fields=("key", "state", "created_on"),
    sort="created_on",
    shape=shapes.BuildStatus,
    key=_field("pull_request_id"),
    owner="repository.uuid",
    table="pull_request_builds",
    asked_after="pull_requests",
    # Each merge once in its life, and only where no pull request is open whose merge checks decide.
    first_requests=1,
    later_requests=0.1,
)
PULL_REQUEST_ACTIVITY = Resource(
    name="pull_request_activity",
    title="Time of the merge of a pull request that was created before the window",
    endpoint="pull_request_activity",
    of="repository",
    read_as="collected",
    fields=("update.state", "update.date"),
    shape=shapes.Activity,
    key=_field("pull_request_id"),
    asked_after="pull_requests",
    # Few are that old, and each is asked for once in its life.
    first_requests=0,
    later_requests=0,
)
PIPELINES_CONFIG = Resource(
    name="pipelines_config",
    title="Pipelines configuration",
    endpoint="pipelines_config",
    of="repository",
    read_as="object",
    fields=("enabled",),
    shape=shapes.PipelinesConfig,
    key=_only_one,
    owner="repository.uuid",
    table="pipelines_configs",
    fills=("repositories.pipelines_enabled",),
    may_be_absent=True,
)
LATEST_PIPELINE = Resource(
    name="pipelines",
    title="Pipelines, the newest",
    endpoint="pipelines",
    of="repository",
    read_as="newest",
    fields=_names("uuid build_number state.name state.result.name created_on completed_on"),
    shape=shapes.Pipeline,
    key=_field("uuid"),
    owner="repository.uuid",
    query=_newest_first,
    table="latest_pipelines",
    fills=("repositories.last_pipeline_state", "repositories.last_pipeline_at"),
    # Each build is two of them.
    announced_by=("repo:commit_status_created", "repo:commit_status_updated"),
)
# What lists don't carry, of pull requests that a sample for an auditor draws, where somebody asks for it.
SAMPLED_ACTIVITY = Resource(
    name="sampled_activity",
    title="Activity of a sampled pull request",
    endpoint="pull_request_activity",
    of="repository",
    read_as="newest_pages",
    fields=_names(
        "update.state update.date update.author.uuid update.source.commit.hash approval.date approval.user.uuid"
    ),
    shape=shapes.SampledActivity,
    key=_field("pull_request_id"),
    # With the builds three requests at most.
    pages=2,
)
SAMPLED_STATUSES = Resource(
    name="sampled_statuses",
    title="Build statuses of the commit that merged a sampled pull request",
    endpoint="commit_statuses",
    of="repository",
    read_as="newest_pages",
    fields=_names("key state created_on updated_on"),
    shape=shapes.SampledStatus,
    key=_field("pull_request_id"),
    owner="repository.uuid",
    sort="-created_on",
)

#: Read for the package of an auditor alone: no run reads them, no test rests on them.
OF_SAMPLES = (SAMPLED_ACTIVITY, SAMPLED_STATUSES)
#: In the order in which they are staged.
RESOURCES = (
    IDENTITY_ROLE,
    WORKSPACE,
    REPOSITORIES,
    REPOSITORY,
    MEMBERS,
    MEMBER_ROLES,
    MEMBER_EMAILS,
    BRANCHING_MODEL,
    BRANCH_RESTRICTIONS,
    PULL_REQUESTS,
    DEFAULT_REVIEWERS,
    MERGE_CHECKS,
    MAIN_BRANCH_REF,
    # After all that may decide without them.
    PULL_REQUEST_STATUSES,
    PULL_REQUEST_ACTIVITY,
    PIPELINES_CONFIG,
    LATEST_PIPELINE,
)
BY_NAME: Mapping[str, Resource] = {resource.name: resource for resource in RESOURCES}
