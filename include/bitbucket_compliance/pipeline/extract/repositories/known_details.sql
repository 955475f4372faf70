-- Purpose: what any run landed of merged pull requests of a chunk (build statuses, activity), and whether this one did.

SELECT DISTINCT ON (objects.resource, objects.object_key)
    objects.repository_id,
    objects.resource,
    objects.body,
    objects.run_id = %(run_id)s AS is_of_this_run
FROM landing.objects AS objects
INNER JOIN landing.work_items AS items
    ON objects.workspace = items.workspace AND objects.repository_id = items.repository_id
WHERE
    items.workspace = %(workspace)s
    AND items.run_id = %(run_id)s
    AND items.chunk = %(chunk)s
    AND objects.resource = any(%(details)s::text[])
ORDER BY objects.resource ASC, objects.object_key ASC, objects.fetched_at DESC;
