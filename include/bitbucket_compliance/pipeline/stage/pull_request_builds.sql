-- Purpose: the build statuses of merged pull requests, whichever run asked for them: those created before the merge,
-- the newest of each key.

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
),

answers AS (
    SELECT
        newest_answers.*,
        pull_requests.merged_on
    FROM newest_answers
    INNER JOIN staging.pull_requests AS pull_requests
        ON
            newest_answers.workspace = pull_requests.workspace
            AND newest_answers.repository_id = pull_requests.repository_id
            AND newest_answers.pull_request_id = pull_requests.pull_request_id
            AND pull_requests.merged_on IS NOT null
),

-- One without a key stands for itself.
keyed AS (
    SELECT
        answers.repository_id,
        answers.pull_request_id,
        coalesce(entries.body ->> 'key', entries.place::text) AS status_key,
        entries.body ->> 'state' AS state,
        (entries.body ->> 'created_on')::timestamptz AS created_on
    FROM answers
    CROSS JOIN LATERAL jsonb_array_elements(answers.statuses) WITH ORDINALITY AS entries (body, place)
    WHERE coalesce((entries.body ->> 'created_on')::timestamptz <= answers.merged_on, true)
),

newest AS (
    SELECT DISTINCT ON (keyed.repository_id, keyed.pull_request_id, keyed.status_key) keyed.*
    FROM keyed
    ORDER BY
        keyed.repository_id ASC,
        keyed.pull_request_id ASC,
        keyed.status_key ASC,
        keyed.created_on DESC NULLS FIRST,
        keyed.state = 'SUCCESSFUL' ASC
),

counted AS (
    SELECT
        newest.repository_id,
        newest.pull_request_id,
        count(*)::integer AS builds,
        count(*) FILTER (WHERE newest.state = 'SUCCESSFUL')::integer AS successful,
        count(*) FILTER (WHERE newest.state = 'INPROGRESS')::integer AS in_progress
    FROM newest
    GROUP BY newest.repository_id, newest.pull_request_id
)

SELECT
    answers.workspace,
    answers.repository_id,
    answers.pull_request_id,
    coalesce(counted.builds, 0) AS builds,
    coalesce(counted.builds - counted.successful - counted.in_progress, 0) AS builds_failed,
    coalesce(counted.in_progress, 0) AS builds_in_progress,
    answers.data_as_of
FROM answers
LEFT JOIN counted
    ON answers.repository_id = counted.repository_id AND answers.pull_request_id = counted.pull_request_id;
