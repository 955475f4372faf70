-- Purpose: whether a connection is connected, since when and by whom.

SELECT
    connections.status,
    connections.status_reason,
    connections.scopes,
    connections.connected_by,
    connections.connected_at
FROM integration.connections AS connections
WHERE connections.conn_id = %(conn_id)s;
