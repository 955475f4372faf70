-- Purpose: a connection's row of the vault, its times as seconds by this server's clock.
SELECT
    access_token,
    refresh_token,
    status,
    status_reason,
    extract(EPOCH FROM expires_at - clock_timestamp())::double precision AS remaining,
    extract(EPOCH FROM expires_at - coalesce(refreshed_at, connected_at))::double precision AS lifetime
FROM integration.token_vault
WHERE conn_id = %(conn_id)s;
