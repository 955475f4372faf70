"""From the model to Bitbucket's JSON: the keys that live responses carry, condensed where they condense.

Each function takes model objects and returns a JSON object; parts that cost something or that Bitbucket
leaves out of lists are :class:`~sandbox.partial.Lazy`. Links point to the real hosts, as in
recorded responses; only paging links name the sandbox.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import quote

from sandbox.model import (
    Account,
    BranchingModel,
    CommitStatus,
    Member,
    ModelBranch,
    Participant,
    Permission,
    Pipeline,
    Project,
    PullRequest,
    Repository,
    Restriction,
    Webhook,
    Workspace,
)
from sandbox.partial import Lazy, hidden

Json = dict[str, Any]
API = "https://api.bitbucket.org/2.0"
WEB = "https://bitbucket.org"


def _link(href: str) -> dict[str, str]:
    return {"href": href}


def _api(workspace: Workspace, repo: Repository) -> str:
    return f"{API}/repositories/{workspace.slug}/{repo.slug}"


def when(moment: datetime | None) -> str | None:
    """A time as Bitbucket writes it: ISO-8601 with microseconds and offset."""
    return None if moment is None else moment.isoformat(timespec="microseconds")


def commit_hash(seed: str, length: int = 12) -> str:
    """A commit hash made up from a seed: hexadecimal, the same each time."""
    return hashlib.sha1(seed.encode(), usedforsecurity=False).hexdigest()[:length]


def account(person: Account) -> Json:
    """An embedded account."""
    return {
        "display_name": person.display_name,
        "links": Lazy(lambda: _account_links(person)),
        "type": person.type,
        "uuid": person.uuid,
        "account_id": person.account_id,
        "nickname": person.nickname,
    }


def _account_links(person: Account) -> Json:
    key = quote(person.uuid)
    return {
        "self": _link(f"{API}/users/{key}"),
        "avatar": _link(f"https://avatars.example.com/{key}.png"),
        "html": _link(f"{WEB}/{key}/"),
    }


def current_user(person: Account, created_on: datetime) -> Json:
    """``GET /user``: the identity behind the token."""
    body = account(person)
    body["created_on"] = when(created_on)
    body["account_status"] = "active"
    if person.type == "app_user":
        body["kind"] = "repository_access_token"
    else:
        body |= {"has_2fa_enabled": None, "is_staff": False, "username": person.nickname, "location": None}
    return body


def workspace_links(workspace: Workspace) -> Json:
    """The three links of an embedded workspace."""
    return {
        "avatar": _link(f"{WEB}/workspaces/{workspace.slug}/avatar/"),
        "html": _link(f"{WEB}/{workspace.slug}/"),
        "self": _link(f"{API}/workspaces/{workspace.slug}"),
    }


def workspace_condensed(workspace: Workspace) -> Json:
    """An embedded workspace."""
    return {
        "type": "workspace",
        "uuid": workspace.uuid,
        "name": workspace.name,
        "slug": workspace.slug,
        "links": workspace_links(workspace),
    }


def workspace_full(workspace: Workspace) -> Json:
    """``GET /workspaces/{workspace}``."""
    root = f"{API}/workspaces/{workspace.slug}"
    links = workspace_links(workspace) | {
        "hooks": _link(f"{root}/hooks"),
        "html_overview": _link(f"{WEB}/{workspace.slug}/workspace/overview/"),
        "members": _link(f"{root}/members"),
        "owners": _link(f"{root}/members?q=permission%3D%22owner%22"),
        "projects": _link(f"{root}/projects"),
        "repositories": _link(f"{API}/repositories/{workspace.slug}"),
        "snippets": _link(f"{API}/snippets/{workspace.slug}"),
    }
    return {
        **workspace_condensed(workspace),
        "is_private": True,
        "is_privacy_enforced": False,
        "links": links,
        "created_on": when(workspace.created_on),
        "forking_mode": "internal_only",
    }


def workspace_access(workspace: Workspace, *, administrator: bool) -> Json:
    """An item of ``GET /user/workspaces``."""
    links = workspace_links(workspace)
    return {
        "type": "workspace_access",
        "administrator": administrator,
        "workspace": {
            "type": "workspace_base",
            "uuid": workspace.uuid,
            "slug": workspace.slug,
            "links": {"avatar": links["avatar"], "self": links["self"]},
        },
    }


def membership(workspace: Workspace, member: Member, *, email: str | None = None) -> Json:
    """An item of ``GET /workspaces/{workspace}/members``; an e-mail only where it was filtered on."""
    user = account(member.account)
    if email is not None:
        user["email"] = hidden(email)
    if member.account.type == "user":
        user["has_2fa_enabled"] = hidden(None)
    key = quote(member.account.uuid)
    return {
        "type": "workspace_membership",
        "user": user,
        "workspace": workspace_condensed(workspace),
        "links": {"self": _link(f"{API}/workspaces/{workspace.slug}/members/{key}")},
    }


def membership_with_permission(workspace: Workspace, member: Member) -> Json:
    """An item of ``GET /workspaces/{workspace}/permissions``: the membership with its role.

    ``added_on`` and ``last_accessed`` are gone where administration moved to admin.atlassian.com.
    """
    dates = {"added_on": member.added_on, "last_accessed": member.last_accessed}
    told = {name: when(moment) for name, moment in dates.items() if moment is not None}
    return membership(workspace, member) | {"permission": member.role} | told


def repository_permission(workspace: Workspace, repo: Repository, person: Account, level: Permission) -> Json:
    """An item of the two ``permissions/repositories`` listings."""
    return {
        "type": "repository_permission",
        "permission": level,
        "user": account(person),
        "repository": repository_condensed(workspace, repo),
    }


def owner(workspace: Workspace) -> Json:
    """The workspace as a repository's owner: live responses say ``team``."""
    key = quote(workspace.uuid)
    return {
        "display_name": workspace.name,
        "links": {
            "self": _link(f"{API}/workspaces/{key}"),
            "avatar": _link(f"{WEB}/account/{workspace.slug}/avatar/"),
            "html": _link(f"{WEB}/{key}/"),
        },
        "type": "team",
        "uuid": workspace.uuid,
        "username": workspace.slug,
    }


