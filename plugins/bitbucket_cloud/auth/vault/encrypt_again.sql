-- Purpose: replace one row's tokens by the same ones under another key.
UPDATE integration.token_vault
SET access_token = %(access_token)s, refresh_token = %(refresh_token)s
WHERE conn_id = %(conn_id)s;
