-- Purpose: verdicts that came to another status with the newest whole run or since, worst first, and how many.
-- The moment is a parameter: what is new since one can be estimated only where it is known.
WITH moved AS (
    SELECT
        history.test_id,
        history.subject_type,
        history.subject_id,
        coalesce(history.subject_name, history.subject_id) AS subject_name,
        history.status,
        history.reason,
        earlier.status AS was
    FROM compliance.result_history AS history
    -- One look into the index for each of the few.
    LEFT JOIN LATERAL (
        SELECT before.status
        FROM compliance.result_history AS before
        WHERE
            before.workspace = history.workspace
            AND before.test_id = history.test_id
            AND before.subject_id = history.subject_id
            AND before.valid_to = history.valid_from
        LIMIT 1 -- noqa: AM09
    ) AS earlier ON true
    WHERE
        history.workspace = %(workspace)s
        AND history.valid_from >= %(newest)s
        AND history.valid_to IS null
        AND earlier.status IS DISTINCT FROM history.status
        AND history.run_id IS NOT null
        -- With the first whole run everything is new; what events changed since is not.
        AND (history.run_id <> %(run_id)s OR %(published)s > 1)
)

SELECT
    moved.test_id,
    tests.test_title,
    moved.subject_type,
    moved.subject_id,
    moved.subject_name,
    moved.was,
    moved.status,
    moved.reason,
    count(*) OVER () AS changes
FROM moved
INNER JOIN compliance.tests AS tests ON moved.test_id = tests.test_id
ORDER BY
    array_position(ARRAY['failing', 'error', 'pending', 'passing'], moved.status) ASC,
    tests.display_order ASC,
    moved.subject_name ASC
LIMIT %(limit)s
