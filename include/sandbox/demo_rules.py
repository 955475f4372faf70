"""Branch restrictions and branching models of the demo, by name.

Each entry of :data:`RULES` is one way in which a team sets up its branches; the comment says what a
judge should make of it for a default branch called ``main``.
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


def _protect(rules: Rules, pattern: str) -> Rules:
    return rules.glob(pattern, *PROTECTION)


def _checks(rules: Rules, pattern: str, *, enforce: bool = True) -> Rules:
    rules.glob(pattern, BUILDS, value=1).glob(pattern, APPROVALS, value=2)
    return rules.glob(pattern, ENFORCE) if enforce else rules


def _all(pattern: str) -> Writer:
    return lambda rules, accounts: _checks(_protect(rules, pattern), pattern)


def _all_of_model(branch_type: str) -> Writer:
    def write(rules: Rules, accounts: Accounts) -> None:
        rules.model(branch_type, *PROTECTION, ENFORCE)
        rules.model(branch_type, BUILDS, value=1).model(branch_type, DEFAULT_REVIEWERS, value=1)

    return write


def _enforced(rules: Rules, accounts: Accounts) -> None:
    rules.glob("main", "push", users=[accounts["ada-lindqvist"]], groups=["release-managers"])
    _checks(rules.glob("main", "force", "delete"), "main")
    _protect(rules, "release/*")


def _advisory(rules: Rules, accounts: Accounts) -> None:
    _checks(_protect(rules, "main"), "main", enforce=False)


def _advisory_elsewhere(rules: Rules, accounts: Accounts) -> None:
    _checks(_protect(rules, "main"), "main", enforce=False).glob("develop", ENFORCE)


def _no_delete(rules: Rules, accounts: Accounts) -> None:
    rules.glob("main", "push", "force", ENFORCE).glob("main", BUILDS, value=2).glob("main", DEFAULT_REVIEWERS, value=1)


def _builds_only(rules: Rules, accounts: Accounts) -> None:
    _protect(rules, "main").glob("main", BUILDS, value=1).glob("main", ENFORCE)


def _review_only(rules: Rules, accounts: Accounts) -> None:
    rules.glob("main", "push", ENFORCE).glob("main", APPROVALS, value=1)


def _review_group(rules: Rules, accounts: Accounts) -> None:
    _protect(rules, "main").glob("main", ENFORCE).glob("main", REVIEW_GROUP, value=1)


def _value_zero(rules: Rules, accounts: Accounts) -> None:
    _protect(rules, "main").glob("main", ENFORCE).glob("main", BUILDS, APPROVALS, value=0)


def _unknown_kinds(rules: Rules, accounts: Accounts) -> None:
    _enforced(rules, accounts)
    rules.glob("main", "require_signed_commits", "require_two_lucky_stars", value=7)


def _literal_glob(rules: Rules, accounts: Accounts) -> None:
    for pattern in ("ma.n", "m[a]in", "mai?", "MAIN", "mainline", "(main)"):
        _checks(_protect(rules, pattern), pattern)


RULES: dict[str, Writer] = {
    "enforced": _enforced,  # 4, 5 and 6 pass
    "enforced_everywhere": _all("*"),  # pass
    "enforced_release": _all("release/*"),  # pass for release/2026/main: * matches / too
    "model_production": _all_of_model("production"),  # passes where production is the default branch
    "model_development": _all_of_model("development"),  # passes where development uses the main branch
    "model_release": _all_of_model("release"),  # passes for release/current where the prefix is release/
    "advisory": _advisory,  # 4 and 5 advisory_only, 6 passes
    "advisory_elsewhere": _advisory_elsewhere,  # the same: what is enforced is another branch
    "no_delete": _no_delete,  # 4 and 5 pass, 6 misses delete
    "builds_only": _builds_only,  # 4 and 6 pass, 5 no_matching_rule
    "review_only": _review_only,  # 5 passes, 4 no_matching_rule, 6 misses force and delete
    "review_group": _review_group,  # 5 and 6 pass, 4 no_matching_rule
    "value_zero": _value_zero,  # 4 and 5 no_matching_rule: zero asks for nothing
    "unknown_kinds": _unknown_kinds,  # pass, with kinds that nobody knows yet
    "literal_glob": _literal_glob,  # nothing matches: only * is special
    "other_branches": _all("feature/*"),  # nothing matches
    "none": lambda rules, accounts: None,  # nothing there
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
