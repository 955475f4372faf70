"""Reasons that several tests give, in words and with a remedy that fit each of them."""

from collections.abc import Mapping
from typing import Any

from bitbucket_compliance.security_tests.model import ApiCall, Reason


def restriction(kind: str, **more: Any) -> ApiCall:
    """Add a branch restriction to the main branch."""
    body = {"kind": kind, "branch_match_kind": "glob", "pattern": "{main_branch}", **more}
    return ApiCall("POST", "/repositories/{workspace}/{repo_slug}/branch-restrictions", body)


#: Of every test that looks into repositories.
OF_REPOSITORIES: Mapping[str, Reason] = {
    "scope_missing": Reason(
        "pending",
        None,
        "The connection lacks the scope that is needed to read the settings, and nothing else decides.",
        "Grant the connection the scope named in the reason (opt in to repository:admin on the OAuth consumer), "
        "or submit accepted evidence.",
    ),
    "permission_missing": Reason(
        "pending",
        None,
        "The connection's identity lacks rights on this repository, and nothing else decides.",
        "Give the connection's identity admin rights on this repository (Repository settings → Repository "
        "permissions), or submit accepted evidence.",
    ),
    "extract_failed": Reason(
        "error",
        None,
        "A call that the verdict needs failed in this run, after all retries; the reason names it.",
        "Run again. If it fails again, sign in to Bitbucket with the account that the connection uses and check "
        "whether it can open what the reason names.",
    ),
    "not_read_yet": Reason(
        "pending",
        None,
        "The repository was never read, or was read too long ago: the hour's requests were used up before its turn.",
        "Wait for the next run, which has requests again. If the reason stays, the workspace needs more requests than "
        "its connection has; the plan on the run's page (compliance.runs.plan) says how many times more.",
    ),
    "non_production": Reason("not_applicable", "registry", "The repository is declared non-production."),
}
RULES_NO_LONGER_READABLE = Reason(
    "pending",
    None,
    "The configuration can't be read any more. When it was last read it failed the test, and nothing since then shows "
    "otherwise.",
    "Make it readable again: open a pull request into the main branch (for rules about merging), grant the scope, or "
    "give the connection's identity admin rights on the repository. Or submit evidence captured after that reading.",
)
#: Of every test of main branches.
OF_MAIN_BRANCHES: Mapping[str, Reason] = {
    **OF_REPOSITORIES,
    "no_main_branch": Reason("not_applicable", None, "The repository has no main branch: there is nothing to protect."),
    "empty_repository": Reason(
        "not_applicable", None, "Nothing was ever pushed to the repository: there is nothing to protect."
    ),
    "rules_no_longer_readable": RULES_NO_LONGER_READABLE,
}
#: Of every test that finds members by their e-mail addresses.
OF_MEMBERS: Mapping[str, Reason] = {
    "extract_failed": Reason(
        "error",
        None,
        "The members could not be found by e-mail address in this run, and nothing else decides.",
        "Run again. Bitbucket did not answer every look-up by e-mail address in this run.",
    ),
    "scope_missing": Reason(
        "pending",
        None,
        "Members can't be found by e-mail address: the connection lacks the scope account.",
        "Grant the connection the scope account, then run again.",
    ),
    "permission_missing": Reason(
        "pending",
        None,
        "Members can't be found by e-mail address: the connection's identity is no workspace administrator.",
        "Let a workspace administrator connect Bitbucket: it looks members up by e-mail address for nobody else.",
    ),
}

# Of tests of what is merged into main branches.
EVIDENCE_ACCEPTED = Reason(
    "passing",
    "evidence",
    "Accepted evidence within its validity shows that the rule is in place, and no merge or push contradicts it.",
)
MERGES_UNDECIDED = Reason(
    "pending",
    None,
    "It is not known of every merge in the window whether it kept the rule; none is known to have broken it.",
    "Look at the pull requests named in the reason. An approval by an account that was deleted since stays unknown "
    "until the merge leaves the window. The next runs look up when old pull requests were merged, five for each "
    "repository in each run. To decide now, grant repository:admin so that the rules can be read, or submit evidence.",
)
TOO_FEW_MERGES = Reason(
    "pending",
    None,
    "The rules can't be read, and too few pull requests were merged in the window to judge by.",
    "Open a pull request into the main branch: its merge checks show what applies. Or grant repository:admin to read "
    "the rules, or submit evidence.",
)


def rule_enforced(required: str) -> Reason:
    """``required``: what the rule asks of a merge, in a word or two."""
    meaning = f"A rule on the main branch requires {required}, and unmet merge checks block the merge."
    return Reason("passing", "configuration", meaning)


def rule_in_effect(required: str) -> Reason:
    """As ``rule_enforced``, where a pull request shows it."""
    return Reason(
        "passing",
        "configuration",
        f"The merge checks of an open pull request into the main branch require {required}, and are enforced. They "
        "include the rules that the repository inherits from its project.",
    )


def advisory_only(required: str) -> Reason:
    """Bitbucket only warns where the rule is not enforced."""
    return Reason(
        "failing",
        "configuration",
        f"A rule asks for {required}, but unmet merge checks only warn.",
        "Open Repository settings → Branch restrictions, edit the rule of the main branch, and switch on "
        '"Prevent a merge with unresolved merge checks" (Bitbucket Premium).',
        (restriction("enforce_merge_checks"),),
    )


def no_matching_rule(required: str, setting: str, calls: tuple[ApiCall, ...]) -> Reason:
    """``setting``: what the number is of that has to be set."""
    return Reason(
        "failing",
        "configuration",
        f"No rule of the repository requires enough {required} to merge into the main branch. Neither do the merge "
        "checks of an open pull request, if one was seen.",
        "Open Repository settings → Branch restrictions, add or edit the rule of the main branch, and under Merge "
        f"checks set the minimum number of {setting}, then prevent merges with unresolved checks (Bitbucket Premium). "
        "If the project has such a rule, submit evidence about the project.",
        calls,
    )
