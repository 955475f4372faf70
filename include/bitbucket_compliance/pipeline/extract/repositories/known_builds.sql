-- Purpose: merged pull requests of a chunk whose build statuses were landed by any run: they don't change any more.

SELECT DISTINCT ON (objects.object_key)
    objects.repository_id,
    objects.body
FROM landing.objects AS objects
INNER JOIN landing.work_items AS items
    ON objects.workspace = items.workspace AND objects.repository_id = items.repository_id
WHERE
    items.workspace = %(workspace)s
    AND items.run_id = %(run_id)s
    AND items.chunk = %(chunk)s
    AND objects.resource = %(statuses)s
    AND (objects.run_id = %(run_id)s OR NOT %(full_refresh)s)
ORDER BY objects.object_key ASC, objects.fetched_at DESC;
