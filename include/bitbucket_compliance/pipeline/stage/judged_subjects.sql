-- Purpose: what a run for events judges: the repositories it read, and those that its listing shows otherwise than
-- before (visibility, project, name): what is known is never left out of a verdict.

WITH wanted AS (
    SELECT items.repository_id
    FROM landing.work_items AS items
    WHERE items.workspace = %(workspace)s AND items.run_id = %(run_id)s AND NOT items.left_over
    UNION
    SELECT objects.object_key AS repository_id
    FROM landing.run_objects AS objects
    WHERE
        objects.workspace = %(workspace)s
        AND objects.run_id = %(run_id)s
        AND objects.resource = 'repositories'
        AND objects.first_fetched_at = objects.fetched_at
)

INSERT INTO judged.subjects (workspace, run_id, subject_id)
SELECT
    repositories.workspace,
    %(run_id)s,
    repositories.repository_id
FROM staging.repositories AS repositories
INNER JOIN wanted ON repositories.repository_id = wanted.repository_id
WHERE repositories.workspace = %(workspace)s
ON CONFLICT (workspace, run_id, subject_id) DO NOTHING;
