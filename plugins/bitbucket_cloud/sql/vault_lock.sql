-- Purpose: as vault_read.sql, with the row locked: of all processes one may refresh at a time.
SELECT
    access_token,
    refresh_token,
    status,
    status_reason,
    extract(EPOCH FROM expires_at - clock_timestamp())::double precision AS remaining,
    extract(EPOCH FROM expires_at - coalesce(refreshed_at, connected_at))::double precision AS lifetime
FROM integration.token_vault
WHERE conn_id = %(conn_id)s
FOR UPDATE;
