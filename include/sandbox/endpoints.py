"""The table of endpoints: path, scope, page lengths, and what each answers.

Paths are those of the official document, scopes the classic OAuth 2.0 ones it names. A handler takes a
:class:`~sandbox.call.Call` and returns its :data:`~sandbox.call.Answer`; it raises
:class:`~sandbox.errors.ApiError` for every other answer.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from sandbox import errors, filters, render
from sandbox.call import Answer, Call, Endpoint, Listing
from sandbox.hooks import HOOK_ENDPOINTS
from sandbox.model import PullRequest, Repository
from sandbox.paging import PageRule
from sandbox.partial import Lazy

MAX_EMAILS = 90
PULL_REQUEST_STATES = ("OPEN", "MERGED", "DECLINED", "SUPERSEDED")


def _filtered(call: Call, items: list[Any], *, sortable: bool = True) -> Listing:
    """The items after ``q`` and, where the endpoint knows it, ``sort``; 400 for what can't be understood."""
    text, key = call.one("q"), call.one("sort")
    try:
        if text is not None:
            items = filters.select(items, text)
        if key is not None and sortable:
            items = filters.order(items, key)
    except filters.FilterError as problem:
        raise errors.bad_request(f"Bad query: {problem}") from problem
    return Listing(items)


# --- the caller ---------------------------------------------------------------------------------------


def user(call: Call) -> Answer:
    """``GET /user``: the identity behind the token."""
    return render.current_user(call.state.identity, call.state.workspaces[0].created_on)


def user_workspaces(call: Call) -> Answer:
    """``GET /user/workspaces``: the workspaces the caller can see, filtered by ``administrator``."""
    administrator = call.credential.workspace_admin
    wanted = call.one("administrator")
    shown = wanted is None or (wanted.lower() == "true") == administrator
    workspaces = call.state.workspaces if shown else []
    if call.one("sort") in ("slug", "-slug"):
        workspaces = sorted(workspaces, key=lambda w: w.slug, reverse=call.one("sort") == "-slug")
    return Listing([render.workspace_access(w, administrator=administrator) for w in workspaces])


def user_workspace_permission(call: Call) -> Answer:
    """``GET /user/workspaces/{workspace}/permission``: the caller's role."""
    workspace = call.workspace()
    role = "owner" if call.credential.workspace_admin else "member"
    return {
        "type": "workspace_membership",
        "permission": role,
        "user": render.account(call.state.identity),
        "workspace": render.workspace_condensed(workspace),
    }


def user_repository_permissions(call: Call) -> Answer:
    """``GET /user/workspaces/{workspace}/permissions/repositories``: the caller's rights on each."""
    workspace = call.workspace()
    rows = [
        render.repository_permission(workspace, repo, call.state.identity, repo.identity_permission)
        for repo in workspace.repositories
        if not repo.gone
    ]
    return _filtered(call, rows)


# --- the workspace ------------------------------------------------------------------------------------


def workspace(call: Call) -> Answer:
    """``GET /workspaces/{workspace}``."""
    return render.workspace_full(call.workspace())


def workspace_members(call: Call) -> Answer:
    """``GET /workspaces/{workspace}/members``, with the e-mail filter of the official document.

    The filter is for workspace administrators and access tokens, takes up to 90 addresses, and only the
    addresses filtered on can be seen, and those only when ``fields`` asks.
    """
    found = call.workspace()
    emails = _filtered_emails(call)
    shown = [
        render.membership(found, m, email=m.account.email if (m.account.email or "").casefold() in emails else None)
        for m in found.members
    ]
    text = call.one("q")
    if text is None:
        return Listing(shown)
    caseless = frozenset({"user.email"})
    try:
        return Listing([item for item in shown if filters.matches(filters.parse(text), item, caseless)])
    except filters.FilterError as problem:
        raise errors.bad_request(f"Bad query: {problem}") from problem


def _filtered_emails(call: Call) -> set[str]:
    """The addresses a members filter names, case-folded; 400 for more than 90, 403 for who may not ask."""
    text = call.one("q")
    if text is None:
        return set()
    try:
        asked = [c for c in filters.comparisons(filters.parse(text)) if c.field == "user.email"]
    except filters.FilterError as problem:
        raise errors.bad_request(f"Bad query: {problem}") from problem
    if not asked:
        return set()
    if any(c.operator not in ("=", "IN") for c in asked):
        raise errors.bad_request("Bad query: user.email takes = and IN only")
    call.needs_workspace_admin()
    values = [v for c in asked for v in (c.value if isinstance(c.value, tuple) else (c.value,))]
    if len(values) > MAX_EMAILS:
        raise errors.bad_request(f"Too many email addresses: at most {MAX_EMAILS} can be queried at a time.")
    return {str(value).casefold() for value in values if value}


def workspace_permissions(call: Call) -> Answer:
    """``GET /workspaces/{workspace}/permissions``: members with their role."""
    found = call.workspace()
    rows = [render.membership_with_permission(found, member) for member in found.members]
    return _filtered(call, rows, sortable=False)


