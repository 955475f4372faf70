-- Purpose: one test with its counts in a workspace, and by what its subjects were decided.
SELECT
    tests.test_id,
    tests.test_title,
    tests.description,
    tests.subject_type,
    tests.manual,
    coalesce(summary.severity, tests.severity) AS severity,
    coalesce(summary.enabled, tests.enabled) AS enabled,
    coalesce(summary.passing, 0) AS passing,
    coalesce(summary.failing, 0) AS failing,
    coalesce(summary.pending, 0) AS pending,
    coalesce(summary.error, 0) AS error,
    coalesce(summary.not_applicable, 0) AS not_applicable,
    decided.subjects AS applies_to,
    decided.summary AS decided_by
FROM compliance.tests AS tests
LEFT JOIN compliance.test_summary AS summary
    ON tests.test_id = summary.test_id AND summary.workspace = %(workspace)s
LEFT JOIN compliance.decided_by AS decided
    ON tests.test_id = decided.test_id AND decided.workspace = %(workspace)s
WHERE tests.test_id = %(test_id)s
