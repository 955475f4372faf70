"""Which calls a repository needs: those that every repository needs, and those that their results ask for."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from bitbucket_compliance.pipeline.extract.fetch import Call
from bitbucket_compliance.pipeline.extract.landing.results import (
    FAILED,
    NOT_FOUND,
    OK,
    PERMISSION_MISSING,
    SCOPE_MISSING,
)
from bitbucket_compliance.pipeline.extract.repositories.merges import (
    BuildState,
    Known,
    Merge,
    build_state,
    merge_date,
    merge_of,
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
    PULL_REQUEST_ACTIVITY,
    PULL_REQUEST_STATUSES,
    PULL_REQUESTS,
)
from bitbucket_compliance.resources.model import Body, Resource

#: So many old merges of a repository are looked up in a run.
MOST_LOOKED_UP = 5

#: Of one merge each; no run asks for what an earlier one decided by.
DETAILS = (PULL_REQUEST_STATUSES.name, PULL_REQUEST_ACTIVITY.name)
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
        not_peers: accounts whose approvals count for nothing, in lower case.
        former_main_branches: name, since when (None: ever) and until when each was the main branch.
        known: what earlier runs learnt of its pull requests, by number.
        has_branching_rules: whether a rule applies to branches by the branching model.
        merges: pull requests merged into the main branch, by number.
        builds: their build statuses, as far as they are known.
        merge_dates: when they were merged, by their activity, as far as it was looked up; None: it does not say.
        asked_now: those whose build statuses this run asked for.
        looked_up_now: those that this run looked up.
        not_looked_up: those of them where that failed.
    """

    repository_id: str
    slug: str
    main_branch: str | None
    non_production: bool
    has_project_evidence: bool = False
    outcomes: dict[str, str] = field(default_factory=dict)
    not_peers: frozenset[str] = frozenset()
    former_main_branches: list[tuple[str | None, datetime | None, datetime]] = field(default_factory=list)
    known: dict[int, Known] = field(default_factory=dict)
    has_branching_rules: bool = False
    merges: dict[int, Merge] = field(default_factory=dict)
    builds: dict[int, list[Body]] = field(default_factory=dict)
    merge_dates: dict[int, datetime | None] = field(default_factory=dict)
    asked_now: set[int] = field(default_factory=set)
    looked_up_now: set[int] = field(default_factory=set)
    not_looked_up: set[int] = field(default_factory=set)
    open_calls: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether no call failed and every answer was whole: otherwise the repository is due again at once."""
        failed = any(
            outcome == FAILED or (outcome == NOT_FOUND and not BY_NAME[name].may_be_absent)
            for name, outcome in self.outcomes.items()
        )
        unread = any(merge.approvals is None for merge in self.merges.values())
        return not (failed or unread or self.not_looked_up)

    def remember(self, resource: str, bodies: Iterable[Body]) -> None:
        """Take in what a call brought.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: a body isn't what Bitbucket promises.
        """
        if resource == BRANCH_RESTRICTIONS.name:
            self.has_branching_rules |= any(_applies_by_branching_model(body) for body in bodies)
        elif resource == PULL_REQUESTS.name:
            self._remember_merges(bodies)
        elif resource in DETAILS:
            self.remember_details(resource, bodies, is_of_this_run=True)

    def remember_details(self, resource: str, bodies: Iterable[Body], *, is_of_this_run: bool) -> None:
        """Take in what this or an earlier run asked of single merges; raises as ``remember``."""
        for body in bodies:
            number, values = int(body["pull_request_id"]), list(body["values"])
            if resource == PULL_REQUEST_ACTIVITY.name:
                self.merge_dates[number] = merge_date(values)
            else:
                self.builds[number] = values
            if is_of_this_run:
                self.asked_in_this_run(resource).add(number)

    def asked_in_this_run(self, resource: str) -> set[int]:
        """The merges of which this run asked for a detail."""
        return self.looked_up_now if resource == PULL_REQUEST_ACTIVITY.name else self.asked_now

    def note_failure(self, resource: str, item: str) -> None:
        """Note that a detail of one merge could not be read; that of the others may be."""
        if resource == PULL_REQUEST_ACTIVITY.name:
            self.looked_up_now.add(int(item))
            self.not_looked_up.add(int(item))

    def _remember_merges(self, bodies: Iterable[Body]) -> None:
        for body in bodies:
            merge = merge_of(body, self.known.get(int(body["id"])), self.not_peers)
            branch = ((body.get("destination") or {}).get("branch") or {}).get("name")
            if merge is not None and self._was_main_branch(branch, merge.merged_on):
                self.merges[merge.number] = merge

    def _was_main_branch(self, branch: str | None, at: datetime) -> bool:
        return branch == self.main_branch or any(
            branch == name and (since is None or since <= at) and at < until
            for name, since, until in self.former_main_branches
        )

    def merged_since(self, window_start: datetime) -> list[Merge]:
        """The merges of the window, the newest first; those too that may have been merged before it."""
        dated = [
            replace(merge, merged_on=date, merged_after=date) if (date := self.merge_dates.get(number)) else merge
            for number, merge in self.merges.items()
        ]
        in_window = [merge for merge in dated if merge.merged_on >= window_start]
        return sorted(in_window, key=lambda merge: merge.place, reverse=True)


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
        """The newest sampled pull request whose builds are not known, unless a newer one broke the rule already.

        Then those, as many at most as a sample has, that would be in the sample if they were merged in the window.
        """
        if not self._behaviour_decides(PULL_REQUEST_STATUSES, repository):
            return None
        sample = self._sample(repository)
        for merge in sample:
            if self._is_to_be_asked(merge, repository):
                return str(merge.number)
            if self._builds(merge, repository) == "broken":
                return None
        size = self._run.policy.thresholds.behaviour_sample
        oldest = sample[-1].place if len(sample) == size else None
        uncertain = [one for one in self._uncertain(repository) if oldest is None or one.place > oldest]
        asked = sum(one.number in repository.asked_now for one in uncertain)
        wanted = [one for one in uncertain if self._is_to_be_asked(one, repository)]
        return str(wanted[0].number) if wanted and asked < size else None

    def activity(self, repository: Repository) -> str | None:
        """The newest merge to look up: it may have been merged before the window, and that makes a difference."""
        looked_up = repository.looked_up_now
        if len(looked_up) >= MOST_LOOKED_UP or not self._may_ask(PULL_REQUEST_ACTIVITY, repository):
            return None
        seen = looked_up | repository.merge_dates.keys()
        unknown = [one for one in self._uncertain(repository) if one.number not in seen]
        least = self._run.policy.thresholds["min_approvals"]
        may_break = [
            one for one in unknown if (one.approvals or 0) < least or self._builds(one, repository) == "broken"
        ]
        wanted = may_break or (unknown if self._clean_record_rests_on(unknown, repository) else [])
        return str(wanted[0].number) if wanted else None

    def _clean_record_rests_on(self, unknown: list[Merge], repository: Repository) -> bool:
        """Whether behaviour decides, and only with some of these there are enough merges to judge by."""
        enough = self._run.policy.thresholds.behaviour_min_sample
        certain = len(self._certain(repository))
        return self._behaviour_decides(PULL_REQUEST_ACTIVITY, repository) and certain < enough <= certain + len(unknown)

    def _uncertain(self, repository: Repository) -> list[Merge]:
        since = self._run.window_start
        return [merge for merge in repository.merged_since(since) if not merge.is_certain(since)]

    def _sample(self, repository: Repository) -> list[Merge]:
        return self._certain(repository)[: self._run.policy.thresholds.behaviour_sample]

    def _certain(self, repository: Repository) -> list[Merge]:
        """The merges of the window, the newest first, without those whose builds are under way."""
        since = self._run.window_start
        return [
            merge
            for merge in repository.merged_since(since)
            if merge.is_certain(since)
            and (self._builds(merge, repository) != "under_way" or merge.number not in repository.asked_now)
        ]

    def _is_to_be_asked(self, merge: Merge, repository: Repository) -> bool:
        """Whether its builds are not known, or were under way when an earlier run asked."""
        state = self._builds(merge, repository)
        return state is None or (state == "under_way" and merge.number not in repository.asked_now)

    def _builds(self, merge: Merge, repository: Repository) -> BuildState | None:
        """None: they are not known."""
        statuses = repository.builds.get(merge.number)
        if statuses is None:
            return None
        least = self._run.policy.thresholds["min_passing_builds"]
        return build_state(statuses, merge.merged_on, least, self._run.started_at)

    def _may_ask(self, resource: Resource, repository: Repository) -> bool:
        """Whether a detail of merges may be asked for: they could be listed, and it was never refused."""
        outcomes = repository.outcomes
        return (
            not repository.non_production
            and bool(repository.main_branch)
            and outcomes.get(PULL_REQUESTS.name) == OK
            and outcomes.get(resource.name, OK) in _MAY_GO_ON[resource.name]
        )

    def _behaviour_decides(self, resource: Resource, repository: Repository) -> bool:
        """Whether the configuration can't be read, or evidence about the project may stand in for it."""
        undecided = (SCOPE_MISSING, PERMISSION_MISSING, *([OK] if repository.has_project_evidence else []))
        configuration = self._stands_in_for.get(resource.name, [])
        return self._may_ask(resource, repository) and (
            not configuration or any(repository.outcomes.get(name) in undecided for name in configuration)
        )


# After which outcome the next merge may be asked for.
_MAY_GO_ON = {
    PULL_REQUEST_STATUSES.name: (OK,),
    PULL_REQUEST_ACTIVITY.name: (OK, FAILED, NOT_FOUND),
}
#: For each resource on demand: the item to ask for next ("" where it has none), None where nothing is left to ask.
_NEXT_ITEM: Mapping[str, Callable[[Needs, Repository], str | None]] = {
    BRANCHING_MODEL.name: Needs.branching_model,
    PULL_REQUEST_STATUSES.name: Needs.statuses,
    PULL_REQUEST_ACTIVITY.name: Needs.activity,
}


def _applies_by_branching_model(restriction: Body) -> bool:
    return restriction.get("branch_match_kind") == "branching_model" and restriction.get("kind") in _PROTECTING_KINDS
