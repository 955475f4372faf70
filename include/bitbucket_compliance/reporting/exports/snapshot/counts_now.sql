-- Purpose: how many current results of a workspace stand where: what a written file is compared with.

SELECT
    results.test_id,
    results.status,
    count(*) AS subjects
FROM compliance.current_results AS results
WHERE results.workspace = %(workspace)s
GROUP BY results.test_id, results.status
ORDER BY results.test_id, results.status;
