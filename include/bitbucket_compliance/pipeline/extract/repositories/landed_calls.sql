-- Purpose: what a chunk has landed already in this run, so that a retry does not ask for it again.

SELECT
    calls.repository_id,
    calls.resource,
    calls.item_key,
    calls.outcome,
    calls.incomplete_because IS NOT null AS is_incomplete
FROM landing.calls AS calls
INNER JOIN landing.work_items AS items
    ON
        calls.workspace = items.workspace
        AND calls.run_id = items.run_id
        AND calls.repository_id = items.repository_id
WHERE
    items.workspace = %(workspace)s
    AND items.run_id = %(run_id)s
    AND items.chunk = %(chunk)s
    AND calls.outcome <> 'failed';
