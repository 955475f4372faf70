-- Purpose: forget a connection's tokens.
DELETE FROM integration.token_vault
WHERE conn_id = %(conn_id)s;
