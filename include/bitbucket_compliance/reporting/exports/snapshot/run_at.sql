-- Purpose: the newest whole run of a workspace that had published by an instant. Runs that answered events looked at
-- some repositories only: they don't make the rest any fresher.

SELECT
    runs.workspace,
    runs.run_id,
    runs.policy_version,
    runs.finished_at
FROM compliance.runs AS runs
WHERE
    runs.workspace = %(workspace)s
    AND runs.status = 'published'
    AND runs.kind = 'polling'
    AND runs.finished_at <= %(as_of)s
ORDER BY runs.finished_at DESC
LIMIT 1;
