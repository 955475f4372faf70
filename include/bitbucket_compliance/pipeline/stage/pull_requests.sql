-- Purpose: open and recently merged pull requests with the persons who approved.

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
WHERE
    objects.workspace = %(workspace)s
    AND objects.resource = 'pull_requests'
    AND objects.run_id = %(run_id)s;
