-- Purpose: forget one webhook.
DELETE FROM integration.webhooks
WHERE conn_id = %(conn_id)s AND workspace = %(workspace)s AND repository_id = %(repository_id)s;
