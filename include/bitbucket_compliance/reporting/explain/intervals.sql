-- Purpose: how the result of one subject went on and off, newest first.

SELECT
    history.status,
    history.reason_code,
    history.exception_id::text AS exception_id,
    history.valid_from,
    history.valid_to
FROM compliance.result_history AS history
WHERE
    history.workspace = %(workspace)s
    AND history.test_id = %(test_id)s
    AND history.subject_id = %(subject_id)s
ORDER BY history.valid_from DESC
LIMIT %(limit)s;