def project(workspace: Workspace, value: Project) -> Json:
    """An embedded project."""
    web = f"{WEB}/{workspace.slug}/workspace/projects/{value.key}"
    return {
        "type": "project",
        "key": value.key,
        "uuid": value.uuid,
        "name": value.name,
        "links": {
            "self": _link(f"{API}/workspaces/{workspace.slug}/projects/{value.key}"),
            "html": _link(web),
            "avatar": _link(f"{web}/avatar/32"),
        },
    }


def repository_condensed(workspace: Workspace, repo: Repository) -> Json:
    """An embedded repository; the rest can be pulled in by ``fields``."""
    full_name = f"{workspace.slug}/{repo.slug}"
    return {
        "type": "repository",
        "full_name": full_name,
        "links": {
            "self": _link(f"{API}/repositories/{full_name}"),
            "html": _link(f"{WEB}/{full_name}"),
            "avatar": _link(f"https://bytebucket.org/ravatar/{quote(repo.uuid)}?ts=default"),
        },
        "name": repo.name,
        "uuid": repo.uuid,
        "owner": Lazy(lambda: owner(workspace), hidden=True),
        "mainbranch": hidden(_mainbranch(repo)),
        "is_private": hidden(repo.is_private),
        "slug": hidden(repo.slug),
    }


def _mainbranch(repo: Repository) -> Json | None:
    return None if repo.mainbranch is None else {"name": repo.mainbranch, "type": "branch"}


def _repository_links(workspace: Workspace, repo: Repository) -> Json:
    root, full_name = _api(workspace, repo), f"{workspace.slug}/{repo.slug}"
    rooms = {"branches": "refs/branches", "tags": "refs/tags", "source": "src"} | {
        name: name for name in ("pullrequests", "commits", "forks", "watchers", "downloads", "hooks")
    }
    clone = [
        {"name": "https", "href": f"https://bitbucket.org/{full_name}.git"},
        {"name": "ssh", "href": f"git@bitbucket.org:{full_name}.git"},
    ]
    links: Json = repository_condensed(workspace, repo)["links"]
    return links | {name: _link(f"{root}/{path}") for name, path in rooms.items()} | {"clone": clone}


def repository(workspace: Workspace, repo: Repository) -> Json:
    """A whole repository, as the listing and the object itself carry it."""
    return {
        "type": "repository",
        "full_name": f"{workspace.slug}/{repo.slug}",
        "links": Lazy(lambda: _repository_links(workspace, repo)),
        "name": repo.name,
        "slug": repo.slug,
        "description": repo.description,
        "scm": "git",
        "website": None,
        "owner": Lazy(lambda: owner(workspace)),
        "workspace": Lazy(lambda: workspace_condensed(workspace)),
        "is_private": repo.is_private,
        "project": project(workspace, repo.project),
        "fork_policy": "no_public_forks" if repo.is_private else "allow_forks",
        "created_on": when(repo.created_on),
        "updated_on": when(repo.updated_on),
        "size": repo.size,
        "language": repo.language,
        "uuid": repo.uuid,
        "mainbranch": _mainbranch(repo),
        "override_settings": {"default_merge_strategy": True, "branching_model": True},
        "parent": None,
        "enforced_signed_commits": None,
    }


