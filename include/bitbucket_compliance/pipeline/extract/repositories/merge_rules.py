"""Whether what a repository requires before a merge satisfies a test: what decides which other calls it is worth.

Staging and the verdicts read the same rules by SQL; here they only tell what else has to be asked.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from bitbucket_compliance.resources.model import Body
from bitbucket_compliance.resources.shapes import STANDARD_CHECK
from bitbucket_compliance.security_tests.model import MergeRule

ENFORCE = "enforce_merge_checks"

#: by_default_reviewers: it is satisfied by the approvals of default reviewers alone.
Satisfied = Literal["yes", "by_default_reviewers", "no"]


class Check(NamedTuple):
    """A check that a branch restriction stands behind: how much of what it requires, and whether it blocks a merge."""

    kind: str
    requirement: int
    enforced: bool


@dataclass
class MergeRules:
    """What is known of one repository: its own rules, its branching model, the checks of a pull request."""

    restrictions: list[Body] = field(default_factory=list)
    branching_model: Body | None = None
    checks: list[Check] | None = None

    def by_own_rules(self, rule: MergeRule, at_least: int, main_branch: str) -> Satisfied:
        """Whether the repository's own rules do; one whose branching model is not known does not count."""
        matching = [one for one in self.restrictions if self._matches(one, main_branch)]
        if not any(one.get("kind") == ENFORCE for one in matching):
            return "no"
        enough = {str(one.get("kind")) for one in matching if (one.get("value") or 0) >= at_least}
        return _satisfied(rule, {kind for kind in enough if kind in rule.kinds})

    def by_checks(self, rule: MergeRule, at_least: int) -> Satisfied:
        """Whether the checks of the pull request do."""
        enough = {one.kind for one in self.checks or () if one.requirement >= at_least and one.enforced}
        return _satisfied(rule, {kind for kind in enough if re.fullmatch(rule.checks, kind)})

    def _matches(self, restriction: Body, branch: str) -> bool:
        if restriction.get("branch_match_kind") != "branching_model":
            pattern = ".*".join(re.escape(part) for part in str(restriction.get("pattern") or "").split("*"))
            return re.fullmatch(pattern, branch, re.DOTALL) is not None
        model: Mapping[str, Body | list[Body] | None] = self.branching_model or {}
        branch_type = restriction.get("branch_type")
        if branch_type in ("production", "development"):
            side = model.get(branch_type)
            return isinstance(side, dict) and (bool(side.get("use_mainbranch")) or side.get("name") == branch)
        types = model.get("branch_types")
        return any(
            one.get("kind") == branch_type and one.get("prefix") and branch.startswith(one["prefix"])
            for one in (types if isinstance(types, list) else [])
        )


def _satisfied(rule: MergeRule, kinds: set[str]) -> Satisfied:
    if not kinds:
        return "no"
    return "by_default_reviewers" if kinds <= set(rule.by_default_reviewers) else "yes"


def checks_of(answer: Iterable[Mapping[str, Any]]) -> Iterator[Check]:
    """The checks of Bitbucket's answer that a branch restriction stands behind."""
    for one in answer:
        if one["type"] == STANDARD_CHECK:
            kind = one["check"]["kind"]
            by_kind = one.get("requirement")
            requirement = by_kind.get(kind) if isinstance(by_kind, dict) else None
            yield Check(kind, requirement if isinstance(requirement, int) else 0, one.get("required") is True)
