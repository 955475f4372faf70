-- Purpose: the repositories of one chunk, and how many come before them.

WITH totals AS (
    SELECT
        count(*) AS total,
        count(*) FILTER (WHERE items.chunk < %(chunk)s) AS before
    FROM landing.work_items AS items
    WHERE items.workspace = %(workspace)s AND items.run_id = %(run_id)s
)

SELECT
    items.repository_id,
    items.slug,
    items.main_branch,
    items.non_production,
    items.read_signature LIKE '%%+evidence' AS has_project_evidence,
    totals.total,
    totals.before
FROM landing.work_items AS items
CROSS JOIN totals
WHERE items.workspace = %(workspace)s AND items.run_id = %(run_id)s AND items.chunk = %(chunk)s
ORDER BY items.place;
