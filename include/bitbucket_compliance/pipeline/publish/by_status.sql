-- Purpose: how many current results of the workspace have each status.

SELECT
    results.status,
    count(*) AS results
FROM compliance.results AS results
WHERE results.workspace = %(workspace)s
GROUP BY results.status
ORDER BY results.status;
