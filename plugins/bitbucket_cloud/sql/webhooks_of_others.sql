-- Purpose: the webhooks that other connections registered.
SELECT hook_id
FROM integration.webhooks
WHERE conn_id <> %(conn_id)s AND hook_id IS NOT null;
