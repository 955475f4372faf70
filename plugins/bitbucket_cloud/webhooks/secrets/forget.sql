-- Purpose: forget all webhook secrets of a connection.
DELETE FROM integration.webhook_secrets
WHERE conn_id = %(conn_id)s;
