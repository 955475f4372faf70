-- Purpose: the newest run of a workspace that had published by an instant.

SELECT
    runs.workspace,
    runs.run_id,
    runs.policy_version,
    runs.finished_at
FROM compliance.runs AS runs
WHERE
    runs.workspace = %(workspace)s
    AND runs.status = 'published'
    AND runs.finished_at <= %(as_of)s
ORDER BY runs.finished_at DESC
LIMIT 1;
