-- Purpose: stage the newest pipeline of each repository.

WITH fetched AS (
    SELECT
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
    INNER JOIN staging.repositories AS repositories
        ON objects.workspace = repositories.workspace AND objects.repository_id = repositories.repository_id
    WHERE
        objects.workspace = %(workspace)s
        AND objects.resource = 'pipelines'
        AND objects.run_id = %(run_id)s
)

INSERT INTO staging.latest_pipelines (
    workspace, repository_id, pipeline_id, build_number, state, result, created_on, completed_on, data_as_of
)
SELECT DISTINCT ON (fetched.repository_id)
    fetched.workspace,
    fetched.repository_id,
    fetched.pipeline_id,
    fetched.build_number,
    fetched.state,
    fetched.result,
    fetched.created_on,
    fetched.completed_on,
    fetched.data_as_of
FROM fetched
ORDER BY fetched.repository_id ASC, fetched.created_on DESC
ON CONFLICT (workspace, repository_id) DO UPDATE
    SET
        pipeline_id = excluded.pipeline_id,
        build_number = excluded.build_number,
        state = excluded.state,
        result = excluded.result,
        created_on = excluded.created_on,
        completed_on = excluded.completed_on,
        data_as_of = excluded.data_as_of;
