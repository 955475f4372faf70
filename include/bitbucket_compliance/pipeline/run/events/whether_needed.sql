-- Purpose: whether events of the workspace wait, and whether a whole run of it was ever published.

SELECT
    EXISTS (
        SELECT 1 FROM integration.webhook_events AS events
        WHERE events.workspace = %(workspace)s AND events.handled_at IS null
    ) AS waits,
    EXISTS (
        SELECT 1 FROM integration.runs AS runs
        WHERE runs.workspace = %(workspace)s AND runs.status = 'published' AND runs.kind = 'polling'
    ) AS was_judged;
