-- Purpose: stage the build statuses of merged pull requests, whichever run asked for them: they don't change any more.

WITH newest AS (
    SELECT DISTINCT ON (objects.object_key)
        objects.workspace,
        objects.repository_id,
        objects.body,
        objects.fetched_at
    FROM landing.objects AS objects
    INNER JOIN staging.repositories AS repositories
        ON objects.workspace = repositories.workspace AND objects.repository_id = repositories.repository_id
    WHERE
        objects.workspace = %(workspace)s
        AND objects.resource = 'pull_request_statuses'
    ORDER BY objects.object_key ASC, objects.fetched_at DESC
)

INSERT INTO staging.pull_request_builds (
    workspace, repository_id, pull_request_id, builds, builds_not_successful, data_as_of
)
SELECT
    newest.workspace,
    newest.repository_id,
    (newest.body ->> 'pull_request_id')::bigint,
    jsonb_array_length(newest.body -> 'values'),
    (
        SELECT count(*)
        FROM jsonb_array_elements(newest.body -> 'values') AS statuses (body)
        WHERE statuses.body ->> 'state' IS DISTINCT FROM 'SUCCESSFUL'
    ),
    newest.fetched_at
FROM newest
ON CONFLICT (workspace, repository_id, pull_request_id) DO UPDATE
    SET
        builds = excluded.builds,
        builds_not_successful = excluded.builds_not_successful,
        data_as_of = excluded.data_as_of;
