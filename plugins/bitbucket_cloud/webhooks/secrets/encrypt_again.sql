-- Purpose: replace one webhook secret by the same one under another key.
UPDATE integration.webhook_secrets
SET sealed = %(encrypted)s
WHERE secret_id = %(secret_id)s;
