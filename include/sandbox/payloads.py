"""The bodies of events: what Bitbucket sends when something happened.

Sources: recorded deliveries of pull requests, the newest of 2026, and Atlassian's page on event payloads for the
rest. ``repo:created`` has no example there: it carries what every event carries, actor and repository.
"""

from __future__ import annotations

from datetime import datetime

from sandbox import render
from sandbox.model import Account, CommitStatus, PullRequest, Repository, Workspace
from sandbox.partial import project
from sandbox.render import Json


def event(
    event_key: str,
    workspace: Workspace,
    repository: Repository,
    pull_request: PullRequest | None,
    actor: Account | None,
    details: Json,
) -> Json:
    """A whole body; ``details`` is what only this kind of event has, see the functions below.

    Raises ``ValueError`` where an event of pull requests comes without one.
    """
    body: Json = {
        "actor": None if actor is None else render.account(actor),
        "repository": _repository(workspace, repository),
        **details,
    }
    if event_key.startswith("pullrequest:"):
        if pull_request is None:
            raise ValueError(f"{event_key} is about a pull request: give one")
        body["pullrequest"] = _pull_request(workspace, repository, pull_request)
    found: Json = project(body, "+pullrequest.participants,+pullrequest.reviewers")
    return found


def _repository(workspace: Workspace, repo: Repository) -> Json:
    condensed = render.repository_condensed(workspace, repo)
    shown = ("type", "full_name", "links", "name", "uuid")
    return {
        **{key: condensed[key] for key in shown},
        "scm": "git",
        "website": None,
        "owner": render.owner(workspace),
        "workspace": render.workspace_condensed(workspace),
        "is_private": repo.is_private,
        "project": render.project(workspace, repo.project),
        "parent": None,
    }


def _pull_request(workspace: Workspace, repo: Repository, pull: PullRequest) -> Json:
    body = render.pull_request(workspace, repo, pull, render.repository_condensed(workspace, repo))
    body["rendered"] = {"title": render.rendered(pull.title), "description": render.rendered(pull.description)}
    body["source"]["branch"]["sync_strategies"] = ["merge_commit", "rebase"]
    if body["merge_commit"] is not None:
        # Lists leave its links out.
        body["merge_commit"] |= {"links": render.commit_links(workspace, repo, body["merge_commit"]["hash"])}
    return body


def approval(person: Account, at: datetime) -> Json:
    """Of ``pullrequest:approved`` and ``pullrequest:unapproved``: whose it is and when."""
    return {"approval": {"date": render.when(at), "user": render.account(person)}}


def push(
    workspace: Workspace, repo: Repository, branch: str, commits: list[Json], *, before: str | None = None,
    forced: bool = False,
) -> Json:  # fmt: skip
    """Of ``repo:push``: one branch that moved to the last of the commits, ``before`` being where it stood.

    Bitbucket names no more than five commits of a change and says that it left some out.
    """
    root = f"{render.API}/repositories/{workspace.slug}/{repo.slug}"
    newest_first = commits[::-1]
    change = {
        "old": None if before is None else _branch(root, branch, {"type": "commit", "hash": before}),
        "new": _branch(root, branch, newest_first[0]),
        "created": before is None,
        "forced": forced,
        "closed": False,
        "commits": newest_first[:5],
        "truncated": len(newest_first) > 5,
        "links": {
            "html": {"href": f"{render.WEB}/{workspace.slug}/{repo.slug}/branch/{branch}"},
            "commits": {"href": f"{root}/commits?include={newest_first[0]['hash']}"},
            "diff": {"href": f"{root}/diff/{newest_first[0]['hash']}"},
        },
    }
    return {"push": {"changes": [change]}}


def removal(workspace: Workspace, repo: Repository, branch: str, *, before: str) -> Json:
    """Of ``repo:push``: one branch that was removed, ``before`` being where it stood."""
    root = f"{render.API}/repositories/{workspace.slug}/{repo.slug}"
    change: Json = {
        "old": _branch(root, branch, {"type": "commit", "hash": before}),
        "new": None,
        "created": False,
        "forced": False,
        "closed": True,
        "commits": [],
        "truncated": False,
        "links": {},
    }
    return {"push": {"changes": [change]}}


def _branch(root: str, name: str, target: Json) -> Json:
    return {
        "type": "branch",
        "name": name,
        "target": target,
        "links": {
            "self": {"href": f"{root}/refs/branches/{name}"},
            "commits": {"href": f"{root}/commits/{name}"},
        },
    }


def commit(workspace: Workspace, repo: Repository, seed: str, author: Account, at: datetime, message: str) -> Json:
    """A commit of a push, its hash made up from the seed."""
    digest = render.commit_hash(seed, 40)
    return {
        "type": "commit",
        "hash": digest,
        "author": {
            "type": "author",
            "raw": f"{author.display_name} <{author.nickname}@example.com>",
            "user": render.account(author),
        },
        "message": message,
        "date": render.when(at),
        "parents": [],
        "links": render.commit_links(workspace, repo, digest),
    }


def build(workspace: Workspace, repo: Repository, status: CommitStatus, refname: str, digest: str) -> Json:
    """Of ``repo:commit_status_created`` and ``…_updated``: a build's state on the commit ``digest``."""
    commit = {"type": "commit", "hash": digest}
    return {"commit_status": render.build(workspace, repo, status, refname, commit)}
