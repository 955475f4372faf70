"""Which calls a repository needs: those that every repository needs, and those that their results ask for."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bitbucket_compliance.pipeline.extract.fetch import Call
from bitbucket_compliance.pipeline.extract.landing.results import (
    FAILED,
    NOT_FOUND,
    OK,
    PERMISSION_MISSING,
    SCOPE_MISSING,
)
from bitbucket_compliance.pipeline.extract.selection import (
    configuration_of,
    read_of_repositories,
    tests_that_fall_back_on,
)
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.resources.catalogue import (
    BRANCH_RESTRICTIONS,
    BRANCHING_MODEL,
    BY_NAME,
    PULL_REQUEST_STATUSES,
    PULL_REQUESTS,
)
from bitbucket_compliance.resources.model import Body, Resource

#: What has to be remembered of the calls so far, beside their outcomes, to know which others are needed.
REMEMBERED = (BRANCH_RESTRICTIONS.name, PULL_REQUESTS.name)

ASKED = "asked"  # stands for an outcome while the call is under way

# The kinds of restriction that a rule or the inventory looks at: only for these a branching model is worth a request.
_PROTECTING_KINDS = frozenset(
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


@dataclass
class Repository:
    """What is known of one repository while its chunk is read: no more than decides what else to ask.

    Attributes:
        has_project_evidence: whether people's evidence about its project may stand in for its rules.
        outcomes: of the calls so far, by resource.
        has_branching_rules: whether a rule applies to branches by the branching model.
        merged: pull requests merged into the main branch: when, and their numbers.
        builds_broken: by pull request, whether its build statuses break the rule that they must pass.
        has_incomplete_listing: whether a listing of it may lack objects.
    """

    repository_id: str
    slug: str
    main_branch: str | None
    non_production: bool
    has_project_evidence: bool = False
    outcomes: dict[str, str] = field(default_factory=dict)
    has_branching_rules: bool = False
    merged: list[tuple[datetime, int]] = field(default_factory=list)
    builds_broken: dict[int, bool] = field(default_factory=dict)
    open_calls: int = 0
    has_incomplete_listing: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether no call failed and no listing may lack objects: otherwise the repository is due again at once."""
        return not self.has_incomplete_listing and not any(
            outcome == FAILED or (outcome == NOT_FOUND and not BY_NAME[name].may_be_absent)
            for name, outcome in self.outcomes.items()
        )

    def remember(self, resource: str, bodies: Iterable[Body]) -> None:
        """Take in what a call brought.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: a body isn't what Bitbucket promises.
        """
        if resource == BRANCH_RESTRICTIONS.name:
            self.has_branching_rules |= any(_applies_by_branching_model(body) for body in bodies)
        elif resource == PULL_REQUESTS.name:
            self.merged += [found for body in bodies if (found := self._merge(body)) is not None]
        elif resource == PULL_REQUEST_STATUSES.name:
            self.builds_broken.update({int(b["pull_request_id"]): breaks_the_build_rule(b["values"]) for b in bodies})

    def _merge(self, body: Body) -> tuple[datetime, int] | None:
        """When a pull request was merged into the main branch, by ``updated_on``, and its number; None otherwise."""
        branch = (body.get("destination") or {}).get("branch") or {}
        if body.get("state") != "MERGED" or not body.get("updated_on") or branch.get("name") != self.main_branch:
            return None
        return datetime.fromisoformat(body["updated_on"]), int(body["id"])


class Needs:
    """Which calls the repositories of a run need, by its policy."""

    def __init__(self, run: Run):
        self._run = run
        of_repositories = read_of_repositories(run.policy)
        self._always = [resource for resource in of_repositories if not resource.on_demand]
        self._on_demand = [resource for resource in of_repositories if resource.on_demand]
        self._stands_in_for = {
            resource.name: [one.name for one in configuration_of(tests_that_fall_back_on(resource, run.policy))]
            for resource in self._on_demand
        }

    def first_calls(self, repository: Repository) -> Iterator[Call]:
        """What is asked of every repository, as far as it was not asked before."""
        for resource in self._always:
            if resource.name not in repository.outcomes:
                query = resource.query(self._run.window_start) if resource.query else None
                yield self._call(resource, repository, params=query)

    def next_calls(self, repository: Repository) -> Iterator[Call]:
        """What the results so far ask for; notes that it is under way."""
        for resource in self._on_demand:
            item = _NEXT_ITEM[resource.name](self, repository)
            if item is not None:
                repository.outcomes[resource.name] = ASKED
                yield self._call(resource, repository, item)

    def _call(
        self, resource: Resource, repository: Repository, item: str = "", params: Mapping[str, object] | None = None
    ) -> Call:
        # By uuid, which Bitbucket takes in the slug's place: the slug may be another repository's by now.
        path = {"workspace": self._run.workspace, "repo_slug": repository.repository_id}
        if item:
            path["pull_request_id"] = item
        return Call(resource, path, repository.repository_id, item, params, slug=repository.slug)

    def branching_model(self, repository: Repository) -> str | None:
        """Once, where a rule applies by it."""
        is_needed = repository.has_branching_rules and repository.main_branch is not None
        return "" if is_needed and BRANCHING_MODEL.name not in repository.outcomes else None

    def statuses(self, repository: Repository) -> str | None:
        """The newest sampled pull request whose builds are not known, unless a newer one broke the rule already."""
        if not self._may_ask_for_builds(repository):
            return None
        since = self._run.window_start
        sample = sorted((merge for merge in repository.merged if merge[0] >= since), reverse=True)
        for _, number in sample[: self._run.policy.thresholds.behaviour_sample]:
            if number not in repository.builds_broken:
                return str(number)
            if repository.builds_broken[number]:
                return None
        return None

    def _may_ask_for_builds(self, repository: Repository) -> bool:
        """Builds show behaviour: they are asked for only where the configuration can't be read, or where evidence
        about the project may stand in for it.
        """
        if repository.non_production or not repository.main_branch:
            return False
        undecided = (SCOPE_MISSING, PERMISSION_MISSING, *([OK] if repository.has_project_evidence else []))
        outcomes = repository.outcomes
        configuration = self._stands_in_for[PULL_REQUEST_STATUSES.name]
        return (
            (not configuration or any(outcomes.get(name) in undecided for name in configuration))
            and outcomes.get(PULL_REQUESTS.name) == OK
            and outcomes.get(PULL_REQUEST_STATUSES.name, OK) == OK
        )


#: For each resource on demand: the item to ask for next ("" where it has none), None where nothing is left to ask.
_NEXT_ITEM: Mapping[str, Callable[[Needs, Repository], str | None]] = {
    BRANCHING_MODEL.name: Needs.branching_model,
    PULL_REQUEST_STATUSES.name: Needs.statuses,
}


def breaks_the_build_rule(statuses: list[Body]) -> bool:
    """A merged pull request breaks the rule when it has no build status, or one that is not SUCCESSFUL."""
    return not statuses or any(status.get("state") != "SUCCESSFUL" for status in statuses)


def _applies_by_branching_model(restriction: Body) -> bool:
    return restriction.get("branch_match_kind") == "branching_model" and restriction.get("kind") in _PROTECTING_KINDS
