-- Purpose: the share of listed repositories of which a call failed when they were last read. Missing rights are no
-- failure; nor is a 404 that only says that nobody configured something.

CREATE VIEW quality.error_share AS
WITH counted AS (
    SELECT
        (SELECT count(*) FROM quality.repositories) AS listed,
        (SELECT count(DISTINCT repository_id) FROM quality.failed_calls) AS failed
)

SELECT
    listed,
    failed,
    coalesce(failed::double precision / nullif(listed, 0), 0) AS share
FROM counted;
