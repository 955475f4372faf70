"""Which calls a repository needs: those that every repository needs, and those that their results ask for."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from bitbucket_compliance.pipeline.extract.fetch import Call
from bitbucket_compliance.pipeline.extract.landing.results import (
    FAILED,
    NOT_FOUND,
    OK,
    PERMISSION_MISSING,
    SCOPE_MISSING,
)
from bitbucket_compliance.pipeline.extract.repositories.merge_rules import Check, MergeRules, Satisfied, checks_of
from bitbucket_compliance.pipeline.extract.repositories.merges import DETAILS, Merges, NextMerge
from bitbucket_compliance.pipeline.extract.selection import (
    configuration_of,
    merge_rules,
    read_of_repositories,
    tests_that_fall_back_on,
)
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.resources.catalogue import (
    BRANCH_RESTRICTIONS,
    BRANCHING_MODEL,
    BY_NAME,
    DEFAULT_REVIEWERS,
    MAIN_BRANCH_REF,
    MERGE_CHECKS,
    PULL_REQUEST_ACTIVITY,
    PULL_REQUEST_STATUSES,
    PULL_REQUESTS,
)
from bitbucket_compliance.resources.model import Body, Resource
from bitbucket_compliance.security_tests import CATALOGUE

#: What has to be remembered of the calls so far, beside their outcomes, to know which others are needed.
REMEMBERED = (
    BRANCH_RESTRICTIONS.name,
    BRANCHING_MODEL.name,
    PULL_REQUESTS.name,
    DEFAULT_REVIEWERS.name,
    MERGE_CHECKS.name,
)

ASKED = "asked"  # stands for an outcome while the call is under way

# The kinds of restriction that a rule or the inventory looks at, beside those that a policy requires: only for these a
# branching model is worth a request.
_PROTECTING_KINDS = frozenset(("push", "force", "delete", "enforce_merge_checks")).union(
    *(test.merge_rule.kinds for test in CATALOGUE if test.merge_rule)
)


UNREADABLE = (SCOPE_MISSING, PERMISSION_MISSING)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Item(NamedTuple):
    """What a call on demand is about: the item that tells it from others of its resource, and the rest of its path."""

    key: str = ""
    path: Mapping[str, str] = {}


class OpenPullRequest(NamedTuple):
    """One into the main branch. The greatest is the one to ask about: no draft, the newest."""

    is_no_draft: bool
    created_on: datetime
    number: int


@dataclass
class Repository:
    """What is known of one repository while its chunk is read: no more than decides what else to ask.

    Attributes:
        is_first_reading: whether its list of merged pull requests reaches back as far as the population of changes.
        is_without_content: whether Bitbucket says that its size is nothing.
        protecting_kinds: the kinds of restriction that something looks at.
        has_project_evidence: whether people's evidence about its project may stand in for its rules.
        remembered_checks: the merge checks that were seen last, as long as they decide where none can be seen now.
        remembered_checks_suffice: whether they decide until the next run, and own rules that were read since did not
            fall short; else merges may be what decides.
        outcomes: of the calls so far, by resource.
        has_branching_rules: whether a rule applies to branches by the branching model.
        rules: what it requires before a merge, by its own rules and by a pull request.
        default_reviewers: how many there are whose approvals count; None: that was not asked.
        open: pull requests into the main branch.
        merges: what was merged into the main branch.
        has_incomplete_listing: whether a listing of it may lack objects.
    """

    repository_id: str
    slug: str
    main_branch: str | None
    non_production: bool
    protecting_kinds: frozenset[str] = _PROTECTING_KINDS
    is_first_reading: bool = False
    is_without_content: bool = False
    has_project_evidence: bool = False
    remembered_checks: list[Check] | None = None
    remembered_checks_suffice: bool = False
    outcomes: dict[str, str] = field(default_factory=dict)
    has_branching_rules: bool = False
    rules: MergeRules = field(default_factory=MergeRules)
    default_reviewers: int | None = None
    open: list[OpenPullRequest] = field(default_factory=list)
    merges: Merges = field(init=False)
    open_calls: int = 0
    has_incomplete_listing: bool = False

    def __post_init__(self) -> None:
        self.merges = Merges(self.main_branch)

    @property
    def is_complete(self) -> bool:
        """Whether no call failed and every answer was whole: otherwise the repository is due again at once."""
        whole = self.merges.are_whole and not self.has_incomplete_listing
        return whole and not any(
            outcome == FAILED or (outcome == NOT_FOUND and not BY_NAME[name].may_be_absent)
            for name, outcome in self.outcomes.items()
            if not BY_NAME[name].may_be_unread
        )

    def is_under_way(self, *resources: Resource) -> bool:
        """Whether one of these was asked for and has not answered yet."""
        return any(self.outcomes.get(one.name) == ASKED for one in resources)

    @property
    def own_rules_unreadable(self) -> bool:
        """Whether the grant, or the identity's rights, keep its own rules from being read."""
        model = self.outcomes.get(BRANCHING_MODEL.name) if self.has_branching_rules else None
        return self.outcomes.get(BRANCH_RESTRICTIONS.name) in UNREADABLE or model in UNREADABLE

    @property
    def own_rules_read(self) -> bool:
        """Whether they could be read, as far as it goes."""
        return self.outcomes.get(BRANCH_RESTRICTIONS.name) == OK and not self.own_rules_unreadable

    def remember(self, resource: str, bodies: Iterable[Body]) -> None:
        """Take in what a call brought.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: a body isn't what Bitbucket promises.
        """
        bodies = list(bodies)
        if resource == BRANCH_RESTRICTIONS.name:
            looked_at = [body for body in bodies if body.get("kind") in self.protecting_kinds]
            self.has_branching_rules |= any(body.get("branch_match_kind") == "branching_model" for body in looked_at)
            self.rules.restrictions += looked_at
        elif resource == BRANCHING_MODEL.name:
            self.rules.branching_model = bodies[0] if bodies else None
        elif resource == PULL_REQUESTS.name:
            self.merges.remember(bodies)
            self.open += [opened for body in bodies if (opened := self._open(body)) is not None]
        elif resource == DEFAULT_REVIEWERS.name:
            users = (one.get("user") for body in bodies for one in body["values"])
            self.default_reviewers = sum(_is_peer(user, self.merges.not_peers) for user in users)
        elif resource == MERGE_CHECKS.name:
            self.rules.checks = [check for body in bodies for check in checks_of(body["values"])]
        elif resource in DETAILS:
            self.merges.remember_details(resource, bodies)

    def _open(self, body: Body) -> OpenPullRequest | None:
        if body.get("state") != "OPEN" or not self._is_into_main_branch(body):
            return None
        created_on = datetime.fromisoformat(body["created_on"]) if body.get("created_on") else _LONG_AGO
        return OpenPullRequest(not body.get("draft"), created_on, int(body["id"]))

    def _is_into_main_branch(self, body: Body) -> bool:
        branch = (body.get("destination") or {}).get("branch") or {}
        return bool(branch.get("name") == self.main_branch)


