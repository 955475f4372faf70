-- Purpose: every webhook secret, locked, to encrypt it with another key.
SELECT
    secret_id,
    conn_id,
    sealed
FROM integration.webhook_secrets
ORDER BY secret_id
FOR UPDATE;
