-- Purpose: note what was there before a connection was first used for a workspace, so that it is never told as news.

INSERT INTO integration.notifications_sent (conn_id, change_key, workspace, occurred_at, told)
SELECT
    %(conn_id)s,
    changes.change_key,
    changes.workspace,
    changes.occurred_at,
    false
FROM integration.notifiable_changes AS changes
WHERE changes.workspace = %(workspace)s AND changes.occurred_at <= %(moment)s
UNION ALL
SELECT
    %(conn_id)s,
    'start|' || %(workspace)s,
    %(workspace)s,
    %(moment)s,
    false
ON CONFLICT (conn_id, change_key) DO NOTHING;
