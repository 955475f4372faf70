-- Purpose: requests that one repository took in earlier runs of the workspace, at its first reading and later.

WITH costs AS (
    SELECT
        items.cause = 'never_read' AS is_first,
        sum(calls.requests) AS requests
    FROM landing.work_items AS items
    INNER JOIN landing.calls AS calls
        ON
            items.workspace = calls.workspace
            AND items.run_id = calls.run_id
            AND items.repository_id = calls.repository_id
    WHERE
        items.workspace = %(workspace)s
        AND items.run_id <> %(run_id)s
        AND items.read_signature = %(read_signature)s
        AND NOT items.left_over
    GROUP BY items.run_id, items.repository_id, items.cause
)

SELECT
    avg(costs.requests) FILTER (WHERE costs.is_first) AS first_reading,
    avg(costs.requests) FILTER (WHERE NOT costs.is_first) AS later_reading
FROM costs;
