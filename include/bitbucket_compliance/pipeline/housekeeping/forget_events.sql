-- Purpose: delete events of webhooks that were answered long ago, and pushes and gaps that lie before any window.

WITH gaps AS (
    DELETE FROM integration.webhook_gaps AS gaps
    WHERE gaps.workspace = %(workspace)s AND gaps.found_at < %(before_window)s
),

pushes AS (
    DELETE FROM integration.pushes AS pushes
    WHERE pushes.workspace = %(workspace)s AND pushes.received_at < %(before_window)s
)

DELETE FROM integration.webhook_events AS events
WHERE events.workspace = %(workspace)s AND events.handled_at < %(before)s;
