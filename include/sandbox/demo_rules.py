"""Branch restrictions and branching models of the demo, by name.

Each entry of :data:`RULES` is one way in which a team sets up its branches; the comment above it says what
a judge should make of it for a default branch called ``main``.
"""

from __future__ import annotations

from collections.abc import Callable

from sandbox.build import Rules
from sandbox.model import Account, BranchingModel, ModelBranch

Accounts = dict[str, Account]
Writer = Callable[[Rules, Accounts], object]
BUILDS, APPROVALS, ENFORCE = (
    "require_passing_builds_to_merge",
    "require_approvals_to_merge",
    "enforce_merge_checks",
)
DEFAULT_REVIEWERS = "require_default_reviewer_approvals_to_merge"
REVIEW_GROUP = "require_review_group_approvals_to_merge"
PROTECTION = ("push", "force", "delete")


def _protect(rules: Rules, pattern: str = "main") -> Rules:
    return rules.glob(pattern, *PROTECTION)


def _checks(rules: Rules, pattern: str = "main") -> Rules:
    return rules.glob(pattern, BUILDS, value=1).glob(pattern, APPROVALS, value=2)


def _all(pattern: str) -> Writer:
    return lambda rules, _: _checks(_protect(rules, pattern), pattern).glob(pattern, ENFORCE)


def _all_of_model(branch_type: str) -> Writer:
    def write(rules: Rules, accounts: Accounts) -> None:
        rules.model(branch_type, *PROTECTION, ENFORCE)
        rules.model(branch_type, BUILDS, value=1).model(branch_type, DEFAULT_REVIEWERS, value=1)

    return write


def _enforced(rules: Rules, accounts: Accounts) -> None:
    rules.glob("main", "push", users=[accounts["ada-lindqvist"]], groups=["release-managers"])
    _checks(rules.glob("main", "force", "delete")).glob("main", ENFORCE)
    _protect(rules, "release/*")


def _unknown_kinds(rules: Rules, accounts: Accounts) -> None:
    _enforced(rules, accounts)
    rules.glob("main", "require_signed_commits", "require_two_lucky_stars", value=7)


def _literal_glob(rules: Rules, accounts: Accounts) -> None:
    for pattern in ("ma.n", "m[a]in", "mai?", "MAIN", "mainline", "(main)"):
        _all(pattern)(rules, accounts)


RULES: dict[str, Writer] = {
    # 4, 5 and 6 pass
    "enforced": _enforced,
    # pass
    "enforced_everywhere": _all("*"),
    # pass for release/2026/main: * matches / too
    "enforced_release": _all("release/*"),
    # passes where production is the default branch
    "model_production": _all_of_model("production"),
    # passes where development uses the main branch
    "model_development": _all_of_model("development"),
    # passes for release/current where the prefix is release/
    "model_release": _all_of_model("release"),
    # 4 and 5 advisory_only, 6 passes
    "advisory": lambda rules, _: _checks(_protect(rules)),
    # the same: what is enforced is another branch
    "advisory_elsewhere": lambda rules, _: _checks(_protect(rules)).glob("develop", ENFORCE),
    # 4 and 5 pass, 6 misses delete
    "no_delete": lambda rules, _: (
        rules.glob("main", "push", "force", ENFORCE)
        .glob("main", BUILDS, value=2)
        .glob("main", DEFAULT_REVIEWERS, value=1)
    ),
    # 4 and 6 pass, 5 no_matching_rule
    "builds_only": lambda rules, _: _protect(rules).glob("main", BUILDS, value=1).glob("main", ENFORCE),
    # 5 passes, 4 no_matching_rule, 6 misses force and delete
    "review_only": lambda rules, _: rules.glob("main", "push", ENFORCE).glob("main", APPROVALS, value=1),
    # 5 and 6 pass, 4 no_matching_rule
    "review_group": lambda rules, _: _protect(rules).glob("main", ENFORCE).glob("main", REVIEW_GROUP, value=1),
    # 4 and 5 no_matching_rule: zero asks for nothing
    "value_zero": lambda rules, _: _protect(rules).glob("main", ENFORCE).glob("main", BUILDS, APPROVALS, value=0),
    # pass, with kinds that nobody knows yet
    "unknown_kinds": _unknown_kinds,
    # nothing matches: only * is special
    "literal_glob": _literal_glob,
    # nothing matches
    "other_branches": _all("feature/*"),
    # what a project hands down: 4 and 5 pass, by an open pull request alone
    "merge_checks": lambda rules, _: _checks(rules).glob("main", ENFORCE),
    # nothing there
    "none": lambda rules, _: None,
}

_PREFIXES = {"feature": "feature/", "bugfix": "bugfix/", "release": "release/", "hotfix": "hotfix/"}
MODELS: dict[str, Callable[[], BranchingModel]] = {
    "plain": lambda: BranchingModel(ModelBranch("main", use_mainbranch=True)),
    "production_is_main": lambda: BranchingModel(ModelBranch("develop"), ModelBranch("main"), dict(_PREFIXES)),
    "production_is_live": lambda: BranchingModel(
        ModelBranch("main", use_mainbranch=True), ModelBranch("live"), dict(_PREFIXES)
    ),
    "prefixes": lambda: BranchingModel(ModelBranch("develop"), None, dict(_PREFIXES)),
}
