"""Which calls a repository needs: those that every repository needs, and those that their results ask for."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from bitbucket_compliance.pipeline.extract.fetch import Call
from bitbucket_compliance.pipeline.extract.landing.results import (
    FAILED,
    NOT_FOUND,
    OK,
    PERMISSION_MISSING,
    SCOPE_MISSING,
)
from bitbucket_compliance.pipeline.extract.repositories.merges import DETAILS, Merges, NextMerge
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
    PULL_REQUEST_ACTIVITY,
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
        merges: what was merged into the main branch.
    """

    repository_id: str
    slug: str
    main_branch: str | None
    non_production: bool
    has_project_evidence: bool = False
    outcomes: dict[str, str] = field(default_factory=dict)
    has_branching_rules: bool = False
    merges: Merges = field(init=False)
    open_calls: int = 0

    def __post_init__(self) -> None:
        self.merges = Merges(self.main_branch)

    @property
    def is_complete(self) -> bool:
        """Whether no call failed and every answer was whole: otherwise the repository is due again at once."""
        return self.merges.are_whole and not any(
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
            self.merges.remember(bodies)
        elif resource in DETAILS:
            self.merges.remember_details(resource, bodies)


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
        path = {"workspace": self._run.workspace, "repo_slug": repository.slug}
        if item:
            path["pull_request_id"] = item
        return Call(resource, path, repository.repository_id, item, params)

    def branching_model(self, repository: Repository) -> str | None:
        """Once, where a rule applies by it."""
        is_needed = repository.has_branching_rules and repository.main_branch is not None
        return "" if is_needed and BRANCHING_MODEL.name not in repository.outcomes else None

    def statuses(self, repository: Repository) -> str | None:
        """The next merge whose builds decide something."""
        if repository.outcomes.get(PULL_REQUEST_STATUSES.name, OK) != OK:
            return None
        if not self._behaviour_decides(PULL_REQUEST_STATUSES, repository):
            return None
        return _text(NextMerge(self._run, repository.merges).to_ask_for_builds())

    def activity(self, repository: Repository) -> str | None:
        """The next merge of which it makes a difference when it was merged; one that is not found spares the others.

        Whether a rule in force was bypassed is a question too, so it is asked also where the configuration decides.
        """
        outcome = repository.outcomes.get(PULL_REQUEST_ACTIVITY.name, OK)
        if outcome not in (OK, FAILED, NOT_FOUND) or not self._merges_may_matter(repository):
            return None
        decides = self._behaviour_decides(PULL_REQUEST_ACTIVITY, repository)
        return _text(NextMerge(self._run, repository.merges).to_look_up(behaviour_decides=decides))

    def _merges_may_matter(self, repository: Repository) -> bool:
        return (
            not repository.non_production
            and bool(repository.main_branch)
            and repository.outcomes.get(PULL_REQUESTS.name) == OK
        )

    def _behaviour_decides(self, resource: Resource, repository: Repository) -> bool:
        """Builds and dates show behaviour: they decide only where the configuration can't be read, or where evidence
        about the project may stand in for it.
        """
        undecided = (SCOPE_MISSING, PERMISSION_MISSING, *([OK] if repository.has_project_evidence else []))
        configuration = self._stands_in_for.get(resource.name, [])
        return self._merges_may_matter(repository) and (
            not configuration or any(repository.outcomes.get(name) in undecided for name in configuration)
        )


#: For each resource on demand: the item to ask for next ("" where it has none), None where nothing is left to ask.
_NEXT_ITEM: Mapping[str, Callable[[Needs, Repository], str | None]] = {
    BRANCHING_MODEL.name: Needs.branching_model,
    PULL_REQUEST_STATUSES.name: Needs.statuses,
    PULL_REQUEST_ACTIVITY.name: Needs.activity,
}


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _applies_by_branching_model(restriction: Body) -> bool:
    return restriction.get("branch_match_kind") == "branching_model" and restriction.get("kind") in _PROTECTING_KINDS
