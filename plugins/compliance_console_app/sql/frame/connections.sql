-- Purpose: connections that can't read at the moment: those that were disconnected, and those that need a new consent.

SELECT
    named.conn_id,
    CASE WHEN connections.conn_id IS null THEN 'disconnected' ELSE connections.status END AS state,
    connections.status_reason AS reason,
    coalesce(connections.status_since, newest.at) AS since
FROM unnest(%(conn_ids)s::text[]) WITH ORDINALITY AS named (conn_id, place)
LEFT JOIN integration.connections AS connections ON named.conn_id = connections.conn_id
LEFT JOIN LATERAL (
    SELECT
        events.event,
        events.at
    FROM integration.connection_events AS events
    WHERE events.conn_id = named.conn_id AND events.event IN ('connected', 'disconnected')
    ORDER BY events.event_id DESC
    LIMIT 1
) AS newest ON true
WHERE
    connections.status = 'needs_reconnect'
    OR (connections.conn_id IS null AND newest.event = 'disconnected')
ORDER BY named.place;
