-- Purpose: the share of listed repositories of which a call failed when they were last read; up to three count as none,
-- for their verdicts say so themselves. Missing rights are no failure; nor is a 404 that only says that nobody
-- configured something.

CREATE VIEW quality.error_share AS
WITH counted AS (
    SELECT
        (SELECT count(*) FROM quality.repositories) AS listed,
        (SELECT count(DISTINCT repository_id) FROM quality.failed_calls) AS failed
)

SELECT
    listed,
    failed,
    CASE WHEN failed > 3 THEN failed::double precision / nullif(listed, 0) ELSE 0 END AS share
FROM counted;
