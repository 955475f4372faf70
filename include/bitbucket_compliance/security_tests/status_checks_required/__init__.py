"""Merging of code changes should require passing status-checks."""

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
    SSDF,
    Reason,
    SecurityTest,
    controls,
    restriction,
)

TEST = SecurityTest(
    test_id="status_checks_required",
    title="Merging of code changes should require passing status-checks",
    severity="high",
    subject_type="repository",
    order=4,
    description="Nothing is merged into the main branch without passing builds.",
    rationale="A change that breaks the build, or was never built, should not reach the main branch.",
    how_decided=(
        (
            "Decides by configuration: a rule on the main branch with `require_passing_builds_to_merge` of at least "
            "`min_passing_builds`, and `enforce_merge_checks` beside it. Without the second Bitbucket only warns, "
            "and the verdict is failing, `advisory_only`."
        ),
        (
            "Decides by behaviour: of the newest `behaviour_sample` pull requests merged into the main branch in "
            "`behaviour_window_days`, each needs a build status and none that is not SUCCESSFUL. One that breaks "
            "this fails at any sample size; a clean record passes from `behaviour_min_sample` on. A pull request "
            "counts by its `updated_on`: listings carry no closing time."
        ),
    ),
    bases={
        "configuration": ("branch_restrictions", "effective_branching_model"),
        "behaviour": ("pull_requests", "pull_request_statuses"),
    },
    reasons={
        "evidence_accepted": Reason(
            "passing", "evidence", "Accepted evidence within its validity shows it, and no behaviour contradicts it."
        ),
        "rule_enforced": Reason(
            "passing",
            "configuration",
            "A rule on the main branch requires passing builds, and unmet merge checks block the merge.",
        ),
        "merges_had_passing_builds": Reason(
            "passing",
            "behaviour",
            "The rules can't be read; every sampled merge into the main branch had passing builds.",
        ),
        "advisory_only": Reason(
            "failing",
            "configuration",
            "A rule asks for passing builds, but unmet merge checks only warn.",
            "Open Repository settings → Branch restrictions, edit the rule of the main branch, and switch on "
            '"Prevent a merge with unresolved merge checks" (Bitbucket Premium).',
            (restriction("enforce_merge_checks"),),
        ),
        "no_matching_rule": Reason(
            "failing",
            "configuration",
            "No rule of the repository requires enough passing builds to merge into the main branch.",
            "Open Repository settings → Branch restrictions, add or edit the rule of the main branch, and under "
            "Merge checks set the minimum number of successful builds, then prevent merges with unresolved checks"
            " (Bitbucket Premium). Where the project has such a rule, submit evidence about the project.",
            (
                restriction("require_passing_builds_to_merge", value="{min_passing_builds}"),
                restriction("enforce_merge_checks"),
            ),
        ),
        "merged_without_passing_build": Reason(
            "failing",
            "behaviour",
            "The rules can't be read; a sampled merge into the main branch had no passing build.",
            "Look at the pull requests named in the reason. Then require passing builds for the main branch and "
            "prevent merges with unresolved checks (Repository settings → Branch restrictions → Merge checks).",
            (
                restriction("require_passing_builds_to_merge", value="{min_passing_builds}"),
                restriction("enforce_merge_checks"),
            ),
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
    thresholds=(
        "min_passing_builds",
        "behaviour_window_days",
        "behaviour_sample",
        "behaviour_min_sample",
        "evidence_validity_days",
        "time_zone",
        "max_data_age_hours",
    ),
    own_thresholds=(Threshold("min_passing_builds", 1, "So many passing builds a merge must have.", Count),),
)
