"""What people do at Bitbucket: each action changes the state and, unless told not to, announces it.

An action is called with the state first, and takes two arguments beside those it names: ``workspace``, the first one
unless given, and ``announce``. ``announce=False`` makes the same change without an event: one that was lost. Some
changes have no event at all. Repositories go by slug or uuid, people by nickname. Times are those of ``state.clock``.
Every action raises :class:`ActionError` where what it names isn't there or can't be done.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, wraps
from inspect import signature
from typing import Any, Literal, get_type_hints
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from sandbox import payloads, render
from sandbox.model import (
    Account,
    CommitStatus,
    Participant,
    Pipeline,
    Project,
    PullRequest,
    Repository,
    Restriction,
    Workspace,
)
from sandbox.render import Json
from sandbox.state import SandboxState
from sandbox.webhooks import Delivery

MergeStrategy = Literal["merge_commit", "squash", "fast_forward", "rebase"]
BuildResult = Literal["SUCCESSFUL", "FAILED", "STOPPED"]
_numbers = itertools.count(1)


class ActionError(Exception):
    """Something that an action names isn't there, or can't be done to it; the message is one line."""


@dataclass
class Done:
    """What an action changed, and what it announced: event keys in their order, and the deliveries of them."""

    workspace: Workspace
    repository: Repository | None = None
    pull_request: PullRequest | None = None
    pipeline: Pipeline | None = None
    events: list[str] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)

    def summary(self) -> Json:
        """The same as plain data."""
        return {
            "workspace": self.workspace.slug,
            "repository": self.repository.slug if self.repository else None,
            "pull_request": self.pull_request.id if self.pull_request else None,
            "pipeline": self.pipeline.uuid if self.pipeline else None,
            "events": self.events,
            "deliveries": [delivery.request_uuid for delivery in self.deliveries],
        }


class _Stage:
    """One action at work: what it names, looked up, and how it tells of what it did."""

    def __init__(self, state: SandboxState, workspace: str | None, announce: bool) -> None:
        self.state = state
        self.now: datetime = state.clock()
        self.announce = announce
        self.workspace = self.find_workspace(workspace)
        self.done = Done(self.workspace)

    def find_workspace(self, key: str | None) -> Workspace:
        """The workspace with this slug or uuid or, without one, the first."""
        if not self.state.workspaces:
            raise ActionError("there is no workspace")
        found = self.state.workspaces[0] if key is None else self.state.workspace(key)
        if found is None:
            raise ActionError(f"there is no workspace {key!r}")
        return found

    def repository(self, key: str) -> Repository:
        """The repository with this slug or uuid, which the action is about from here on."""
        found = self.workspace.repository(key)
        if found is None or found.gone:
            raise ActionError(f"there is no repository {key!r} in the workspace {self.workspace.slug!r}")
        self.done.repository = found
        return found

    @property
    def repo(self) -> Repository:
        """The repository that the action is about."""
        if self.done.repository is None:
            raise ActionError("this action needs a repository")
        return self.done.repository

    def person(self, nickname: str | None, *, but: Sequence[Account | None] = ()) -> Account:
        """The member with this nickname or, without one, the first person who is none of ``but``."""
        excluded = {account.uuid for account in but if account is not None}
        for member in self.workspace.members:
            account = member.account
            if account.nickname == nickname:
                return account
            if nickname is None and account.type == "user" and account.uuid not in excluded:
                return account
        who = "somebody else" if nickname is None else repr(nickname)
        raise ActionError(f"the workspace {self.workspace.slug!r} has no member {who}")

    def pull(self, number: int | None) -> PullRequest:
        """The open pull request with this number or, without one, the newest that is open."""
        newest_first = sorted(self.repo.pull_requests, key=lambda pull: pull.id, reverse=True)
        found = [pull for pull in newest_first if pull.state == "OPEN" and number in (None, pull.id)]
        if not found:
            which = "no open pull request" if number is None else f"no open pull request {number}"
            raise ActionError(f"the repository {self.repo.slug!r} has {which}")
        self.done.pull_request = found[0]
        return found[0]

    def emit(self, event_key: str, actor: Account, details: Json | None = None) -> None:
        """Announce an event of what the action is about, if it is to be announced."""
        if not self.announce:
            return
        self.done.events.append(event_key)
        self.done.deliveries += self.state.deliveries.emit(
            event_key, self.workspace, self.repo, self.done.pull_request, actor, details
        )

    def pushed(
        self, branch: str, actor: Account, message: str, commits: int = 1, *,
        new_hash: str | None = None, forced: bool = False,
    ) -> None:  # fmt: skip
        """Let a branch grow by so many commits, the last one ``new_hash`` where that is given, and announce that."""
        self.repo.updated_on = self.now
        made = [
            payloads.commit(self.workspace, self.repo, f"{self.repo.uuid}/{next(_numbers)}", actor, self.now, message)
            for _ in range(commits)
        ]
        made[-1]["hash"] = new_hash or made[-1]["hash"]
        before = render.commit_hash(f"{self.repo.uuid}/{branch}", 40)
        details = payloads.push(self.workspace, self.repo, branch, made, before=before, forced=forced)
        self.emit("repo:push", actor, details)


ACTIONS: dict[str, Callable[..., Any]] = {}


def _action(does: Callable[..., list[Done] | None]) -> Callable[..., Any]:
    """Put a function into the table of actions; called with a state, it returns what was done, once or more often."""

    @wraps(does)
    def act_on(
        state: SandboxState, *arguments: Any, workspace: str | None = None, announce: bool = True, **named: Any
    ) -> Done | list[Done]:
        with state.lock:
            stage = _Stage(state, workspace, announce)
            return does(stage, *arguments, **named) or stage.done

    ACTIONS[does.__name__] = act_on
    return act_on


# --- pull requests ------------------------------------------------------------------------------------


@_action
def create_pull_request(
    stage: _Stage, repository: str, *, title: str = "A change", author: str | None = None,
    source_branch: str | None = None, into: str | None = None, description: str = "",
    reviewers: Sequence[str] = (), draft: bool = False,
) -> None:  # fmt: skip
    """Open a pull request into ``into``, the main branch unless given."""
    repo, who = stage.repository(repository), stage.person(author)
    destination = into or repo.mainbranch
    if destination is None:
        raise ActionError(f"the repository {repo.slug!r} has no main branch: say into which branch")
    number = 1 + max((pull.id for pull in repo.pull_requests), default=0)
    asked = [stage.person(nickname) for nickname in reviewers]
    pull = PullRequest(
        id=number,
        title=title,
        state="OPEN",
        author=who,
        source_branch=source_branch or f"feature/change-{number}",
        destination_branch=destination,
        created_on=stage.now,
        updated_on=stage.now,
        participants=[Participant(account, role="REVIEWER") for account in asked],
        reviewers=asked,
        draft=draft,
        description=description,
    )
    repo.pull_requests.append(pull)
    stage.done.pull_request = pull
    stage.emit("pullrequest:created", who)


@_action
def update_pull_request(
    stage: _Stage, repository: str, pull_request: int | None = None, *, title: str | None = None,
    description: str | None = None, into: str | None = None, draft: bool | None = None, actor: str | None = None,
) -> None:  # fmt: skip
    """Edit an open pull request: its title, its description, the branch it goes into, or whether it is a draft."""
    stage.repository(repository)
    pull, who = stage.pull(pull_request), stage.person(actor)
    pull.title = pull.title if title is None else title
    pull.description = pull.description if description is None else description
    pull.destination_branch = into or pull.destination_branch
    pull.draft = pull.draft if draft is None else draft
    pull.updated_on = stage.now
    stage.emit("pullrequest:updated", who)


@_action
def approve(stage: _Stage, repository: str, pull_request: int | None = None, *, by: str | None = None) -> None:
    """Approve an open pull request, as the first member who neither wrote nor approved it unless ``by`` says."""
    stage.repository(repository)
    pull = stage.pull(pull_request)
    approved = [p.user for p in pull.participants if p.approved]
    who = stage.person(by, but=[pull.author, *approved])
    taking_part = _participant(pull, who)
    taking_part.approved, taking_part.state = True, "approved"
    taking_part.participated_on = pull.updated_on = stage.now
    stage.emit("pullrequest:approved", who, payloads.approval(who, stage.now))


@_action
def unapprove(stage: _Stage, repository: str, pull_request: int | None = None, *, by: str | None = None) -> None:
    """Take an approval of an open pull request back, the first one there is unless ``by`` says whose."""
    stage.repository(repository)
    pull = stage.pull(pull_request)
    given = [p for p in pull.participants if p.approved and p.user is not None and by in (None, p.user.nickname)]
    if not given or given[0].user is None:
        whose = "nobody approved it" if by is None else f"{by!r} did not approve it"
        raise ActionError(f"pull request {pull.id} of {stage.repo.slug!r}: {whose}")
    given[0].approved, given[0].state = False, None
    given[0].participated_on = pull.updated_on = stage.now
    stage.emit("pullrequest:unapproved", given[0].user, payloads.approval(given[0].user, stage.now))


def _participant(pull: PullRequest, who: Account) -> Participant:
    for taking_part in pull.participants:
        if taking_part.user is not None and taking_part.user.uuid == who.uuid:
            return taking_part
    pull.participants.append(Participant(who))
    return pull.participants[-1]


@_action
def merge(
    stage: _Stage, repository: str, pull_request: int | None = None, *, by: str | None = None,
    strategy: MergeStrategy = "merge_commit",
) -> None:  # fmt: skip
    """Merge an open pull request: its destination moves, so a push is announced too.

    A fast-forward moves it to the source's last commit, every other strategy to a commit of its own.
    """
    repo = stage.repository(repository)
    pull, who = stage.pull(pull_request), stage.person(by)
    of_its_own = render.commit_hash(f"{repo.uuid}/{strategy}/{pull.id}", 40)
    pull.merge_hash = render.source_hash(repo, pull) if strategy == "fast_forward" else of_its_own
    pull.state, pull.closed_by = "MERGED", who
    pull.closed_on = pull.updated_on = stage.now
    stage.emit("pullrequest:fulfilled", who)
    message = f"Merged in {pull.source_branch} (pull request #{pull.id})"
    stage.pushed(pull.destination_branch, who, message, new_hash=render.merge_hash(repo, pull))


@_action
def comment(stage: _Stage, repository: str, pull_request: int, *, by: str | None = None) -> None:
    """Comment on a pull request, be it open or closed: its ``updated_on`` moves."""
    repo, who = stage.repository(repository), stage.person(by)
    pull = next((pull for pull in repo.pull_requests if pull.id == pull_request), None)
    if pull is None:
        raise ActionError(f"the repository {repo.slug!r} has no pull request {pull_request}")
    if pull.state != "OPEN" and pull.closed_on is None:
        pull.closed_on = pull.updated_on
    pull.comments.append(stage.now)
    pull.updated_on = stage.now
    stage.done.pull_request = pull
    stage.emit("pullrequest:comment_created", who)


@_action
def decline(stage: _Stage, repository: str, pull_request: int | None = None, *, by: str | None = None) -> None:
    """Decline an open pull request."""
    stage.repository(repository)
    pull, who = stage.pull(pull_request), stage.person(by)
    pull.state, pull.closed_by = "DECLINED", who
    pull.closed_on = pull.updated_on = stage.now
    stage.emit("pullrequest:rejected", who)


@_action
def merge_burst(
    stage: _Stage, count: int, *, repositories: Sequence[str] | None = None, by: str | None = None
) -> list[Done]:
    """Merge so many open pull requests at once, going round the repositories (all of them unless given).

    Raises :class:`ActionError` before anything is merged where fewer are open.
    """
    there = [repo.slug for repo in stage.workspace.repositories if not repo.gone]
    slugs = there if repositories is None else list(repositories)
    by_repository = [_open(stage.repository(slug)) for slug in slugs]
    in_turn = [pair for turn in itertools.zip_longest(*by_repository) for pair in turn if pair is not None]
    if not 1 <= count <= len(in_turn):
        raise ActionError(f"{count} pull requests can't be merged: {len(in_turn)} are open")
    return [
        merge(stage.state, uuid, number, by=by, workspace=stage.workspace.uuid, announce=stage.announce)
        for uuid, number in in_turn[:count]
    ]


def _open(repo: Repository) -> list[tuple[str, int]]:
    return [(repo.uuid, pull.id) for pull in repo.pull_requests if pull.state == "OPEN"]


# --- code and builds ----------------------------------------------------------------------------------


@_action
def push(
    stage: _Stage, repository: str, branch: str | None = None, *, commits: int = 1, by: str | None = None,
    message: str = "A change", forced: bool = False,
) -> None:  # fmt: skip
    """Push commits to a branch, the main one unless given; open pull requests from it are updated.

    ``forced``: its history is rewritten.

    A first push gives a repository its main branch.
    """
    if commits < 1:
        raise ActionError(f"{commits} commits can't be pushed: give 1 or more")
    repo, who = stage.repository(repository), stage.person(by)
    repo.mainbranch = repo.mainbranch or branch or "main"
    repo.size = repo.size or 4096
    name = branch or repo.mainbranch
    stage.pushed(name, who, message, commits, forced=forced)
    for pull in [p for p in repo.pull_requests if p.state == "OPEN" and p.source_branch == name]:
        pull.updated_on = stage.now
        pull.pushes.append(stage.now)
        stage.done.pull_request = pull
        stage.emit("pullrequest:push", who)
        stage.emit("pullrequest:updated", who)


@_action
def remove_branch(stage: _Stage, repository: str, branch: str | None = None, *, by: str | None = None) -> None:
    """Remove a branch, the main one unless given: announced as a push."""
    repo, who = stage.repository(repository), stage.person(by)
    name = branch or repo.mainbranch or "main"
    before = render.commit_hash(f"{repo.uuid}/{name}", 40)
    stage.emit("repo:push", who, payloads.removal(stage.workspace, repo, name, before=before))


@_action
def run_pipeline(
    stage: _Stage, repository: str, *, result: BuildResult | None = "SUCCESSFUL", branch: str | None = None,
    pull_request: int | None = None, by: str | None = None,
) -> None:  # fmt: skip
    """Run a pipeline on a branch, or on an open pull request's source branch; no ``result``: it runs still.

    A finished run is announced by its commit status alone: there is no event of pipelines that end.
    """
    repo, who = stage.repository(repository), stage.person(by)
    pull = None if pull_request is None else stage.pull(pull_request)
    name = pull.source_branch if pull else branch or repo.mainbranch or "main"
    run = _run(stage, name, result, who)
    status = CommitStatus(f"{repo.slug}-run-{run.build_number}", "INPROGRESS", run.created_on, run.created_on)
    if pull is not None:
        pull.statuses.append(status)
    digest = render.commit_hash(f"{repo.slug}/{name}/{pull.id if pull else run.build_number}")
    stage.emit("repo:commit_status_created", who, payloads.build(stage.workspace, repo, status, name, digest))
    if result is not None:
        status.state, status.updated_on = result, stage.now
        stage.emit("repo:commit_status_updated", who, payloads.build(stage.workspace, repo, status, name, digest))


def _run(stage: _Stage, branch: str, result: BuildResult | None, who: Account) -> Pipeline:
    number = 1 + max((run.build_number for run in stage.repo.pipelines), default=0)
    ended = result is not None
    run = Pipeline(
        uuid="{" + str(uuid4()) + "}",
        build_number=number,
        state="COMPLETED" if ended else "IN_PROGRESS",
        result=result,
        # A run that is announced as ended began some minutes ago.
        created_on=stage.now - timedelta(minutes=4) if ended else stage.now,
        completed_on=stage.now if ended else None,
        creator=who,
        ref_name=branch,
        stage=None if ended else "RUNNING",
    )
    stage.repo.pipelines.append(run)
    stage.done.pipeline = run
    return run


# --- repositories -------------------------------------------------------------------------------------


@_action
def create_repository(
    stage: _Stage, slug: str, *, project: str | None = None, mainbranch: str | None = None, by: str | None = None
) -> None:
    """Make a repository, empty unless it is given a main branch, in the first project unless given its key."""
    _must_be_free(stage.workspace, slug)
    who = stage.person(by)
    repo = Repository(
        uuid="{" + str(uuid4()) + "}",
        slug=slug,
        name=slug,
        project=_project(stage.workspace, project),
        created_on=stage.now,
        updated_on=stage.now,
        size=0,
        mainbranch=mainbranch,
        pipelines_enabled=None,
        member_permissions={who.uuid: "admin"},
    )
    stage.workspace.repositories.append(repo)
    stage.done.repository = repo
    stage.emit("repo:created", who)


def _must_be_free(workspace: Workspace, slug: str, *, but: Repository | None = None) -> None:
    found = workspace.repository(slug)
    if found is not None and found is not but:
        raise ActionError(f"there is a repository {slug!r} in the workspace {workspace.slug!r} already")


def _project(workspace: Workspace, key: str | None) -> Project:
    found = next((project for project in workspace.projects if key in (None, project.key)), None)
    if found is None:
        named = "no project" if key is None else f"no project {key!r}"
        raise ActionError(f"the workspace {workspace.slug!r} has {named}")
    return found


@_action
def delete_repository(stage: _Stage, repository: str, *, by: str | None = None) -> None:
    """Delete a repository and all that hangs on it, its webhooks too; they are told, as they stood."""
    repo, who = stage.repository(repository), stage.person(by)
    stage.workspace.repositories.remove(repo)
    stage.emit("repo:deleted", who)


@_action
def rename_repository(stage: _Stage, repository: str, name: str, *, by: str | None = None) -> None:
    """Give a repository another name, from which its slug follows."""
    repo, who = stage.repository(repository), stage.person(by)
    slug = name.lower().replace(" ", "-")
    _must_be_free(stage.workspace, slug, but=repo)
    before = render.repository_condensed(stage.workspace, repo)
    repo.name, repo.slug, repo.updated_on = name, slug, stage.now
    after = render.repository_condensed(stage.workspace, repo)
    # A new name changes the links too.
    changes = {key: {"old": before[key], "new": after[key]} for key in ("name", "links")}
    stage.emit("repo:updated", who, {"changes": changes})


@_action
def change_main_branch(stage: _Stage, repository: str, branch: str, *, by: str | None = None) -> None:
    """Make another branch the main one; none of the documented ``changes`` is about it, so none is named."""
    repo, who = stage.repository(repository), stage.person(by)
    repo.mainbranch, repo.updated_on = branch, stage.now
    stage.emit("repo:updated", who, {"changes": {}})


@_action
def transfer_repository(stage: _Stage, repository: str, to: str, *, by: str | None = None) -> None:
    """Move a repository to another workspace, whose first project takes it; the new workspace's webhooks are told."""
    repo, who, previous = stage.repository(repository), stage.person(by), stage.workspace
    target = stage.find_workspace(to)
    _must_be_free(target, repo.slug)
    repo.project = _project(target, None)
    previous.repositories.remove(repo)
    target.repositories.append(repo)
    repo.updated_on = stage.now
    stage.workspace = stage.done.workspace = target
    stage.emit("repo:transfer", who, {"previous_workspace": render.workspace_condensed(previous)})


