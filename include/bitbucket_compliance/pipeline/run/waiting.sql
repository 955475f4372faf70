-- Purpose: the events of a workspace that wait, by repository, those that came first in front; whether the repository
-- is known, and whether what happened can be seen in the listing of the workspace alone.

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
    AND events.handled_at IS null
    AND (events.waits_until IS null OR events.waits_until <= clock_timestamp())
GROUP BY events.repository_id
ORDER BY min(events.event_id);
