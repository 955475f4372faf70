-- Purpose: bodies a chunk landed in this run that decide what else has to be asked.

SELECT
    objects.repository_id,
    objects.resource,
    objects.body
FROM landing.work_items AS items
INNER JOIN landing.calls AS calls
    ON
        items.workspace = calls.workspace
        AND items.run_id = calls.run_id
        AND items.repository_id = calls.repository_id
        AND calls.resource = any(%(resources)s::text[])
        AND calls.outcome = 'ok'
-- as landing.run_objects, but from the calls on
INNER JOIN landing.objects AS objects
    ON
        calls.workspace = objects.workspace
        AND calls.resource = objects.resource
        AND calls.repository_id = objects.repository_id
        AND calls.run_id = objects.run_id
        AND calls.fetched_at = objects.fetched_at
WHERE
    items.workspace = %(workspace)s
    AND items.run_id = %(run_id)s
    AND items.chunk = %(chunk)s;
