-- What changed between two days?
-- Purpose: every verdict that stood otherwise at the end of 31 March 2026 than at the end of 16 March.

WITH first_day AS (
    SELECT * FROM compliance.results_as_of('2026-03-17 00:00:00+00') WHERE workspace = 'demo-workspace'
),

second_day AS (
    SELECT * FROM compliance.results_as_of('2026-04-01 00:00:00+00') WHERE workspace = 'demo-workspace'
)

SELECT
    coalesce(second_day.test_id, first_day.test_id) AS test_id,
    coalesce(second_day.subject_name, first_day.subject_name) AS subject_name,
    coalesce(first_day.status, 'not there') AS was,
    coalesce(second_day.status, 'not there') AS became,
    second_day.reason_code
FROM first_day
FULL OUTER JOIN second_day
    ON first_day.test_id = second_day.test_id AND first_day.subject_id = second_day.subject_id
WHERE first_day.status IS DISTINCT FROM second_day.status
ORDER BY test_id ASC, subject_name ASC;