def restriction(workspace: Workspace, repo: Repository, rule: Restriction) -> Json:
    """A branch restriction: ``pattern`` is empty and ``branch_type`` stands only for branching models."""
    body: Json = {
        "kind": rule.kind,
        "users": [account(person) for person in rule.users],
        "links": {"self": _link(f"{_api(workspace, repo)}/branch-restrictions/{rule.id}")},
        "pattern": rule.pattern if rule.branch_match_kind == "glob" else "",
        "value": rule.value,
        "branch_match_kind": rule.branch_match_kind,
        "groups": [_group(workspace, slug) for slug in rule.groups],
        "type": "branchrestriction",
        "id": rule.id,
    }
    if rule.branch_match_kind == "branching_model":
        body["branch_type"] = rule.branch_type
    return body


def _group(workspace: Workspace, slug: str) -> Json:
    return {
        "type": "group",
        "name": slug.replace("-", " ").title(),
        "slug": slug,
        "full_slug": f"{workspace.slug}:{slug}",
        "owner": owner(workspace),
        "workspace": workspace_condensed(workspace),
        "links": {"self": _link(f"{API}/groups/{workspace.slug}/{slug}")},
    }


def branching_model(workspace: Workspace, repo: Repository) -> Json:
    """The effective branching model; ``production`` is absent where none is set."""
    model: BranchingModel = repo.branching_model
    body: Json = {
        "type": "effective_repo_branching_model",
        "branch_types": [{"kind": kind, "prefix": prefix} for kind, prefix in model.prefixes.items()],
        "development": _model_branch(workspace, repo, model.development),
    }
    if model.production is not None:
        body["production"] = _model_branch(workspace, repo, model.production)
    return body


def _model_branch(workspace: Workspace, repo: Repository, branch: ModelBranch) -> Json:
    name = (repo.mainbranch or branch.name) if branch.use_mainbranch else branch.name
    return {
        "name": name,
        "use_mainbranch": branch.use_mainbranch,
        "branch": {
            "type": "branch",
            "name": name,
            "target": {"type": "commit", "hash": commit_hash(workspace.slug + repo.slug + name, 40)},
        },
    }


def pull_request(workspace: Workspace, repo: Repository, pull: PullRequest, embedded: Json) -> Json:
    """An item of the pull request list; ``embedded`` is the condensed repository, shared by all items.

    Participants and reviewers come only with ``fields``, as the chapter on partial responses says.
    """
    merged = pull.state == "MERGED"
    return {
        "comment_count": len(pull.participants),
        "task_count": 0,
        "type": "pullrequest",
        "id": pull.id,
        "title": pull.title,
        "description": pull.description,
        "state": pull.state,
        "draft": pull.draft,
        "merge_commit": {"hash": merge_hash(repo, pull)[:12], "type": "commit"} if merged else None,
        "close_source_branch": True,
        "closed_by": None if pull.closed_by is None else Lazy(lambda: account(pull.closed_by)),  # type: ignore[arg-type]
        "author": None if pull.author is None else Lazy(lambda: account(pull.author)),  # type: ignore[arg-type]
        "reason": "",
        "created_on": when(pull.created_on),
        "updated_on": when(pull.updated_on),
        "destination": {
            "branch": {"name": pull.destination_branch},
            "commit": Lazy(lambda: _commit(workspace, repo, f"{repo.slug}/{pull.destination_branch}/{pull.id}")),
            "repository": embedded,
        },
        "source": {
            "branch": {"name": pull.source_branch, "links": {}},
            "commit": Lazy(lambda: _commit(workspace, repo, f"{repo.slug}/{pull.source_branch}/{pull.id}")),
            "repository": embedded,
        },
        "links": Lazy(lambda: _pull_request_links(workspace, repo, pull)),
        "summary": rendered(pull.description),
        "queued": False,
        "participants": Lazy(lambda: [_participant(p) for p in pull.participants], hidden=True),
        "reviewers": Lazy(lambda: [account(person) for person in pull.reviewers], hidden=True),
    }


def merge_hash(repo: Repository, pull: PullRequest) -> str:
    """The commit that its destination stood at once it was merged; lists give the first 12 digits."""
    return pull.merge_hash or commit_hash(f"{repo.uuid}/merge/{pull.id}", 40)


def source_hash(repo: Repository, pull: PullRequest) -> str:
    """The last commit of its source branch."""
    return commit_hash(f"{repo.slug}/{pull.source_branch}/{pull.id}", 40)


