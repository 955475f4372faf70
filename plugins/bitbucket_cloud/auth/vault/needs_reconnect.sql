-- Purpose: mark a grant as lost, so that nobody asks for it again. A newer grant is left alone.
UPDATE integration.token_vault
SET status = 'needs_reconnect', status_reason = %(reason)s, status_since = clock_timestamp()
WHERE conn_id = %(conn_id)s AND refresh_token = %(encrypted)s;
