-- Purpose: the secret that webhooks of a connection are given now.
SELECT
    secret_id,
    sealed
FROM integration.webhook_secrets
WHERE conn_id = %(conn_id)s AND accepted_until IS null;
