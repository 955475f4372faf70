"""Code changes should be reviewed by peers before merging."""

from bitbucket_compliance.policy.model import Count, Threshold
from bitbucket_compliance.security_tests.model import (
    CIS_SSC,
    EXTRACT_FAILED,
    ISO_27001,
    NO_MAIN_BRANCH,
    NON_PRODUCTION,
    NOT_READ_YET,
    OSPS,
    PERMISSION_MISSING,
    SCOPE_MISSING,
    SOC_2,
    Control,
    Reason,
    SecurityTest,
    controls,
    restriction,
)

TEST = SecurityTest(
    test_id="peer_review_required",
    title="Code changes should be reviewed by peers before merging",
    severity="high",
    subject_type="repository",
    order=5,
    description="Nothing is merged into the main branch without the approval of somebody other than its author.",
    rationale="Nobody should be able to bring a change into the main branch alone.",
    how_decided=(
        (
            "Decides by configuration: a rule on the main branch that requires approvals (of anybody, of default "
            "reviewers, or of a review group) of at least `min_approvals`, and `enforce_merge_checks` beside it; "
            "without it, `advisory_only`. Merges that had no peer's approval all the same are listed as bypassed."
        ),
        (
            "Decides by behaviour: every pull request merged into the main branch in the window has the approval of "
            "a person who is not its author. One without fails at any sample size; a clean record passes from "
            "`behaviour_min_sample` on."
        ),
    ),
    bases={
        "configuration": ("branch_restrictions", "effective_branching_model"),
        "behaviour": ("pull_requests",),
    },
    reasons={
        "evidence_accepted": Reason(
            "passing", "evidence", "Accepted evidence within its validity shows it, and no behaviour contradicts it."
        ),
        "rule_enforced": Reason(
            "passing",
            "configuration",
            "A rule on the main branch requires approvals, and unmet merge checks block the merge.",
        ),
        "merges_had_peer_approval": Reason(
            "passing",
            "behaviour",
            "The rules can't be read; every merge into the main branch in the window had a peer's approval.",
        ),
        "advisory_only": Reason(
            "failing",
            "configuration",
            "A rule asks for approvals, but unmet merge checks only warn.",
            "Open Repository settings → Branch restrictions, edit the rule of the main branch, and switch on "
            '"Prevent a merge with unresolved merge checks" (Bitbucket Premium).',
            (restriction("enforce_merge_checks"),),
        ),
        "no_matching_rule": Reason(
            "failing",
            "configuration",
            "No rule of the repository requires enough approvals to merge into the main branch.",
            "Open Repository settings → Branch restrictions, add or edit the rule of the main branch, and under "
            "Merge checks set the minimum number of approvals, then prevent merges with unresolved checks "
            "(Bitbucket Premium). Where the project has such a rule, submit evidence about the project.",
            (restriction("require_approvals_to_merge", value="{min_approvals}"), restriction("enforce_merge_checks")),
        ),
        "merged_without_peer_approval": Reason(
            "failing",
            "behaviour",
            "The rules can't be read; a merge into the main branch in the window had no peer's approval.",
            "Review the pull requests named in the reason after the fact. Then require approvals for the main "
            "branch and prevent merges with unresolved checks (Repository settings → Branch restrictions → Merge "
            "checks).",
            (restriction("require_approvals_to_merge", value="{min_approvals}"), restriction("enforce_merge_checks")),
        ),
        "too_few_merges": Reason(
            "pending",
            None,
            "The rules can't be read, and too few pull requests were merged in the window to judge by.",
            "Too few merges to judge by behaviour: grant repository:admin to read the rules, or submit evidence.",
        ),
        "scope_missing": SCOPE_MISSING,
        "permission_missing": PERMISSION_MISSING,
        "extract_failed": EXTRACT_FAILED,
        "not_read_yet": NOT_READ_YET,
        "non_production": NON_PRODUCTION,
        "no_main_branch": NO_MAIN_BRANCH,
    },
    controls=(
        *controls(SOC_2, "CC8.1"),
        *controls(ISO_27001, "A.5.3", "A.8.32"),
        Control(CIS_SSC, "1.1.3", "supporting", "asks for two approvers; thresholds.min_approvals is 1 by default"),
        *controls(OSPS, "OSPS-QA-07"),
    ),
    cannot_see=(
        "Rules that a project hands down: no public endpoint shows them; evidence about the project can.",
        "How thorough a review was, and whether the approval came before the last commit.",
        "Commits pushed to the main branch without a pull request; whether that is possible is in the detail.",
    ),
    thresholds=(
        "min_approvals",
        "behaviour_window_days",
        "behaviour_min_sample",
        "evidence_validity_days",
        "time_zone",
        "max_data_age_hours",
    ),
    own_thresholds=(Threshold("min_approvals", 1, "So many peers must approve before a merge.", Count),),
)
