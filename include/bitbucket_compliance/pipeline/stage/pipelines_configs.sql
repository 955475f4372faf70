-- Purpose: whether Pipelines is switched on.

SELECT
    objects.workspace,
    objects.repository_id,
    (objects.body ->> 'enabled')::boolean AS enabled,
    objects.fetched_at AS data_as_of
FROM landing.run_objects AS objects
WHERE
    objects.workspace = %(workspace)s
    AND objects.resource = 'pipelines_config'
    AND objects.run_id = %(run_id)s;
