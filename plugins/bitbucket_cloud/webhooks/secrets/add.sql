-- Purpose: make a secret the connection's current one, unless it has one already.
INSERT INTO integration.webhook_secrets (conn_id, sealed)
VALUES (%(conn_id)s, %(encrypted)s)
ON CONFLICT (conn_id) WHERE accepted_until IS null DO NOTHING;
