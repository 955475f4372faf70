-- Purpose: say of runs that left the workspace without a word that they failed.

UPDATE integration.runs AS runs
SET status = 'failed', finished_at = now(), error = 'the run was interrupted'
WHERE runs.workspace = %(workspace)s AND runs.status = 'running' AND runs.run_id <> %(run_id)s;
