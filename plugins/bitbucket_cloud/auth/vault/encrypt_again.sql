-- Purpose: replace one row's tokens by the same ones under another key, and note it.
WITH stored AS (
    UPDATE integration.token_vault AS vault
    SET
        access_token = %(access_token)s,
        refresh_token = %(refresh_token)s
    WHERE vault.conn_id = %(conn_id)s
    RETURNING vault.conn_id
)

INSERT INTO integration.connection_events (conn_id, event)
SELECT
    stored.conn_id,
    'rotated' AS event
FROM stored;
