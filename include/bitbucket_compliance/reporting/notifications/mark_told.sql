-- Purpose: mark changes as told, once a message with them went out.

INSERT INTO integration.notifications_sent (conn_id, change_key, workspace, occurred_at, told)
SELECT
    %(conn_id)s,
    told.change_key,
    told.workspace,
    told.occurred_at,
    true
FROM
    unnest(%(change_keys)s::text[], %(workspaces)s::text[], %(moments)s::timestamptz[])
        AS told (change_key, workspace, occurred_at)
ON CONFLICT (conn_id, change_key) DO NOTHING;
