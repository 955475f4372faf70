-- Purpose: the workspaces that were ever published.

SELECT DISTINCT runs.workspace
FROM compliance.runs AS runs
WHERE runs.status = 'published'
ORDER BY runs.workspace;
