"""Branch Protection rules should be enforced."""

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
    test_id="branch_protection_enforced",
    title="Branch Protection rules should be enforced",
    severity="high",
    subject_type="repository",
    order=6,
    description="The main branch can't be pushed to freely, rewritten or deleted.",
    bases={"configuration": ("branch_restrictions", "effective_branching_model")},
    reasons={
        "protections_in_place": Reason("passing"),
        "missing_protection": Reason(
            "failing",
            "Add the branch restrictions named in the reason for the main branch "
            "(Repository settings → Branch restrictions).",
        ),
        "scope_missing": SCOPE_MISSING,
        "permission_missing": PERMISSION_MISSING,
        "extract_failed": EXTRACT_FAILED,
        "not_read_yet": NOT_READ_YET,
        "non_production": NON_PRODUCTION,
        "no_main_branch": NO_MAIN_BRANCH,
    },
)
