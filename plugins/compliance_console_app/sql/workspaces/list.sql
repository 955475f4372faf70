-- Purpose: the workspaces that have published results.
SELECT DISTINCT summary.workspace
FROM compliance.test_summary AS summary
ORDER BY summary.workspace
