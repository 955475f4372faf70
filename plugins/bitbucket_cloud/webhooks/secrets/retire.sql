-- Purpose: accept the connection's current secret for a while only, so that another may take its place.
UPDATE integration.webhook_secrets
SET accepted_until = clock_timestamp() + %(overlap)s::interval
WHERE conn_id = %(conn_id)s AND accepted_until IS null;
