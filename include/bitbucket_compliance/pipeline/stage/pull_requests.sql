-- Purpose: stage open and recently merged pull requests with the persons who approved, and forget those that a
-- complete listing no longer names (declined, superseded, or merged before the window).

WITH fetched AS (
    SELECT
        objects.workspace,
        objects.repository_id,
        (objects.body ->> 'id')::bigint AS pull_request_id,
        objects.body ->> 'state' AS state,
        objects.body #>> '{author,uuid}' AS author_id,
        objects.body #>> '{destination,branch,name}' AS destination_branch,
        coalesce((
            SELECT array_agg(DISTINCT participants.body #>> '{user,uuid}')
            FROM
                jsonb_array_elements(
                    CASE
                        WHEN jsonb_typeof(objects.body -> 'participants') = 'array' THEN objects.body -> 'participants'
                        ELSE '[]'
                    END
                ) AS participants (body)
            WHERE
                participants.body -> 'approved' = 'true'
                AND participants.body #>> '{user,type}' = 'user'
                AND participants.body #>> '{user,uuid}' IS NOT null
        ), '{}') AS approved_by,
        (objects.body ->> 'created_on')::timestamptz AS created_on,
        (objects.body ->> 'updated_on')::timestamptz AS updated_on,
        objects.fetched_at AS data_as_of
    FROM landing.run_objects AS objects
    INNER JOIN staging.repositories AS repositories
        ON objects.workspace = repositories.workspace AND objects.repository_id = repositories.repository_id
    WHERE
        objects.workspace = %(workspace)s
        AND objects.resource = 'pull_requests'
        AND objects.run_id = %(run_id)s
)

INSERT INTO staging.pull_requests (
    workspace,
    repository_id,
    pull_request_id,
    state,
    author_id,
    destination_branch,
    approved_by,
    created_on,
    updated_on,
    data_as_of
)
SELECT
    fetched.workspace,
    fetched.repository_id,
    fetched.pull_request_id,
    fetched.state,
    fetched.author_id,
    fetched.destination_branch,
    fetched.approved_by,
    fetched.created_on,
    fetched.updated_on,
    fetched.data_as_of
FROM fetched
ON CONFLICT (workspace, repository_id, pull_request_id) DO UPDATE
    SET
        state = excluded.state,
        author_id = excluded.author_id,
        destination_branch = excluded.destination_branch,
        approved_by = excluded.approved_by,
        created_on = excluded.created_on,
        updated_on = excluded.updated_on,
        data_as_of = excluded.data_as_of;
