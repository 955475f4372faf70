-- What failed on a given day?
-- Purpose: every failure that stood at the end of 16 March 2026, whatever became of it since.

SELECT
    results.test_id,
    results.severity,
    results.subject_name,
    results.reason_code,
    results.valid_from::date AS stood_since
FROM compliance.results_as_of('2026-03-17 00:00:00+00') AS results
INNER JOIN compliance.severity_weights AS weights ON results.severity = weights.severity
WHERE results.workspace = 'demo-workspace' AND results.status = 'failing'
ORDER BY weights.weight DESC, results.test_id ASC, results.subject_name ASC;
