"""The table of endpoints: path, scope, page lengths, and what each answers.

Paths are those of the official document, scopes the classic OAuth 2.0 ones it names. A handler stands under its row
(:func:`endpoint`), takes a :class:`~sandbox.call.Call` and returns its :data:`~sandbox.call.Answer`; it raises
:class:`~sandbox.errors.ApiError` for every other answer.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, get_args

from sandbox import errors, filters, merge_checks, render
from sandbox.call import Answer, Call, Endpoint, Handler, Listing, PageRule
from sandbox.hooks import HOOK_ENDPOINTS
from sandbox.model import PullRequest, PullRequestState, Repository, Workspace
from sandbox.partial import Lazy

MAX_EMAILS = 90
PULL_REQUEST_STATES = get_args(PullRequestState)
# Cross-workspace endpoints that were taken away in 2026 (CHANGE-2770): 410.
GONE_PATHS = frozenset(
    {"/repositories", "/workspaces", "/user/permissions/workspaces", "/user/permissions/repositories"}
)
ENDPOINTS: list[Endpoint] = [*HOOK_ENDPOINTS]

_REPO = "/repositories/{workspace}/{repo_slug}"


def endpoint(path: str, *scopes: str, **pages: Any) -> Callable[[Handler], Handler]:
    """Put a handler into the table under its own name; ``pages`` is what its :class:`PageRule` says otherwise."""

    def add(handler: Handler) -> Handler:
        ENDPOINTS.append(Endpoint(handler.__name__, path, scopes, handler, PageRule(**pages)))
        return handler

    return add


def _filtered(call: Call, items: list[Any], *, sortable: bool = True) -> Listing:
    """The items after ``q`` and, where the endpoint knows it, ``sort``; 400 for what can't be understood."""
    text, key = call.one("q"), call.one("sort")
    if text is not None:
        items = filters.select(items, text)
    if key is not None and sortable:
        items = filters.order(items, key)
    return Listing(items)


# --- the caller ---------------------------------------------------------------------------------------


@endpoint("/user", "account")
def user(call: Call) -> Answer:
    """The identity behind the token."""
    return render.current_user(call.state.identity, call.state.workspaces[0].created_on)


@endpoint("/user/workspaces", "account", default=25)
def user_workspaces(call: Call) -> Answer:
    """The workspaces that the caller can see, filtered by ``administrator``."""
    administrator = call.credential.workspace_admin
    wanted = call.one("administrator")
    shown = wanted is None or (wanted.lower() == "true") == administrator
    workspaces = call.state.workspaces if shown else []
    if call.one("sort") in ("slug", "-slug"):
        workspaces = sorted(workspaces, key=lambda w: w.slug, reverse=call.one("sort") == "-slug")
    return Listing([render.workspace_access(w, administrator=administrator) for w in workspaces])


@endpoint("/user/workspaces/{workspace}/permission", "account")
def user_workspace_permission(call: Call) -> Answer:
    """The caller's role in a workspace."""
    workspace = call.workspace()
    role = "owner" if call.credential.workspace_admin else "member"
    return {
        "type": "workspace_membership",
        "permission": role,
        "user": render.account(call.state.identity),
        "workspace": render.workspace_condensed(workspace),
    }


@endpoint("/user/workspaces/{workspace}/permissions/repositories", "account", "repository")
def user_repository_permissions(call: Call) -> Answer:
    """The caller's rights on each repository."""
    workspace = call.workspace()
    rows = [
        render.repository_permission(workspace, repo, call.state.identity, repo.identity_permission)
        for repo in workspace.repositories
        if not repo.gone
    ]
    return _filtered(call, rows)


# --- the workspace ------------------------------------------------------------------------------------


@endpoint("/workspaces/{workspace}")
def workspace(call: Call) -> Answer:
    """The workspace itself: the one endpoint that needs no scope."""
    return render.workspace_full(call.workspace())


@endpoint("/workspaces/{workspace}/members", "account", default=50)
def workspace_members(call: Call) -> Answer:
    """The members, with the e-mail filter of the official document.

    The filter is for workspace administrators and access tokens, takes up to 90 addresses, and only the
    addresses filtered on can be seen, and those only when ``fields`` asks.
    """
    found, text = call.workspace(), call.one("q")
    if text is None:
        return Listing([render.membership(found, member) for member in found.members])
    wanted = filters.parse(text)
    emails = _filtered_emails(call, wanted)
    shown = [
        render.membership(found, m, email=m.account.email if (m.account.email or "").casefold() in emails else None)
        for m in found.members
    ]
    return Listing([item for item in shown if filters.matches(wanted, item)])


