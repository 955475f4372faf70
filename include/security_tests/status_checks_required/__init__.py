"""Merging of code changes should require passing status-checks."""

from include.security_tests.model import (
    EXTRACT_FAILED,
    NO_MAIN_BRANCH,
    NON_PRODUCTION,
    NOT_READ_YET,
    PERMISSION_MISSING,
    SCOPE_MISSING,
    Reason,
    SecurityTest,
)

TEST = SecurityTest(
    test_id="status_checks_required",
    title="Merging of code changes should require passing status-checks",
    severity="high",
    subject_type="repository",
    order=4,
    description="Nothing is merged into the main branch without passing builds.",
    bases={
        "configuration": ("branch_restrictions", "effective_branching_model"),
        "behaviour": ("pull_requests", "pull_request_statuses"),
    },
    reasons={
        "rule_enforced": Reason("passing"),
        "merges_had_passing_builds": Reason("passing"),
        "advisory_only": Reason(
            "failing",
            'Switch on "Prevent a merge with unresolved merge checks" for the main branch '
            "(Repository settings → Branch restrictions; Premium).",
        ),
        "no_matching_rule": Reason(
            "failing",
            "Require passing builds for the main branch (Repository settings → Branch restrictions → Merge checks).",
        ),
        "merged_without_passing_build": Reason(
            "failing",
            "Require passing builds for the main branch and enforce the merge checks; "
            "review the pull request named in the reason.",
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
)
