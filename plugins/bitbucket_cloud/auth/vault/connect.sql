-- Purpose: keep the tokens of a new consent in the place of whatever the connection had.
INSERT INTO integration.token_vault (
    conn_id, consumer, access_token, refresh_token, expires_at, scopes, status, status_since, connected_by, connected_at
)
VALUES (
    %(conn_id)s, %(consumer)s, %(access_token)s, %(refresh_token)s,
    clock_timestamp() + make_interval(secs => %(remaining)s), %(scopes)s::text[],
    'connected', clock_timestamp(), %(connected_by)s, clock_timestamp()
)
ON CONFLICT (conn_id) DO UPDATE
    SET
        consumer = excluded.consumer,
        access_token = excluded.access_token,
        refresh_token = excluded.refresh_token,
        expires_at = excluded.expires_at,
        scopes = excluded.scopes,
        status = excluded.status,
        status_reason = null,
        status_since = excluded.status_since,
        connected_by = excluded.connected_by,
        connected_at = excluded.connected_at,
        refreshed_at = null,
        refreshes = 0;
