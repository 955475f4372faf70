-- Purpose: the subjects that were frozen for an exception, with their results of now.

SELECT
    frozen.subject_id,
    coalesce(results.subject_name, frozen.subject_id) AS subject_name,
    results.status,
    results.severity
FROM registry.exception_subjects AS frozen
LEFT JOIN compliance.current_results AS results
    ON
        frozen.workspace = results.workspace
        AND frozen.test_id = results.test_id
        AND frozen.subject_id = results.subject_id
WHERE frozen.exception_id = %(exception_id)s::uuid
ORDER BY results.subject_name ASC, frozen.subject_id ASC;
