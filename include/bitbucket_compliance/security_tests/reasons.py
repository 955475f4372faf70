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
        "The connection was not granted the scope that reading takes, and nothing else decides.",
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
        "Run again; if the call keeps failing, open the repository in Bitbucket with the connection's identity "
        "and look at the call named in the reason.",
    ),
    "not_read_yet": Reason(
        "pending",
        None,
        "The repository was never read, or too long ago, because the hour's requests were used up.",
        "Wait for the next run: the hour's requests were used up. Where it stays so, the workspace is too large for "
        "its budget; compliance.runs.plan says by how much.",
    ),
    "non_production": Reason("not_applicable", "registry", "The repository is declared non-production."),
}
RULES_NO_LONGER_READABLE = Reason(
    "pending",
    None,
    "The configuration can't be read any more, and failed the test when it last was; nothing since proves otherwise.",
    "Let it be read again: open a pull request into the main branch (for rules about merging), grant the scope, or "
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
        "Run again; the members could not be found by e-mail in this run.",
    ),
    "scope_missing": Reason(
        "pending",
        None,
        "Members can't be found by e-mail address for want of the scope account.",
        "Grant the connection the scope account, then run again.",
    ),
    "permission_missing": Reason(
        "pending",
        None,
        "Members can't be found by e-mail address: the identity is no workspace administrator.",
        "Let a workspace administrator grant the connection: only then Bitbucket finds members by e-mail.",
    ),
}

# Of tests of what is merged into main branches.
EVIDENCE_ACCEPTED = Reason(
    "passing", "evidence", "Accepted evidence within its validity shows it, and no behaviour contradicts it."
)
MERGES_UNDECIDED = Reason(
    "pending",
    None,
    "Of a merge in the window it can't be told whether it kept the rule, and none is known to have broken it.",
    "Look at the pull requests named in the reason. An approval of a deleted account stays unknown until the merge "
    "leaves the window; when an old pull request was merged is looked up in the next runs, five a repository and run. "
    "Grant repository:admin to read the rules, or submit evidence.",
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
        f"The merge checks of an open pull request into the main branch require {required}, and are enforced; its "
        "project's rules are among them.",
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
        f"No rule of the repository requires enough {required} to merge into the main branch, nor do the merge checks "
        "of an open pull request where one was seen.",
        "Open Repository settings → Branch restrictions, add or edit the rule of the main branch, and under Merge "
        f"checks set the minimum number of {setting}, then prevent merges with unresolved checks (Bitbucket Premium). "
        "Where the project has such a rule, submit evidence about the project.",
        calls,
    )
