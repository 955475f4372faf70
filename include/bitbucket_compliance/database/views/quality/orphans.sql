-- Purpose: staged rows of repositories that are not listed: nobody would judge them.

CREATE VIEW quality.orphans AS
WITH below AS (
    SELECT
        'branch_restrictions' AS staged_table,
        repository_id
    FROM quality.branch_restrictions
    UNION ALL
    SELECT
        'branching_models' AS staged_table,
        repository_id
    FROM quality.branching_models
    UNION ALL
    SELECT
        'pull_requests' AS staged_table,
        repository_id
    FROM quality.pull_requests
    UNION ALL
    SELECT
        'merge_checks' AS staged_table,
        repository_id
    FROM quality.merge_checks
    UNION ALL
    SELECT
        'default_reviewers' AS staged_table,
        repository_id
    FROM quality.default_reviewers
    UNION ALL
    SELECT
        'pull_request_builds' AS staged_table,
        repository_id
    FROM quality.pull_request_builds
    UNION ALL
    SELECT
        'pipelines_configs' AS staged_table,
        repository_id
    FROM quality.pipelines_configs
    UNION ALL
    SELECT
        'latest_pipelines' AS staged_table,
        repository_id
    FROM quality.latest_pipelines
    UNION ALL
    SELECT
        'coverage' AS staged_table,
        repository_id
    FROM quality.coverage
    WHERE repository_id <> ''
)

SELECT
    below.staged_table,
    below.repository_id,
    count(*) AS staged_rows
FROM below
WHERE
    NOT EXISTS (
        SELECT 1 FROM quality.repositories AS repositories
        WHERE repositories.repository_id = below.repository_id
    )
GROUP BY below.staged_table, below.repository_id;
