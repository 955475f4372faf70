-- Purpose: the failures that an exception was accepted for, with the endings that were noted.

SELECT
    subjects.subject_id,
    coalesce(results.subject_name, subjects.subject_id) AS subject_name,
    results.status,
    subjects.ended_at,
    subjects.cause
FROM compliance.exception_subjects AS subjects
LEFT JOIN compliance.current_results AS results
    ON
        subjects.workspace = results.workspace
        AND subjects.test_id = results.test_id
        AND subjects.subject_id = results.subject_id
WHERE subjects.exception_id = %(key)s::uuid
ORDER BY results.subject_name ASC, subjects.subject_id ASC
LIMIT %(limit)s;
