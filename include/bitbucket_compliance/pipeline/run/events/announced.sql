-- Purpose: the repositories of the events that the run has claimed, or of those that it could claim, those that came
-- first in front; whether the repository is known, and whether what happened shows in the workspace's listing alone.

SELECT
    coalesce(events.repository_id, '') AS repository_id,
    count(*) AS events,
    bool_or(repositories.repository_id IS NOT null) AS is_known,
    bool_or(events.event_key = any(%(structural)s)) AS is_structural
FROM integration.webhook_events AS events
LEFT JOIN staging.repositories AS repositories
    ON events.workspace = repositories.workspace AND events.repository_id = repositories.repository_id
WHERE
    events.workspace = %(workspace)s
    AND events.handled_at IS null
    AND CASE
        WHEN %(claimed)s THEN events.run_id = %(run_id)s
        ELSE events.waits_until IS null OR events.waits_until <= clock_timestamp()
    END
GROUP BY events.repository_id
ORDER BY min(events.event_id);