def _filtered_emails(call: Call, wanted: filters.Node) -> set[str]:
    """The addresses a members filter names, case-folded; 400 for more than 90, 403 for who may not ask."""
    asked = [c for c in filters.comparisons(wanted) if c.field == "user.email"]
    if not asked:
        return set()
    if any(c.operator not in ("=", "IN") for c in asked):
        raise filters.FilterError("user.email takes = and IN only")
    call.needs_workspace_admin()
    values = [v for c in asked for v in (c.value if isinstance(c.value, tuple) else (c.value,))]
    if len(values) > MAX_EMAILS:
        raise errors.bad_request(f"Too many email addresses: at most {MAX_EMAILS} can be queried at a time.")
    if call.state.refused_address in ("*", *values):
        raise errors.bad_request("Bad query: a value can't be understood")
    return {str(value).casefold() for value in values if value}


@endpoint("/workspaces/{workspace}/permissions", "account")
def workspace_permissions(call: Call) -> Answer:
    """Members with their role."""
    found = call.workspace()
    rows = [render.membership_with_permission(found, member) for member in found.members]
    return _filtered(call, rows, sortable=False)


@endpoint("/workspaces/{workspace}/permissions/repositories", "account")
def workspace_repository_permissions(call: Call) -> Answer:
    """Who may do what in each repository: for workspace administrators."""
    found = call.workspace()
    call.needs_workspace_admin()
    people = {member.account.uuid: member.account for member in found.members}
    rows = [
        render.repository_permission(found, repo, people[uuid], level)
        for repo in found.repositories
        if not repo.gone
        for uuid, level in repo.member_permissions.items()
        if uuid in people
    ]
    return _filtered(call, rows)


# --- repositories -------------------------------------------------------------------------------------


@endpoint("/repositories/{workspace}", "repository")
def repositories(call: Call) -> Answer:
    """The repositories, those that are gone too."""
    found = call.workspace()
    return _filtered(call, [render.repository(found, repo) for repo in found.repositories])


@endpoint(_REPO, "repository")
def repository(call: Call) -> Answer:
    """One repository."""
    return render.repository(*call.repository())


@endpoint(f"{_REPO}/branch-restrictions", "repository:admin")
def branch_restrictions(call: Call) -> Answer:
    """Newest first, by ``kind`` and ``pattern``; needs admin rights."""
    found, repo = call.administered()
    kind, pattern = call.one("kind"), call.one("pattern")
    rules = [
        rule
        for rule in sorted(repo.restrictions, key=lambda rule: rule.id, reverse=True)
        if kind in (None, rule.kind) and pattern in (None, rule.pattern)
    ]
    return Listing([render.restriction(found, repo, rule) for rule in rules])


@endpoint(f"{_REPO}/effective-branching-model", "repository")
def effective_branching_model(call: Call) -> Answer:
    """The branching model, inherited or its own."""
    return render.branching_model(*call.repository())


@endpoint(f"{_REPO}/pullrequests", "pullrequest", maximum=50)
def pull_requests(call: Call) -> Answer:
    """Open ones unless ``state`` or ``q`` says otherwise; ``q`` makes ``state`` void."""
    found, repo = call.repository()
    states = call.all("state") or ["OPEN"]
    if any(state not in PULL_REQUEST_STATES for state in states):
        raise errors.bad_request(f"Invalid state: use {', '.join(PULL_REQUEST_STATES)}.")
    filtered = call.one("q") is not None
    embedded = render.repository_condensed(found, repo)
    newest_first = sorted(repo.pull_requests, key=lambda pull: pull.id, reverse=True)
    rows = [
        render.pull_request(found, repo, pull, embedded) for pull in newest_first if filtered or pull.state in states
    ]
    return _filtered(call, rows)


@endpoint(_REPO + "/pullrequests/{pull_request_id}/statuses", "pullrequest", default=30)
def pull_request_statuses(call: Call) -> Answer:
    """The builds of a pull request, oldest first by default."""
    found, repo, pull = _pull_request(call)
    statuses = sorted(pull.statuses, key=lambda status: status.created_on)
    return _filtered(call, [render.commit_status(found, repo, pull, status) for status in statuses])


@endpoint(_REPO + "/commit/{commit}/statuses", "repository", default=30)
def commit_statuses(call: Call) -> Answer:
    """The builds of a commit that merged a pull request, or was its newest, oldest first; 404 for any other commit."""
    found, repo = call.repository()
    asked = call.named("commit")
    for pull in repo.pull_requests:
        for digest, statuses in (
            (render.merge_hash(repo, pull), pull.merge_statuses if pull.state == "MERGED" else None),
            (render.source_hash(repo, pull), pull.statuses),
        ):
            if statuses is not None and len(asked) >= 7 and digest.startswith(asked):
                commit = {"hash": digest, "links": render.commit_links(found, repo, digest), "type": "commit"}
                by_age = sorted(statuses, key=lambda status: status.created_on)
                rows = [render.build(found, repo, status, pull.source_branch, commit) for status in by_age]
                return _filtered(call, rows)
    raise errors.not_found(f"Commit {asked} not found")


