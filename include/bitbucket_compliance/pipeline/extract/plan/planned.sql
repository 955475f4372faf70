-- Purpose: how many repositories the run reads, by cause.

SELECT
    items.cause,
    count(*) AS repositories,
    max(items.chunk) AS last_chunk
FROM landing.work_items AS items
WHERE items.workspace = %(workspace)s AND items.run_id = %(run_id)s
GROUP BY items.cause
ORDER BY items.cause;
