-- Purpose: the controls that a test gives evidence for.
SELECT
    controls.framework,
    string_agg(controls.control, ', ' ORDER BY controls.control) AS controls
FROM compliance.test_controls AS controls
WHERE controls.test_id = %(test_id)s
GROUP BY controls.framework
ORDER BY controls.framework
