-- Purpose: the workspaces of which something was read.

SELECT DISTINCT runs.workspace
FROM compliance.runs AS runs
ORDER BY runs.workspace;
