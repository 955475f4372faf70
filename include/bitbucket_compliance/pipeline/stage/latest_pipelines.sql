-- Purpose: the newest pipeline of each repository.

SELECT DISTINCT ON (objects.repository_id)
    objects.workspace,
    objects.repository_id,
    objects.body ->> 'uuid' AS pipeline_id,
    (objects.body ->> 'build_number')::bigint AS build_number,
    objects.body #>> '{state,name}' AS state,
    objects.body #>> '{state,result,name}' AS result,
    (objects.body ->> 'created_on')::timestamptz AS created_on,
    (objects.body ->> 'completed_on')::timestamptz AS completed_on,
    objects.fetched_at AS data_as_of
FROM landing.run_objects AS objects
WHERE
    objects.workspace = %(workspace)s
    AND objects.resource = 'pipelines'
    AND objects.run_id = %(run_id)s
ORDER BY objects.repository_id ASC, (objects.body ->> 'created_on')::timestamptz DESC;
