"""Merging of code changes should require passing status-checks."""

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
    SSDF,
    Reason,
    SecurityTest,
    controls,
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
        "evidence_accepted": Reason("passing"),
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
    controls=(
        *controls(SOC_2, "CC8.1"),
        *controls(ISO_27001, "A.8.25", "A.8.29", "A.8.32"),
        *controls(CIS_SSC, "1.1.9"),
        *controls(OSPS, "OSPS-QA-03"),
        *controls(SSDF, "PO.4.1", "PS.1"),
    ),
    cannot_see=(
        "Rules that a project hands down: no public endpoint shows them; evidence about the project can.",
        "What a build checks: a status is as good as the system that set it.",
        "Commits pushed to the main branch without a pull request; whether that is possible is in the detail.",
    ),
)
