-- Purpose: staged rows of repositories that are not listed: nobody would judge them.

CREATE VIEW quality.orphans AS
WITH below AS (
    SELECT
        'branch_restrictions' AS staged_table,
        staged.repository_id
    FROM staging.branch_restrictions AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'branching_models' AS staged_table,
        staged.repository_id
    FROM staging.branching_models AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'pull_requests' AS staged_table,
        staged.repository_id
    FROM staging.pull_requests AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'pull_request_builds' AS staged_table,
        staged.repository_id
    FROM staging.pull_request_builds AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'pipelines_configs' AS staged_table,
        staged.repository_id
    FROM staging.pipelines_configs AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'latest_pipelines' AS staged_table,
        staged.repository_id
    FROM staging.latest_pipelines AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'coverage' AS staged_table,
        staged.repository_id
    FROM staging.coverage AS staged
    WHERE staged.workspace = current_setting('compliance.workspace') AND staged.repository_id <> ''
)

SELECT
    below.staged_table,
    below.repository_id,
    count(*) AS staged_rows
FROM below
WHERE
    NOT EXISTS (
        SELECT 1
        FROM staging.repositories AS repositories
        WHERE
            repositories.workspace = current_setting('compliance.workspace')
            AND repositories.repository_id = below.repository_id
    )
GROUP BY below.staged_table, below.repository_id;
