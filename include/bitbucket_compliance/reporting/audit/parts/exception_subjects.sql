-- Purpose: the failures that each exception was accepted for.

SELECT subjects.*
FROM compliance.exception_subjects AS subjects
WHERE subjects.workspace = %(workspace)s
ORDER BY subjects.exception_id, subjects.test_id, subjects.subject_id;
