-- Which control has which failing subjects?
-- Purpose: for each control of a framework, the subjects that fail a test which gives evidence for it.

WITH by_test AS (
    SELECT
        results.test_id,
        count(*) AS decided,
        count(*) FILTER (WHERE results.status = 'failing') AS failing,
        (array_agg(results.subject_name ORDER BY results.subject_name) FILTER (
            WHERE results.status = 'failing'
        ))[1:3] AS some_of_them
    FROM compliance.current_results AS results
    WHERE results.workspace = 'demo-workspace' AND results.status IN ('passing', 'failing')
    GROUP BY results.test_id
)

SELECT
    controls.framework,
    controls.control,
    controls.strength,
    controls.test_id,
    by_test.decided,
    by_test.failing,
    by_test.some_of_them
FROM compliance.test_controls AS controls
INNER JOIN by_test ON controls.test_id = by_test.test_id
ORDER BY controls.framework ASC, controls.control ASC, by_test.failing DESC, controls.test_id ASC;
