-- Purpose: the branches that were the main branches of a chunk's repositories, and from when to when.

SELECT
    branches.repository_id,
    branches.main_branch,
    nullif(branches.since, '-infinity') AS since,
    branches.until
FROM staging.main_branches AS branches
INNER JOIN landing.work_items AS items
    ON branches.workspace = items.workspace AND branches.repository_id = items.repository_id
WHERE
    items.workspace = %(workspace)s
    AND items.run_id = %(run_id)s
    AND items.chunk = %(chunk)s
    AND branches.until IS NOT null;
