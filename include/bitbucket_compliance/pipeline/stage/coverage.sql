-- Purpose: stage what could be read of each subject, and why not; the worst outcome of a resource stands.
-- What this run did not read again keeps its outcome; calls that a repository no longer needs are forgotten when it was
-- read to the end, those on the workspace only by a run that lists all of it.

WITH ranked AS (
    SELECT
        calls.workspace,
        calls.repository_id,
        calls.resource,
        calls.outcome,
        calls.message,
        calls.http_status,
        calls.complete,
        calls.run_id,
        calls.fetched_at,
        row_number() OVER (
            PARTITION BY calls.repository_id, calls.resource
            ORDER BY
                CASE calls.outcome
                    WHEN 'failed' THEN 1
                    WHEN 'not_found' THEN 2
                    WHEN 'permission_missing' THEN 3
                    WHEN 'scope_missing' THEN 4
                    ELSE 5
                END ASC,
                calls.fetched_at ASC
        ) AS badness
    FROM landing.calls AS calls
    WHERE
        calls.workspace = %(workspace)s
        AND calls.run_id = %(run_id)s
        -- Where a repository could not be asked for by itself, the listing was read instead.
        AND calls.resource <> %(in_place_of_listing)s
),

current_calls AS (
    SELECT * FROM ranked
    WHERE badness = 1
),

forgotten AS (
    DELETE FROM staging.coverage AS staged
    WHERE
        staged.workspace = %(workspace)s
        AND (
            (staged.repository_id = '' AND %(lists_all)s)
            OR EXISTS (
                SELECT 1 FROM landing.repository_reads AS reads
                WHERE
                    reads.workspace = staged.workspace
                    AND reads.repository_id = staged.repository_id
                    AND reads.run_id = %(run_id)s
            )
        )
        AND NOT EXISTS (
            SELECT 1 FROM current_calls
            WHERE current_calls.repository_id = staged.repository_id AND current_calls.resource = staged.resource
        )
)

INSERT INTO staging.coverage (
    workspace, repository_id, resource, outcome, message, http_status, complete, run_id, data_as_of
)
SELECT
    current_calls.workspace,
    current_calls.repository_id,
    current_calls.resource,
    current_calls.outcome,
    current_calls.message,
    current_calls.http_status,
    current_calls.complete,
    current_calls.run_id,
    current_calls.fetched_at
FROM current_calls
ON CONFLICT (workspace, repository_id, resource) DO UPDATE
    SET
        outcome = excluded.outcome,
        message = excluded.message,
        http_status = excluded.http_status,
        complete = excluded.complete,
        run_id = excluded.run_id,
        data_as_of = excluded.data_as_of;
