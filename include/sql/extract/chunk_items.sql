-- Purpose: the repositories of one chunk, and how many come before them.

SELECT
    items.repository_id,
    items.slug,
    items.main_branch,
    items.non_production,
    totals.total,
    totals.before
FROM landing.work_items AS items
CROSS JOIN (
    SELECT
        count(*) AS total,
        count(*) FILTER (WHERE chunk < %(chunk)s) AS before
    FROM landing.work_items
    WHERE workspace = %(workspace)s AND run_id = %(run_id)s
) AS totals
WHERE items.workspace = %(workspace)s AND items.run_id = %(run_id)s AND items.chunk = %(chunk)s
ORDER BY items.slug, items.repository_id;
