-- Which changes came into a main branch without a peer's approval?
-- Purpose: the population of a half-year by project, and what of it was not reviewed by a peer or can't be told.

SELECT
    changes.project_key,
    count(*) AS changes,
    count(*) FILTER (WHERE changes.peer_reviewed) AS reviewed,
    count(*) FILTER (WHERE NOT changes.peer_reviewed) AS not_reviewed,
    count(*) FILTER (WHERE changes.peer_reviewed IS null) AS not_known,
    count(*) FILTER (WHERE changes.kind = 'direct_push') AS pushed_past_pull_requests
FROM compliance.changes AS changes
WHERE
    changes.workspace = 'demo-workspace'
    AND changes.in_scope
    AND changes.merged_on >= '2025-10-01 00:00:00+00'
    AND changes.merged_on < '2026-04-01 00:00:00+00'
GROUP BY changes.project_key
ORDER BY changes.project_key ASC;
