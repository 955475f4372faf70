-- Purpose: the build statuses of merged pull requests, whichever run asked for them: those created before the merge, the
-- newest of each key.

WITH newest_answers AS (
    SELECT DISTINCT ON (objects.object_key)
        objects.workspace,
        objects.repository_id,
        (objects.body ->> 'pull_request_id')::bigint AS pull_request_id,
        objects.body -> 'values' AS statuses,
        objects.fetched_at AS data_as_of
    FROM landing.objects AS objects
    WHERE
        objects.workspace = %(workspace)s
        AND objects.resource = 'pull_request_statuses'
    ORDER BY objects.object_key ASC, objects.fetched_at DESC
)

SELECT
    answers.workspace,
    answers.repository_id,
    answers.pull_request_id,
    counted.builds,
    counted.builds - counted.successful - counted.in_progress AS builds_failed,
    counted.in_progress AS builds_in_progress,
    answers.data_as_of
FROM newest_answers AS answers
INNER JOIN staging.pull_requests AS pull_requests
    ON
        answers.workspace = pull_requests.workspace
        AND answers.repository_id = pull_requests.repository_id
        AND answers.pull_request_id = pull_requests.pull_request_id
        AND pull_requests.merged_on IS NOT null
CROSS JOIN
    LATERAL (
        SELECT
            count(*)::integer AS builds,
            count(*) FILTER (WHERE newest.state = 'SUCCESSFUL')::integer AS successful,
            count(*) FILTER (WHERE newest.state = 'INPROGRESS')::integer AS in_progress
        FROM (
            SELECT DISTINCT ON (coalesce(entries.body ->> 'key', entries.place::text))
                entries.body ->> 'state' AS state
            FROM jsonb_array_elements(answers.statuses) WITH ORDINALITY AS entries (body, place)
            WHERE
                coalesce((entries.body ->> 'created_on')::timestamptz <= pull_requests.merged_on, true)
            ORDER BY
                coalesce(entries.body ->> 'key', entries.place::text) ASC,
                (entries.body ->> 'created_on')::timestamptz DESC NULLS FIRST,
                entries.body ->> 'state' = 'SUCCESSFUL' ASC
        ) AS newest
    ) AS counted;
