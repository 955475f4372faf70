-- Purpose: the latest refresh before this one of which no end is known, unless a later one did come to an end.
SELECT events.at
FROM integration.connection_events AS events
WHERE
    events.conn_id = %(conn_id)s
    AND events.event = 'refresh_started'
    AND events.event_id < %(started)s
    AND NOT EXISTS (
        SELECT 1
        FROM integration.connection_events AS ends
        WHERE
            ends.conn_id = events.conn_id
            AND ends.event_id > events.event_id
            AND ends.event_id < %(started)s
            AND ends.event IN ('connected', 'refreshed', 'refused', 'failed')
    )
ORDER BY events.event_id DESC
LIMIT 1;
