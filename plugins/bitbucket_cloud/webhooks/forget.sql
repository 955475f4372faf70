-- Purpose: delete what is recorded of a connection's webhooks in a workspace: of one repository (empty: the workspace's
-- own), or of all of them (null).
DELETE FROM integration.webhooks
WHERE
    conn_id = %(conn_id)s
    AND workspace = %(workspace)s
    AND repository_id = coalesce(%(repository_id)s::text, repository_id);
