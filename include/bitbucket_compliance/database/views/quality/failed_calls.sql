-- Purpose: the calls on those repositories of which the run could read nothing. A refusal is an answer, so missing
-- rights are no failure.

CREATE VIEW quality.failed_calls AS
WITH calls AS (
    SELECT
        coverage.*,
        bool_or(coverage.outcome IN ('ok', 'scope_missing', 'permission_missing'))
            OVER (PARTITION BY coverage.repository_id)
            AS was_answered
    FROM staging.coverage AS coverage
    WHERE
        coverage.workspace = current_setting('compliance.workspace')
        AND coverage.run_id = current_setting('compliance.run_id')
)

SELECT
    calls.repository_id,
    repositories.slug,
    calls.resource,
    calls.outcome,
    calls.http_status,
    left(calls.message, 120) AS message
FROM calls
INNER JOIN quality.repositories AS repositories ON calls.repository_id = repositories.repository_id
WHERE NOT calls.was_answered;
