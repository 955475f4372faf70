-- Purpose: stage whether Pipelines is switched on; a repository that answers 404 now was never configured.

WITH fetched AS (
    SELECT
        objects.workspace,
        objects.repository_id,
        (objects.body ->> 'enabled')::boolean AS enabled,
        objects.fetched_at AS data_as_of
    FROM landing.run_objects AS objects
    INNER JOIN staging.repositories AS repositories
        ON objects.workspace = repositories.workspace AND objects.repository_id = repositories.repository_id
    WHERE
        objects.workspace = %(workspace)s
        AND objects.resource = 'pipelines_config'
        AND objects.run_id = %(run_id)s
)

INSERT INTO staging.pipelines_configs (workspace, repository_id, enabled, data_as_of)
SELECT
    fetched.workspace,
    fetched.repository_id,
    fetched.enabled,
    fetched.data_as_of
FROM fetched
ON CONFLICT (workspace, repository_id) DO UPDATE
    SET enabled = excluded.enabled, data_as_of = excluded.data_as_of;
