-- Purpose: every row of the vault, locked, to encrypt it with another key.
SELECT
    conn_id,
    access_token,
    refresh_token
FROM integration.token_vault
ORDER BY conn_id
FOR UPDATE;
