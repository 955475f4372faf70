-- Purpose: when the newest whole run of a workspace that was published began, its id, and how many there were.

SELECT
    max(runs.started_at) AS newest,
    (array_agg(runs.run_id ORDER BY runs.started_at DESC))[1] AS run_id,
    count(*) AS published
FROM compliance.runs AS runs
WHERE runs.workspace = %(workspace)s AND runs.status = 'published' AND runs.kind = 'polling';
