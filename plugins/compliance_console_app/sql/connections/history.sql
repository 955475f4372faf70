-- Purpose: what people and Bitbucket did to a connection, newest first; plain refreshes left out.

SELECT
    events.at,
    events.event,
    events.detail
FROM integration.connection_events AS events
WHERE
    events.conn_id = %(conn_id)s
    AND events.event IN ('connected', 'refused', 'failed', 'needs_reconnect', 'rotated', 'disconnected')
ORDER BY events.event_id DESC
LIMIT 10;