def activity(workspace: Workspace, repo: Repository, pull: PullRequest) -> list[Json]:
    """Items of a pull request's activity, newest first: updates with the state they left it in, approvals, comments."""
    short = {
        "type": "pullrequest",
        "id": pull.id,
        "title": pull.title,
        "links": {"self": _link(f"{_api(workspace, repo)}/pullrequests/{pull.id}")},
    }
    updates = [("OPEN", pull.created_on, 0), *(("OPEN", date, n) for n, date in enumerate(sorted(pull.pushes), 1))]
    if pull.state != "OPEN":
        updates.append((pull.state, pull.closed_on or pull.updated_on, len(pull.pushes)))
    approvals = [one for one in pull.participants if one.approved and one.participated_on is not None]
    dated: list[tuple[datetime, Json]] = [
        *((date, {"update": _update(workspace, repo, pull, state, date, pushes)}) for state, date, pushes in updates),
        *((at, {"approval": _approval(one, at, short)}) for one in approvals if (at := one.participated_on)),
        *((date, {"comment": {"type": "pullrequest_comment", "created_on": when(date)}}) for date in pull.comments),
    ]
    newest_first = sorted(dated, key=lambda item: item[0], reverse=True)
    return [{"pull_request": short, **item} for _, item in newest_first]


def _update(workspace: Workspace, repo: Repository, pull: PullRequest, state: str, date: datetime, pushes: int) -> Json:
    """An update, after so many pushes to the source branch: the last one has the hash that lists give."""
    place = f"{repo.slug}/{pull.source_branch}/{pull.id}"
    seed = place if pushes == len(pull.pushes) else f"{place}/{pushes}"
    embedded = Lazy(lambda: repository_condensed(workspace, repo))
    closed_by = pull.author if state == "OPEN" else pull.closed_by
    return {
        "state": state,
        "draft": pull.draft,
        "title": pull.title,
        "description": pull.description,
        "reason": "",
        "date": when(date),
        "author": None if closed_by is None else account(closed_by),
        "changes": {},
        "source": {
            "branch": {"name": pull.source_branch},
            "commit": Lazy(lambda: _commit(workspace, repo, seed)),
            "repository": embedded,
        },
        "destination": {
            "branch": {"name": pull.destination_branch},
            "commit": Lazy(lambda: _commit(workspace, repo, f"{repo.slug}/{pull.destination_branch}/{pull.id}")),
            "repository": embedded,
        },
    }


def _approval(given: Participant, at: datetime, short: Json) -> Json:
    user = None if given.user is None else account(given.user)
    return {"date": when(at), "user": user, "pullrequest": short}


def rendered(text: str) -> Json:
    """Text as Bitbucket shows it: the source and its HTML."""
    html = f"<p>{escape(text)}</p>" if text else ""
    return {"type": "rendered", "raw": text, "markup": "markdown", "html": html}


def _commit(workspace: Workspace, repo: Repository, seed: str) -> Json:
    digest = commit_hash(seed)
    return {"hash": digest, "links": commit_links(workspace, repo, digest), "type": "commit"}


def commit_links(workspace: Workspace, repo: Repository, digest: str) -> Json:
    """The two links of an embedded commit."""
    return {
        "self": _link(f"{_api(workspace, repo)}/commit/{digest}"),
        "html": _link(f"{WEB}/{workspace.slug}/{repo.slug}/commits/{digest}"),
    }


def _pull_request_links(workspace: Workspace, repo: Repository, pull: PullRequest) -> Json:
    root = f"{_api(workspace, repo)}/pullrequests/{pull.id}"
    parts = (
        "commits", "approve", "request-changes", "diff", "diffstat",
        "comments", "activity", "merge", "decline", "statuses",
    )  # fmt: skip
    return {
        "self": _link(root),
        "html": _link(f"{WEB}/{workspace.slug}/{repo.slug}/pull-requests/{pull.id}"),
        **{part: _link(f"{root}/{part}") for part in parts},
    }


def default_reviewer(person: Account, reviewer_type: str) -> Json:
    """An item of ``effective-default-reviewers``."""
    return {"type": "default_reviewer", "reviewer_type": reviewer_type, "user": account(person)}


def branch(workspace: Workspace, repo: Repository, name: str) -> Json:
    """One branch, with the commit it stands at."""
    root = f"{_api(workspace, repo)}"
    digest = commit_hash(f"{repo.uuid}/{name}", 40)
    return {
        "type": "branch",
        "name": name,
        "default_merge_strategy": "merge_commit",
        "merge_strategies": ["merge_commit", "squash", "fast_forward"],
        "target": {"type": "commit", "hash": digest},
        "links": {
            "self": _link(f"{root}/refs/branches/{name}"),
            "commits": _link(f"{root}/commits/{name}"),
            "html": _link(f"{WEB}/{workspace.slug}/{repo.slug}/branch/{name}"),
        },
    }