# --- what has no event --------------------------------------------------------------------------------


@_action
def set_restriction(
    stage: _Stage, repository: str, kind: str, *, pattern: str = "main", value: int | None = None,
    users: Sequence[str] = (),
) -> None:  # fmt: skip
    """Add a branch restriction, or change the one of this kind and pattern. Bitbucket announces neither."""
    people = [stage.person(nickname) for nickname in users]
    _set_rule(stage, stage.repository(repository).restrictions, kind, pattern, value, people)


def _set_rule(
    stage: _Stage, rules: list[Restriction], kind: str, pattern: str, value: int | None, people: list[Account]
) -> None:
    found = _restriction(rules, kind, pattern)
    if found is None:
        all_rules = [one.restrictions for w in stage.state.workspaces for one in w.repositories]
        all_rules += [one.restrictions for w in stage.state.workspaces for one in w.projects]
        number = 1 + max((rule.id for one in all_rules for rule in one), default=0)
        rules.append(Restriction(number, kind, pattern, value=value, users=people))
    else:
        found.value, found.users = value, people


@_action
def remove_restriction(stage: _Stage, repository: str, kind: str, *, pattern: str = "main") -> None:
    """Take a branch restriction away. Bitbucket does not announce it."""
    repo = stage.repository(repository)
    found = _restriction(repo.restrictions, kind, pattern)
    if found is None:
        raise ActionError(f"the repository {repo.slug!r} has no restriction {kind!r} of {pattern!r}")
    repo.restrictions.remove(found)


