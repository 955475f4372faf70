-- Purpose: the share of the repositories asked by the run of which it could read nothing; up to three count as none:
-- few repositories may be gone or broken, many at once mean that Bitbucket is out of order.

CREATE VIEW quality.error_share AS
WITH counted AS (
    SELECT
        (
            SELECT count(DISTINCT coverage.repository_id)
            FROM quality.coverage AS coverage
            INNER JOIN quality.repositories AS repositories ON coverage.repository_id = repositories.repository_id
            WHERE coverage.run_id = current_setting('compliance.run_id')
        ) AS asked,
        (SELECT count(DISTINCT repository_id) FROM quality.failed_calls) AS failed
)

SELECT
    asked,
    failed,
    CASE WHEN failed > 3 THEN failed::double precision / asked ELSE 0 END AS share
FROM counted;
