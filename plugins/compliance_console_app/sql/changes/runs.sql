-- Purpose: when the newest whole run of a workspace that was published began, and how many there were.

SELECT
    max(runs.started_at) AS newest,
    count(*) AS published
FROM compliance.runs AS runs
WHERE runs.workspace = %(workspace)s AND runs.status = 'published' AND runs.kind = 'polling';
