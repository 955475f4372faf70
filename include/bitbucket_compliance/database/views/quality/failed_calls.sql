-- Purpose: the calls that error_share counts.

CREATE VIEW quality.failed_calls AS
SELECT
    coverage.repository_id,
    repositories.slug,
    coverage.resource,
    coverage.outcome,
    coverage.http_status,
    left(coverage.message, 120) AS message
FROM staging.coverage AS coverage
INNER JOIN staging.repositories AS repositories
    ON coverage.workspace = repositories.workspace AND coverage.repository_id = repositories.repository_id
WHERE
    coverage.workspace = current_setting('compliance.workspace')
    AND coverage.resource <> all(string_to_array(current_setting('compliance.may_be_unread'), ','))
    AND (
        coverage.outcome = 'failed'
        OR (
            coverage.outcome = 'not_found'
            AND coverage.resource <> all(string_to_array(current_setting('compliance.may_be_absent'), ','))
        )
    );
