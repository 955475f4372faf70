-- Purpose: what is recorded of the webhooks of a connection in a workspace, the one looked at longest ago first.
SELECT
    repository_id,
    slug,
    hook_id,
    url,
    events,
    secret_id,
    state,
    problem,
    registered_at,
    checked_at,
    checked_at < clock_timestamp() - %(worth)s::interval AS is_old
FROM integration.webhooks
WHERE conn_id = %(conn_id)s AND workspace = %(workspace)s
ORDER BY checked_at, repository_id;
