-- Purpose: put refreshed tokens in the place of the ones they were got with. Changes nothing where those are no longer
-- there; a grant that others took for lost in the meantime is connected again.
UPDATE integration.token_vault AS vault
SET
    access_token = %(access_token)s,
    refresh_token = %(refresh_token)s,
    expires_at = clock_timestamp() + make_interval(secs => %(remaining)s),
    scopes = coalesce(%(scopes)s::text[], vault.scopes),
    status = 'connected',
    status_reason = null,
    status_since = CASE WHEN vault.status = 'connected' THEN vault.status_since ELSE clock_timestamp() END,
    refreshed_at = clock_timestamp(),
    refreshes = vault.refreshes + 1
WHERE vault.conn_id = %(conn_id)s AND vault.refresh_token = %(encrypted)s;
