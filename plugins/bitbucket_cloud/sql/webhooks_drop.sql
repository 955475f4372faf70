-- Purpose: forget the webhooks of a connection in a workspace.
DELETE FROM integration.webhooks
WHERE conn_id = %(conn_id)s AND workspace = %(workspace)s;
