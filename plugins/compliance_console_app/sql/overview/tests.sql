-- Purpose: every test with its counts in a workspace; in all_… those of the workspace, as in workspace_score.
SELECT
    summary.test_id,
    summary.test_title,
    summary.severity,
    summary.status,
    summary.passing,
    summary.failing,
    summary.pending,
    summary.error,
    summary.not_applicable,
    summary.passing + summary.failing + summary.pending + summary.error + summary.not_applicable AS subjects,
    summary.score,
    tests.description,
    tests.manual,
    compliance.score(
        sum(weights.weight * summary.passing) FILTER (WHERE summary.enabled) OVER (),
        sum(weights.weight * summary.failing) FILTER (WHERE summary.enabled) OVER ()
    ) AS all_score,
    sum(summary.passing) OVER () AS all_passing,
    sum(summary.failing) OVER () AS all_failing,
    sum(summary.pending + summary.error) OVER () AS all_undecided,
    sum(summary.stale) OVER () AS all_stale,
    sum(summary.excepted) OVER () AS all_excepted,
    sum(summary.overdue) OVER () AS all_overdue
FROM compliance.test_summary AS summary
INNER JOIN compliance.severity_weights AS weights ON summary.severity = weights.severity
INNER JOIN compliance.tests AS tests ON summary.test_id = tests.test_id
WHERE summary.workspace = %(workspace)s
ORDER BY summary.display_order