def _restriction(rules: list[Restriction], kind: str, pattern: str) -> Restriction | None:
    return next((rule for rule in rules if (rule.kind, rule.pattern) == (kind, pattern)), None)


@_action
def set_project_restriction(
    stage: _Stage, project: str, kind: str, *, pattern: str = "main", value: int | None = None,
    users: Sequence[str] = (),
) -> None:  # fmt: skip
    """Add a branch restriction to a project, by its key, or change it: all its repositories inherit it, unlisted."""
    people = [stage.person(nickname) for nickname in users]
    _set_rule(stage, _project(stage.workspace, project).restrictions, kind, pattern, value, people)


@_action
def remove_project_restriction(stage: _Stage, project: str, kind: str, *, pattern: str = "main") -> None:
    """Take a branch restriction of a project away."""
    rules = _project(stage.workspace, project).restrictions
    found = _restriction(rules, kind, pattern)
    if found is None:
        raise ActionError(f"the project {project!r} has no restriction {kind!r} of {pattern!r}")
    rules.remove(found)


@_action
def set_default_reviewers(stage: _Stage, repository: str, *, reviewers: Sequence[str] = ()) -> None:
    """Say who reviews each pull request of a repository by default, instead of those before."""
    repo = stage.repository(repository)
    repo.default_reviewers = [stage.person(nickname) for nickname in reviewers]


