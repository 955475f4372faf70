-- Purpose: stage the workspace's identity.

INSERT INTO staging.workspaces (workspace, workspace_id, name, data_as_of)
SELECT
    objects.workspace,
    objects.object_key,
    objects.body ->> 'name',
    objects.fetched_at
FROM landing.run_objects AS objects
WHERE
    objects.workspace = %(workspace)s
    AND objects.resource = 'workspace'
    AND objects.run_id = %(run_id)s
ORDER BY objects.fetched_at DESC
LIMIT 1
ON CONFLICT (workspace) DO UPDATE
    SET workspace_id = excluded.workspace_id, name = excluded.name, data_as_of = excluded.data_as_of;
