-- Purpose: connections that can't read at the moment: those that were disconnected, and those that need a new consent.

WITH named AS (
    SELECT
        listed.conn_id,
        listed.place
    FROM unnest(%(conn_ids)s::text[]) WITH ORDINALITY AS listed (conn_id, place)
),

newest AS (
    SELECT DISTINCT ON (events.conn_id)
        events.conn_id,
        events.event,
        events.at
    FROM integration.connection_events AS events
    WHERE events.conn_id = any(%(conn_ids)s::text[]) AND events.event IN ('connected', 'disconnected')
    ORDER BY events.conn_id ASC, events.event_id DESC
)

SELECT
    named.conn_id,
    CASE WHEN connections.conn_id IS null THEN 'disconnected' ELSE connections.status END AS state,
    connections.status_reason AS reason,
    coalesce(connections.status_since, newest.at) AS since
FROM named
LEFT JOIN integration.connections AS connections ON named.conn_id = connections.conn_id
LEFT JOIN newest ON named.conn_id = newest.conn_id
WHERE
    connections.status = 'needs_reconnect'
    OR (connections.conn_id IS null AND newest.event = 'disconnected')
ORDER BY named.place;
