-- Purpose: the build statuses of merged pull requests, whichever run asked for them: they don't change any more.

SELECT DISTINCT ON (objects.object_key)
    objects.workspace,
    objects.repository_id,
    (objects.body ->> 'pull_request_id')::bigint AS pull_request_id,
    jsonb_array_length(objects.body -> 'values') AS builds,
    (
        SELECT count(*)
        FROM jsonb_array_elements(objects.body -> 'values') AS statuses (body)
        WHERE statuses.body ->> 'state' IS DISTINCT FROM 'SUCCESSFUL'
    ) AS builds_not_successful,
    objects.fetched_at AS data_as_of
FROM landing.objects AS objects
INNER JOIN staging.repositories AS repositories
    ON objects.workspace = repositories.workspace AND objects.repository_id = repositories.repository_id
WHERE
    objects.workspace = %(workspace)s
    AND objects.resource = 'pull_request_statuses'
ORDER BY objects.object_key ASC, objects.fetched_at DESC;
