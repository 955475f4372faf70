"""Code changes should be reviewed by peers before merging."""

from include.security_tests.model import (
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
)

TEST = SecurityTest(
    test_id="peer_review_required",
    title="Code changes should be reviewed by peers before merging",
    severity="high",
    subject_type="repository",
    order=5,
    description="Nothing is merged into the main branch without the approval of somebody other than its author.",
    bases={
        "configuration": ("branch_restrictions", "effective_branching_model"),
        "behaviour": ("pull_requests",),
    },
    reasons={
        "evidence_accepted": Reason("passing"),
        "rule_enforced": Reason("passing"),
        "merges_had_peer_approval": Reason("passing"),
        "advisory_only": Reason(
            "failing",
            'Switch on "Prevent a merge with unresolved merge checks" for the main branch '
            "(Repository settings → Branch restrictions; Premium).",
        ),
        "no_matching_rule": Reason(
            "failing",
            "Require approvals for the main branch (Repository settings → Branch restrictions → Merge checks).",
        ),
        "merged_without_peer_approval": Reason(
            "failing",
            "Require approvals for the main branch and enforce the merge checks; "
            "review the pull requests named in the reason.",
        ),
        "too_few_merges": Reason(
            "pending",
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
        Control(CIS_SSC, "1.1.3", "supporting", "asks for two approvers; numbers.min_approvals is 1 by default"),
        *controls(OSPS, "OSPS-QA-07"),
    ),
    cannot_see=(
        "Rules that a project hands down: no public endpoint shows them; evidence about the project can.",
        "How thorough a review was, and whether the approval came before the last commit.",
        "Commits pushed to the main branch without a pull request; whether that is possible is in the detail.",
    ),
)
