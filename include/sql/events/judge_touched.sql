-- Purpose: what a run for events judges: the repositories it read.

INSERT INTO judged.subjects (workspace, run_id, subject_id)
SELECT
    items.workspace,
    items.run_id,
    items.repository_id
FROM landing.work_items AS items
INNER JOIN staging.repositories AS repositories
    ON items.workspace = repositories.workspace AND items.repository_id = repositories.repository_id
WHERE items.workspace = %(workspace)s AND items.run_id = %(run_id)s AND NOT items.left_over
ON CONFLICT (workspace, run_id, subject_id) DO NOTHING;