def _pull_request(call: Call) -> tuple[Workspace, Repository, PullRequest]:
    """Workspace, repository and pull request of the path, or 404."""
    found, repo = call.repository()
    key = call.named("pull_request_id")
    pull = next((pull for pull in repo.pull_requests if str(pull.id) == key), None)
    if pull is None:
        raise errors.not_found(f"Pull request {key} not found")
    return found, repo, pull


@endpoint(_REPO + "/pullrequests/{pull_request_id}/mergeability/checks", "pullrequest")
def pull_request_merge_checks(call: Call) -> Answer:
    """The checks of an open pull request, all in one answer; 404 for one that was closed.

    ``q`` takes little of the filter language: the type of a check.
    """
    _, repo, pull = _pull_request(call)
    if pull.state != "OPEN":
        raise errors.not_found(f"Pull request {pull.id} is not open")
    if call.state.merge_checks_over_limit():
        raise errors.rate_limited()
    found = merge_checks.checks(repo, pull, unconfigured=call.state.unconfigured_checks)
    text = call.one("q")
    if text is not None:
        if any(asked.field != "type" for asked in filters.comparisons(filters.parse(text))):
            raise errors.bad_request("Invalid filter")
        found = filters.select(found, text)
    return {"size": len(found), "values": found}


@endpoint(_REPO + "/pullrequests/{pull_request_id}/activity", "pullrequest", maximum=50)
def pull_request_activity(call: Call) -> Answer:
    """What happened to a pull request, newest first: updates, approvals and comments."""
    return Listing(render.activity(*_pull_request(call)))


@endpoint(f"{_REPO}/effective-default-reviewers", "pullrequest", default=20)
def effective_default_reviewers(call: Call) -> Answer:
    """Those of the repository, and those that its project hands down."""
    _, repo = call.repository()
    own = {person.uuid for person in repo.default_reviewers}
    inherited = [person for person in repo.project.default_reviewers if person.uuid not in own]
    return Listing(
        [render.default_reviewer(person, "repository") for person in repo.default_reviewers]
        + [render.default_reviewer(person, "project") for person in inherited]
    )


# A branch's name may hold slashes.
@endpoint(_REPO + "/refs/branches/{name:path}", "repository")
def branch(call: Call) -> Answer:
    """One branch, or 404: also of the main branch, as long as nobody pushed to it."""
    found, repo = call.repository()
    name = call.named("name")
    if name not in _branches(repo):
        raise errors.not_found(f"Branch {name} not found")
    return render.branch(found, repo, name)


def _branches(repo: Repository) -> set[str]:
    if repo.branches is not None:
        return set(repo.branches)
    if not repo.size:
        return set()
    model = repo.branching_model
    named = {repo.mainbranch or "", *(one.name for one in (model.development, model.production) if one)}
    opened = [pull for pull in repo.pull_requests if pull.state == "OPEN"]
    return named | {name for pull in opened for name in (pull.source_branch, pull.destination_branch)}


@endpoint(f"{_REPO}/pipelines", "pipeline", next_drops=frozenset({"sort"}))
def pipelines(call: Call) -> Answer:
    """Oldest first; ``sort`` and the documented filters work, ``q`` has no effect."""
    found, repo = call.repository()
    sort = call.one("sort") or "created_on"
    if sort.removeprefix("-") not in ("created_on", "creator.uuid", "run_creation_date"):
        raise errors.bad_request("Invalid sort")
    runs = sorted(repo.pipelines, key=lambda run: _run_key(sort, run), reverse=sort.startswith("-"))
    branch = call.one("target.branch") or call.one("target.ref_name")
    kept = [run for run in runs if branch in (None, run.ref_name)]
    return Listing([Lazy(partial(render.pipeline, found, repo, run)) for run in kept])


def _run_key(sort: str, run: Any) -> tuple[str, datetime]:
    creator = run.creator.uuid if run.creator and "creator" in sort else ""
    return creator, run.created_on


@endpoint(f"{_REPO}/pipelines_config", "repository:admin")
def pipelines_config(call: Call) -> Answer:
    """404 where pipelines were never configured; needs admin rights."""
    found, repo = call.administered()
    if repo.pipelines_enabled is None:
        raise errors.not_found("Not found")
    return render.pipelines_config(found, repo)