def workspace_repository_permissions(call: Call) -> Answer:
    """``GET /workspaces/{workspace}/permissions/repositories``: for workspace administrators."""
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


def repositories(call: Call) -> Answer:
    """``GET /repositories/{workspace}``."""
    found = call.workspace()
    return _filtered(call, [render.repository(found, repo) for repo in found.repositories])


def repository(call: Call) -> Answer:
    """``GET /repositories/{workspace}/{repo_slug}``."""
    return render.repository(*call.repository())


def branch_restrictions(call: Call) -> Answer:
    """``…/branch-restrictions``: newest first, by ``kind`` and ``pattern``; needs admin rights."""
    found, repo = call.administered()
    kind, pattern = call.one("kind"), call.one("pattern")
    rules = [
        rule
        for rule in sorted(repo.restrictions, key=lambda rule: rule.id, reverse=True)
        if kind in (None, rule.kind) and pattern in (None, rule.pattern)
    ]
    return Listing([render.restriction(found, repo, rule) for rule in rules])


def effective_branching_model(call: Call) -> Answer:
    """``…/effective-branching-model``."""
    return render.branching_model(*call.repository())


def pull_requests(call: Call) -> Answer:
    """``…/pullrequests``: open ones unless ``state`` or ``q`` says otherwise; ``q`` makes ``state`` void."""
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


def pull_request_statuses(call: Call) -> Answer:
    """``…/pullrequests/{pull_request_id}/statuses``: oldest first by default."""
    found, repo = call.repository()
    pull = _pull_request(repo, call.parameters["pull_request_id"])
    statuses = sorted(pull.statuses, key=lambda status: status.created_on)
    return _filtered(call, [render.commit_status(found, repo, pull, status) for status in statuses])


def _pull_request(repo: Repository, key: str) -> PullRequest:
    found = next((pull for pull in repo.pull_requests if str(pull.id) == key), None)
    if found is None:
        raise errors.not_found(f"Pull request {key} not found")
    return found


def pipelines(call: Call) -> Answer:
    """``…/pipelines``: oldest first; ``sort`` and the documented filters work, ``q`` has no effect."""
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


def pipelines_config(call: Call) -> Answer:
    """``…/pipelines_config``: 404 where pipelines were never configured; needs admin rights."""
    found, repo = call.administered()
    if repo.pipelines_enabled is None:
        raise errors.not_found("Not found")
    return render.pipelines_config(found, repo)


_REPO = "/repositories/{workspace}/{repo_slug}"
_PULLS = f"{_REPO}/pullrequests"
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("user", "/user", ("account",), user),
    Endpoint("user_workspaces", "/user/workspaces", ("account",), user_workspaces, PageRule(default=25)),
    Endpoint(
        "user_workspace_permission",
        "/user/workspaces/{workspace}/permission",
        ("account",),
        user_workspace_permission,
    ),
    Endpoint(
        "user_repository_permissions",
        "/user/workspaces/{workspace}/permissions/repositories",
        ("account", "repository"),
        user_repository_permissions,
    ),
    Endpoint("workspace", "/workspaces/{workspace}", (), workspace),
    Endpoint(
        "workspace_members",
        "/workspaces/{workspace}/members",
        ("account",),
        workspace_members,
        PageRule(default=50),
    ),
    Endpoint("workspace_permissions", "/workspaces/{workspace}/permissions", ("account",), workspace_permissions),
    Endpoint(
        "workspace_repository_permissions",
        "/workspaces/{workspace}/permissions/repositories",
        ("account",),
        workspace_repository_permissions,
    ),
    Endpoint("repositories", "/repositories/{workspace}", ("repository",), repositories),
    Endpoint("repository", _REPO, ("repository",), repository),
    Endpoint("branch_restrictions", f"{_REPO}/branch-restrictions", ("repository:admin",), branch_restrictions),
    Endpoint(
        "effective_branching_model",
        f"{_REPO}/effective-branching-model",
        ("repository",),
        effective_branching_model,
    ),
    Endpoint("pull_requests", _PULLS, ("pullrequest",), pull_requests, PageRule(maximum=50)),
    Endpoint(
        "pull_request_statuses",
        _PULLS + "/{pull_request_id}/statuses",
        ("pullrequest",),
        pull_request_statuses,
        PageRule(default=30),
    ),
    Endpoint("pipelines", f"{_REPO}/pipelines", ("pipeline",), pipelines, PageRule(next_drops=frozenset({"sort"}))),
    Endpoint("pipelines_config", f"{_REPO}/pipelines_config", ("repository:admin",), pipelines_config),
    *HOOK_ENDPOINTS,
)
# Cross-workspace endpoints that were taken away in 2026 (CHANGE-2770): 410.
GONE_PATHS = frozenset(
    {"/repositories", "/workspaces", "/user/permissions/workspaces", "/user/permissions/repositories"}
)
