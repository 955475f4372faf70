-- Purpose: note which alerts people were told of, and of which they were told that they are over.

INSERT INTO integration.notifications_sent (conn_id, change_key, workspace, occurred_at, told)
SELECT
    %(conn_id)s,
    'alert|' || begun.name || '|' || extract(EPOCH FROM now()),
    begun.workspace,
    now(),
    true
FROM unnest(%(begun)s::text[], %(workspaces)s::text[]) AS begun (name, workspace)
UNION ALL
SELECT
    %(conn_id)s,
    'ended|' || told.change_key,
    told.workspace,
    now(),
    true
FROM integration.notifications_sent AS told
WHERE told.conn_id = %(conn_id)s AND told.change_key = any(%(ended)s::text[]);
