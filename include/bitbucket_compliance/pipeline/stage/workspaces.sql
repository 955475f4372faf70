-- Purpose: the workspace's identity.

SELECT
    objects.workspace,
    objects.object_key AS workspace_id,
    objects.body ->> 'name' AS name,
    objects.fetched_at AS data_as_of
FROM landing.run_objects AS objects
WHERE
    objects.workspace = %(workspace)s
    AND objects.resource = 'workspace'
    AND objects.run_id = %(run_id)s
ORDER BY objects.fetched_at DESC
LIMIT 1;
