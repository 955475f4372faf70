-- Purpose: mark a grant as lost, so that nobody asks for it again, and note it. A newer grant is left alone.
WITH marked AS (
    UPDATE integration.token_vault AS vault
    SET
        status = 'needs_reconnect',
        status_reason = %(reason)s,
        status_since = clock_timestamp()
    WHERE vault.conn_id = %(conn_id)s AND vault.refresh_token = %(encrypted)s
    RETURNING
        vault.conn_id,
        vault.status_reason
)

INSERT INTO integration.connection_events (conn_id, event, detail)
SELECT
    marked.conn_id,
    'needs_reconnect' AS event,
    marked.status_reason
FROM marked;
