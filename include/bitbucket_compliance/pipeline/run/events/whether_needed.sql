-- Purpose: whether events of the workspace wait, about how many repositories, and whether a whole run of it was ever
-- published.

SELECT
    %(workspace)s IN (
        SELECT events.workspace FROM integration.webhook_events AS events WHERE events.handled_at IS null
    ) AS waits,
    (
        SELECT count(DISTINCT events.repository_id)
        FROM integration.webhook_events AS events
        WHERE events.workspace = %(workspace)s AND events.handled_at IS null
    ) AS repositories,
    %(workspace)s IN (
        SELECT runs.workspace FROM integration.runs AS runs WHERE runs.status = 'published' AND runs.kind = 'polling'
    ) AS was_judged;
