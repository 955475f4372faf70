-- Purpose: what earlier runs learnt of the pull requests of a chunk: when they count as merged, and since when at the
-- earliest; of an open one, until when it was not merged.

SELECT
    pull_requests.repository_id,
    pull_requests.pull_request_id,
    pull_requests.merged_on,
    CASE pull_requests.state
        WHEN 'MERGED' THEN pull_requests.merged_after ELSE pull_requests.data_as_of
    END AS merged_after
FROM staging.pull_requests AS pull_requests
INNER JOIN landing.work_items AS items
    ON pull_requests.workspace = items.workspace AND pull_requests.repository_id = items.repository_id
WHERE
    items.workspace = %(workspace)s
    AND items.run_id = %(run_id)s
    AND items.chunk = %(chunk)s;
