-- Purpose: what is recorded of the webhooks of a connection in a workspace, the one looked at longest ago first; and,
-- so that they are left alone, the webhooks that other connections registered.
SELECT
    conn_id = %(conn_id)s AS is_ours,
    repository_id,
    slug,
    hook_id,
    url,
    events,
    secret_id,
    state,
    problem,
    checked_at < clock_timestamp() - %(worth)s::interval AS is_old
FROM integration.webhooks
WHERE (conn_id = %(conn_id)s AND workspace = %(workspace)s) OR (conn_id <> %(conn_id)s AND hook_id IS NOT null)
ORDER BY checked_at, repository_id;
