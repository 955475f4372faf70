-- Purpose: one page of the runs of a workspace, newest first.
SELECT
    runs.run_id,
    runs.status,
    runs.quality,
    runs.started_at,
    runs.repositories,
    runs.repositories_read,
    runs.repositories_left,
    runs.requests_spent,
    runs.error,
    runs.full_refresh,
    runs.kind,
    runs.events,
    count(*) OVER () AS total
FROM compliance.runs AS runs
WHERE runs.workspace = %(workspace)s
ORDER BY runs.started_at DESC, runs.run_id DESC
LIMIT %(limit)s OFFSET %(offset)s
