-- Purpose: the repositories of the events that a run answers; whether each was known when they came, and whether what
-- happened can be seen in the listing of the workspace alone.

SELECT
    events.repository_id,
    count(*) AS events,
    bool_or(repositories.repository_id IS NOT null) AS is_known,
    bool_or(events.event_key = any(%(structural)s)) AS is_structural
FROM integration.webhook_events AS events
LEFT JOIN staging.repositories AS repositories
    ON events.workspace = repositories.workspace AND events.repository_id = repositories.repository_id
WHERE
    events.workspace = %(workspace)s
    AND events.run_id = %(run_id)s
    AND events.handled_at IS null
GROUP BY events.repository_id
ORDER BY min(events.event_id);
