-- Purpose: how many webhooks are recorded for a connection, and of which workspaces anything is.

SELECT
    count(webhooks.hook_id) AS webhooks,
    array_agg(DISTINCT webhooks.workspace ORDER BY webhooks.workspace) AS workspaces
FROM integration.webhooks AS webhooks
WHERE webhooks.conn_id = %(conn_id)s;
