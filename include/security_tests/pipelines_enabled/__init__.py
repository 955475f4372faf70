"""Bitbucket Pipelines should be enabled for vulnerability scanning."""

from include.security_tests.model import (
    EXTRACT_FAILED,
    NON_PRODUCTION,
    NOT_READ_YET,
    PERMISSION_MISSING,
    SCOPE_MISSING,
    Reason,
    SecurityTest,
)

TEST = SecurityTest(
    test_id="pipelines_enabled",
    title="Bitbucket Pipelines should be enabled for vulnerability scanning",
    severity="medium",
    subject_type="repository",
    order=8,
    description="Bitbucket Pipelines is switched on, so that a scanner can run.",
    bases={"configuration": ("pipelines_config",), "behaviour": ("pipelines",)},
    reasons={
        "pipelines_enabled": Reason("passing"),
        "pipeline_ran": Reason("passing"),
        "pipelines_disabled": Reason("failing", "Switch on Pipelines (Repository settings → Pipelines → Settings)."),
        "no_pipeline_runs": Reason(
            "pending", "No run to judge by: grant repository:admin to read the setting, or submit evidence."
        ),
        "scope_missing": SCOPE_MISSING,
        "permission_missing": PERMISSION_MISSING,
        "extract_failed": EXTRACT_FAILED,
        "not_read_yet": NOT_READ_YET,
        "non_production": NON_PRODUCTION,
    },
)
