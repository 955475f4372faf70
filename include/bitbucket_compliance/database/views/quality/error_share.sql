-- Purpose: the share of listed repositories of which a call failed when they were last read. Missing rights are no
-- failure; nor is a 404 that only says that nobody configured something.

CREATE VIEW quality.error_share AS
WITH repositories AS (
    SELECT
        staged.repository_id,
        coalesce(bool_or(
            coverage.outcome = 'failed'
            OR (
                coverage.outcome = 'not_found'
                AND coverage.resource <> all(string_to_array(current_setting('compliance.may_be_absent'), ','))
            )
        ), false) AS failed
    FROM staging.repositories AS staged
    LEFT JOIN staging.coverage AS coverage
        ON staged.workspace = coverage.workspace AND staged.repository_id = coverage.repository_id
    WHERE staged.workspace = current_setting('compliance.workspace')
    GROUP BY staged.repository_id
)

SELECT
    count(*) AS listed,
    count(*) FILTER (WHERE failed) AS failed,
    coalesce(count(*) FILTER (WHERE failed)::double precision / nullif(count(*), 0), 0) AS share
FROM repositories;
