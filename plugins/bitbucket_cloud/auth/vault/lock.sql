-- Purpose: lock a connection's row until the transaction ends: of all processes one may refresh at a time.
SELECT 1
FROM integration.token_vault
WHERE conn_id = %(conn_id)s
FOR UPDATE;