@_action
def remove_member(stage: _Stage, member: str) -> None:
    """Let somebody leave the workspace, with all rights on its repositories. Bitbucket does not announce it."""
    account = stage.person(member)
    stage.workspace.members = [m for m in stage.workspace.members if m.account.uuid != account.uuid]
    for repo in stage.workspace.repositories:
        repo.member_permissions.pop(account.uuid, None)


def act(state: SandboxState, name: str, arguments: Mapping[str, Any]) -> list[Done]:
    """Do what an action's name and its arguments say.

    Raises:
        ActionError: no action is called so, it takes no such argument, needs one that isn't given, or can't be done.
    """
    action = ACTIONS.get(name)
    if action is None:
        raise ActionError(f"no action is called {name!r}: one of {', '.join(ACTIONS)}")
    try:
        checked = _arguments(name).model_validate(arguments)
    except ValidationError as problem:
        raise ActionError(f"action {name!r}: {'; '.join(map(_problem, problem.errors()))}") from problem
    done = action(state, **{argument: getattr(checked, argument) for argument in checked.model_fields_set})
    return done if isinstance(done, list) else [done]


@cache
def _arguments(name: str) -> type[BaseModel]:
    """The arguments of an action as a model, made from its signature."""
    types = get_type_hints(ACTIONS[name])
    fields: dict[str, Any] = {"workspace": (str | None, None), "announce": (bool, True)} | {
        parameter.name: (types[parameter.name], ... if parameter.default is parameter.empty else parameter.default)
        for parameter in list(signature(ACTIONS[name]).parameters.values())[1:]
    }
    return create_model(name, __config__=ConfigDict(extra="forbid"), **fields)


def _problem(error: Mapping[str, Any]) -> str:
    named = ".".join(str(part) for part in error["loc"])
    return f"no argument is called {named!r}" if error["type"] == "extra_forbidden" else f"{named}: {error['msg']}"