def _participant(participant: Participant) -> Json:
    return {
        "type": "participant",
        "user": None if participant.user is None else account(participant.user),
        "role": participant.role,
        "approved": participant.approved,
        "state": participant.state,
        "participated_on": when(participant.participated_on),
    }


def commit_status(workspace: Workspace, repo: Repository, pull: PullRequest, status: CommitStatus) -> Json:
    """An item of a pull request's statuses."""
    commit = _commit(workspace, repo, f"{repo.slug}/{pull.source_branch}/{pull.id}")
    return build(workspace, repo, status, pull.source_branch, commit)


def build(workspace: Workspace, repo: Repository, status: CommitStatus, refname: str, commit: Json) -> Json:
    """A build's state on a commit of a branch."""
    root = f"{_api(workspace, repo)}/commit/{commit['hash']}"
    return {
        "key": status.key,
        "type": "build",
        "state": status.state,
        "name": f"Build {status.key}",
        "description": "",
        "refname": refname,
        "url": f"https://builds.example.com/{status.key}",
        "repository": repository_condensed(workspace, repo),
        "commit": commit,
        "links": {"commit": _link(root), "self": _link(f"{root}/statuses/build/{status.key}")},
        "created_on": when(status.created_on),
        "updated_on": when(status.updated_on),
    }


def pipeline(workspace: Workspace, repo: Repository, run: Pipeline) -> Json:
    """A pipeline run: ``state.result`` once completed, ``state.stage`` while in progress."""
    state: Json = {"name": run.state, "type": f"pipeline_state_{run.state.lower()}"}
    if run.result is not None:
        state["result"] = {"name": run.result, "type": f"{state['type']}_{run.result.lower()}"}
    if run.stage is not None:
        state["stage"] = {"name": run.stage, "type": f"{state['type']}_{run.stage.lower()}"}
    root = f"{_api(workspace, repo)}/pipelines/{quote(run.uuid)}"
    body: Json = {
        "type": "pipeline",
        "uuid": run.uuid,
        "repository": repository_condensed(workspace, repo),
        "state": state,
        "build_number": run.build_number,
        "creator": None if run.creator is None else account(run.creator),
        "created_on": when(run.created_on),
        "target": {
            "type": "pipeline_ref_target",
            "ref_type": "branch",
            "ref_name": run.ref_name,
            "selector": {"type": "default"},
            "commit": _commit(workspace, repo, f"{repo.slug}/run/{run.build_number}"),
        },
        "trigger": {"name": "PUSH", "type": "pipeline_trigger_push"},
        "run_number": 1,
        "build_seconds_used": 60,
        "first_successful": False,
        "expired": False,
        "has_variables": False,
        "links": {
            "type": "pipeline_links",
            "self": {"type": "pipeline_link", "href": root},
            "steps": {"type": "pipeline_link", "href": f"{root}/steps"},
        },
    }
    if run.completed_on is not None:
        body["completed_on"] = when(run.completed_on)
    return body


def pipelines_config(workspace: Workspace, repo: Repository) -> Json:
    """The pipelines configuration of a repository that has one."""
    return {
        "type": "repository_pipelines_configuration",
        "enabled": bool(repo.pipelines_enabled),
        "repository": repository_condensed(workspace, repo),
    }


def webhook(workspace: Workspace, repo: Repository | None, hook: Webhook) -> Json:
    """A webhook of a repository or, without one, of the workspace; it tells whether it has a secret, never which."""
    subject = workspace_condensed(workspace) if repo is None else repository_condensed(workspace, repo)
    owned = f"workspaces/{workspace.slug}" if repo is None else f"repositories/{workspace.slug}/{repo.slug}"
    seconds, nanoseconds = divmod(hook.created_ns, 10**9)
    created = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return {
        "type": "webhook_subscription",
        "uuid": hook.uuid,
        "description": hook.description,
        "url": hook.url,
        "active": hook.active,
        "skip_cert_verification": hook.skip_cert_verification,
        "events": list(hook.events),
        "created_at": f"{created}.{nanoseconds:09d}Z",
        "subject": subject,
        "links": {"self": _link(f"{API}/{owned}/hooks/{quote(hook.uuid)}")},
        "source": None,
        "read_only": False,
        "history_enabled": hook.history_enabled,
        "secret_set": hook.secret is not None,
    }
