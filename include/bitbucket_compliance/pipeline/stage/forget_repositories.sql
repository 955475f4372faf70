-- Purpose: forget what was staged below repositories that a complete listing no longer names.

WITH repositories AS (
    SELECT staged.repository_id
    FROM staging.repositories AS staged
    WHERE staged.workspace = %(workspace)s
),

restrictions AS (
    DELETE FROM staging.branch_restrictions AS staged
    WHERE
        staged.workspace = %(workspace)s
        AND NOT EXISTS (SELECT 1 FROM repositories WHERE repositories.repository_id = staged.repository_id)
),

pull_requests AS (
    DELETE FROM staging.pull_requests AS staged
    WHERE
        staged.workspace = %(workspace)s
        AND NOT EXISTS (SELECT 1 FROM repositories WHERE repositories.repository_id = staged.repository_id)
),

builds AS (
    DELETE FROM staging.pull_request_builds AS staged
    WHERE
        staged.workspace = %(workspace)s
        AND NOT EXISTS (SELECT 1 FROM repositories WHERE repositories.repository_id = staged.repository_id)
),

coverage AS (
    DELETE FROM staging.coverage AS staged
    WHERE
        staged.workspace = %(workspace)s
        AND staged.repository_id <> ''
        AND NOT EXISTS (SELECT 1 FROM repositories WHERE repositories.repository_id = staged.repository_id)
),

models AS (
    DELETE FROM staging.branching_models AS staged
    WHERE
        staged.workspace = %(workspace)s
        AND NOT EXISTS (SELECT 1 FROM repositories WHERE repositories.repository_id = staged.repository_id)
),

configs AS (
    DELETE FROM staging.pipelines_configs AS staged
    WHERE
        staged.workspace = %(workspace)s
        AND NOT EXISTS (SELECT 1 FROM repositories WHERE repositories.repository_id = staged.repository_id)
)

DELETE FROM staging.latest_pipelines AS staged
WHERE
    staged.workspace = %(workspace)s
    AND NOT EXISTS (SELECT 1 FROM repositories WHERE repositories.repository_id = staged.repository_id);
