-- Purpose: the newest whole run of a workspace that had published by a moment, and when the first of all had.

SELECT
    min(runs.finished_at) AS first_published_at,
    max(runs.finished_at) FILTER (WHERE runs.finished_at <= %(as_of)s) AS published_at
FROM compliance.runs AS runs
WHERE runs.workspace = %(workspace)s AND runs.status = 'published' AND runs.kind = 'polling';
