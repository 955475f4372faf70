-- Purpose: one run of a workspace.
SELECT runs.*
FROM compliance.runs AS runs
WHERE runs.workspace = %(workspace)s AND runs.run_id = %(run_id)s
