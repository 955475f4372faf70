-- Purpose: whether events of the workspace wait, and whether a whole run of it was ever published.

SELECT
    %(workspace)s IN (
        SELECT events.workspace FROM integration.webhook_events AS events WHERE events.handled_at IS null
    ) AS waits,
    %(workspace)s IN (
        SELECT runs.workspace FROM integration.runs AS runs WHERE runs.status = 'published' AND runs.kind = 'polling'
    ) AS was_judged;
