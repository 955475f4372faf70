-- Purpose: split the listed repositories into chunks, and note what spares requests: no main branch, non-production.

INSERT INTO landing.work_items (workspace, run_id, chunk, repository_id, slug, main_branch, non_production)
SELECT
    repositories.workspace,
    %(run_id)s,
    (row_number() OVER (ORDER BY repositories.slug, repositories.repository_id) - 1) / %(chunk_size)s,
    repositories.repository_id,
    repositories.slug,
    repositories.main_branch,
    coalesce(classification.classification = 'non_production', false)
FROM staging.repositories AS repositories
LEFT JOIN registry.repository_classification AS classification
    ON
        repositories.workspace = classification.workspace
        AND repositories.repository_id = classification.repository_id
WHERE repositories.workspace = %(workspace)s
ON CONFLICT (workspace, run_id, repository_id) DO NOTHING;