class Needs:
    """Which calls the repositories of a run need, by its policy."""

    def __init__(self, run: Run):
        self._run = run
        self.protecting_kinds = _PROTECTING_KINDS | set(run.policy.thresholds["required_protections"])
        self._merge_rules = merge_rules(run.policy)
        of_repositories = read_of_repositories(run.policy)
        self._always = [resource for resource in of_repositories if not resource.on_demand]
        self._on_demand = [resource for resource in of_repositories if resource.on_demand]
        self._stands_in_for = {
            resource.name: [one.name for one in configuration_of(tests_that_fall_back_on(resource, run.policy))]
            for resource in self._on_demand
        }
        self._rules_behind = {
            resource.name: [
                rule
                for rule in self._merge_rules
                if rule[0] in [test.merge_rule for test in tests_that_fall_back_on(resource, run.policy)]
            ]
            for resource in self._on_demand
        }

    def first_calls(self, repository: Repository) -> Iterator[Call]:
        """What is asked of every repository, as far as it was not asked before."""
        for resource in self._always:
            if resource.name not in repository.outcomes:
                # the population of changes reaches back once
                since = self._run.population_start if repository.is_first_reading else self._run.window_start
                query = resource.query(since) if resource.query else None
                yield self._call(resource, repository, params=query)

    def next_calls(self, repository: Repository) -> Iterator[Call]:
        """What the results so far ask for; notes that it is under way."""
        for resource in self._on_demand:
            item = _NEXT_ITEM[resource.name](self, repository)
            if item is not None:
                repository.outcomes[resource.name] = ASKED
                yield self._call(resource, repository, item)

    def _call(
        self,
        resource: Resource,
        repository: Repository,
        item: Item = Item(),  # noqa: B008 - a tuple
        params: Mapping[str, object] | None = None,
    ) -> Call:
        # By uuid, which Bitbucket takes in the slug's place: the slug may be another repository's by now.
        path = {"workspace": self._run.workspace, "repo_slug": repository.repository_id, **item.path}
        return Call(resource, path, repository.repository_id, item.key, params, slug=repository.slug)

    def branching_model(self, repository: Repository) -> Item | None:
        """Once, where a rule applies by it."""
        is_needed = repository.has_branching_rules and repository.main_branch is not None
        return Item() if is_needed and BRANCHING_MODEL.name not in repository.outcomes else None

    def main_branch_ref(self, repository: Repository) -> Item | None:
        """Once, where the repository has no content."""
        is_needed = repository.is_without_content and repository.main_branch and not repository.non_production
        if not is_needed or MAIN_BRANCH_REF.name in repository.outcomes:
            return None
        return Item(path={"name": repository.main_branch or ""})

    def default_reviewers(self, repository: Repository) -> Item | None:
        """Once, where a test is satisfied by their approvals alone, as far as is known."""
        if DEFAULT_REVIEWERS.name in repository.outcomes or not self._may_ask_for_rules(repository):
            return None
        alone = "by_default_reviewers"
        return Item() if alone in {*self._by_own_rules(repository), *self._by_checks(repository)} else None

    def merge_checks(self, repository: Repository) -> Item | None:
        """Once, of the newest open pull request that is no draft, or else of the newest draft.

        Where own rules can't be read, or don't satisfy every test; default reviewers satisfy where there are any.
        """
        if MERGE_CHECKS.name in repository.outcomes or not self._may_ask_for_rules(repository):
            return None
        if repository.is_under_way(DEFAULT_REVIEWERS) or not repository.open:
            return None
        enough = {"yes", *(["by_default_reviewers"] if repository.default_reviewers != 0 else [])}
        if repository.own_rules_read and enough.issuperset(self._by_own_rules(repository)):
            return None
        return Item(path={"pull_request_id": str(max(repository.open).number)})

    def _may_ask_for_rules(self, repository: Repository) -> bool:
        """Whether all is known of its own rules that can be known, and more may be worth a request."""
        return (
            bool(repository.main_branch and self._merge_rules)
            and not repository.non_production
            and (repository.own_rules_read or repository.own_rules_unreadable)
            and repository.outcomes.get(PULL_REQUESTS.name, ASKED) != ASKED
            and not repository.is_under_way(BRANCHING_MODEL)
        )

    def _by_own_rules(self, repository: Repository) -> list[Satisfied]:
        """How own rules satisfy each test."""
        main_branch = repository.main_branch or ""
        return [repository.rules.by_own_rules(*rule, main_branch) for rule in self._merge_rules]

    def _by_checks(self, repository: Repository) -> list[Satisfied]:
        """How the checks of a pull request satisfy each test that own rules don't."""
        checks = repository.rules.checks
        seen = MergeRules(checks=repository.remembered_checks if checks is None else checks)
        own = self._by_own_rules(repository) if repository.own_rules_read else ["no"] * len(self._merge_rules)
        return [seen.by_checks(*rule) for rule, by_own in zip(self._merge_rules, own, strict=True) if by_own != "yes"]

    def statuses(self, repository: Repository) -> Item | None:
        """The next merge whose builds decide something."""
        if repository.outcomes.get(PULL_REQUEST_STATUSES.name, OK) != OK:
            return None
        if not self._behaviour_decides(PULL_REQUEST_STATUSES, repository):
            return None
        return _of_pull_request(NextMerge(self._run, repository.merges).to_ask_for_builds())

    def activity(self, repository: Repository) -> Item | None:
        """The next merge of which it makes a difference when it was merged; one that is not found spares the others.

        Whether a rule in force was bypassed is a question too, so it is asked also where the configuration decides.
        """
        outcome = repository.outcomes.get(PULL_REQUEST_ACTIVITY.name, OK)
        if outcome not in (OK, FAILED, NOT_FOUND) or not self._merges_may_matter(repository):
            return None
        decides = self._behaviour_decides(PULL_REQUEST_ACTIVITY, repository)
        return _of_pull_request(NextMerge(self._run, repository.merges).to_look_up(behaviour_decides=decides))

    def _merges_may_matter(self, repository: Repository) -> bool:
        return (
            not repository.non_production
            and bool(repository.main_branch)
            and repository.outcomes.get(PULL_REQUESTS.name) == OK
        )

    def _behaviour_decides(self, resource: Resource, repository: Repository) -> bool:
        """Builds and dates show behaviour: they decide only where the configuration can't be read, neither by rules nor
        by the checks of a pull request, or where evidence about the project may stand in for it.
        """
        if not self._merges_may_matter(repository) or repository.outcomes.get(MERGE_CHECKS.name) == OK:
            return False
        if repository.is_under_way(BRANCHING_MODEL, DEFAULT_REVIEWERS, MERGE_CHECKS):
            return False
        if not self._stands_in_for[resource.name]:
            return True
        if repository.own_rules_unreadable:
            return not repository.remembered_checks_suffice
        if not (repository.own_rules_read and repository.has_project_evidence):
            return False
        return any(
            repository.rules.by_own_rules(rule, at_least, repository.main_branch or "") != "yes"
            for rule, at_least in self._rules_behind[resource.name]
        )


#: For each resource on demand: what to ask for next, None where nothing is left to ask.
_NEXT_ITEM: Mapping[str, Callable[[Needs, Repository], Item | None]] = {
    BRANCHING_MODEL.name: Needs.branching_model,
    MAIN_BRANCH_REF.name: Needs.main_branch_ref,
    DEFAULT_REVIEWERS.name: Needs.default_reviewers,
    MERGE_CHECKS.name: Needs.merge_checks,
    PULL_REQUEST_STATUSES.name: Needs.statuses,
    PULL_REQUEST_ACTIVITY.name: Needs.activity,
}


def _of_pull_request(number: int | None) -> Item | None:
    return None if number is None else Item(str(number), {"pull_request_id": str(number)})


def _is_peer(user: Body | None, not_peers: frozenset[str]) -> bool:
    uuid = user and user.get("uuid")
    return bool(user and uuid and user.get("type") != "app_user" and uuid.lower() not in not_peers)
