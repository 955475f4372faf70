-- Purpose: delete events of webhooks that were answered long ago, and gaps found long ago.

WITH gaps AS (
    DELETE FROM integration.webhook_gaps AS gaps
    WHERE gaps.workspace = %(workspace)s AND gaps.found_at < %(before)s
)

DELETE FROM integration.webhook_events AS events
WHERE events.workspace = %(workspace)s AND events.handled_at < %(before)s;
