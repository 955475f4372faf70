-- Purpose: the exceptions that cover one subject, did so, or are asked for about it, the newest first.

WITH about AS (
    SELECT subjects.exception_id
    FROM registry.exception_subjects AS subjects
    INNER JOIN compliance.tests AS tests ON subjects.test_id = tests.test_id
    WHERE subjects.workspace = %(workspace)s AND subjects.subject_id = %(subject_id)s
    UNION
    SELECT exceptions.exception_id
    FROM registry.exceptions AS exceptions
    WHERE exceptions.workspace = %(workspace)s AND exceptions.target = %(subject_id)s
)

SELECT
    exceptions.exception_id,
    exceptions.test_id,
    coalesce(tests.test_title, exceptions.test_id) AS test_title,
    exceptions.status,
    exceptions.scope,
    exceptions.owner,
    exceptions.reason,
    exceptions.expires_at,
    endings.ended_at,
    endings.cause
FROM compliance.exceptions AS exceptions
LEFT JOIN compliance.tests AS tests ON exceptions.test_id = tests.test_id
LEFT JOIN compliance.exception_endings AS endings
    ON exceptions.exception_id = endings.exception_id AND endings.subject_id = %(subject_id)s
WHERE exceptions.exception_id IN (SELECT about.exception_id FROM about)
ORDER BY exceptions.requested_at DESC
LIMIT %(limit)s;
