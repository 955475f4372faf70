-- Purpose: forget a connection's tokens, and note who wanted it; a row where there were any.
WITH removed AS (
    DELETE FROM integration.token_vault AS vault
    WHERE vault.conn_id = %(conn_id)s
    RETURNING vault.conn_id
)

INSERT INTO integration.connection_events (conn_id, event, detail)
SELECT
    removed.conn_id,
    'disconnected' AS event,
    %(detail)s AS detail
FROM removed
RETURNING event_id;
