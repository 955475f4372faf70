-- Purpose: by what the subjects of each test were decided when they were last judged, by test and workspace.
SELECT
    counted.test_id,
    counted.workspace,
    counted.summary
FROM compliance.decided_by AS counted
WHERE counted.workspace = any(%(workspaces)s::text[])
ORDER BY counted.test_id, counted.workspace;
