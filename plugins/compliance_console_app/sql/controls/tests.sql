-- Purpose: the tests that give evidence for a control, with their counts in a workspace.

SELECT
    controls.test_id,
    tests.test_title,
    controls.strength,
    controls.source,
    controls.note,
    controls.title AS control_title,
    coalesce(summary.severity, tests.severity) AS severity,
    summary.status,
    coalesce(summary.enabled, tests.enabled) AS enabled,
    summary.passing,
    summary.failing,
    summary.pending,
    summary.error,
    summary.not_applicable,
    summary.bypassed,
    summary.stale,
    summary.overdue,
    summary.excepted
FROM compliance.test_controls AS controls
INNER JOIN compliance.tests AS tests ON controls.test_id = tests.test_id
LEFT JOIN compliance.test_summary AS summary
    ON controls.test_id = summary.test_id AND summary.workspace = %(workspace)s
WHERE controls.framework = %(framework)s AND controls.control = %(control)s
ORDER BY tests.display_order ASC;
