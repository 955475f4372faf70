-- Purpose: how many results of a workspace stood where at an instant: what a written file is compared with.

SELECT
    results.test_id,
    results.status,
    count(*) AS subjects
FROM compliance.results_as_of(%(as_of)s) AS results
WHERE results.workspace = %(workspace)s
GROUP BY results.test_id, results.status
ORDER BY results.test_id, results.status;
