-- Purpose: bodies a chunk landed in this run that decide what else has to be asked.

SELECT
    objects.repository_id,
    objects.resource,
    objects.body
FROM landing.run_objects AS objects
INNER JOIN landing.work_items AS items
    ON objects.workspace = items.workspace AND objects.repository_id = items.repository_id
WHERE
    items.workspace = %(workspace)s
    AND items.run_id = %(run_id)s
    AND items.chunk = %(chunk)s
    AND objects.run_id = %(run_id)s
    AND objects.resource IN ('branch_restrictions', 'pull_requests');
