-- Purpose: how a verdict went on and off, newest first.
SELECT
    history.status,
    history.basis,
    history.reason,
    history.policy_version,
    history.valid_from,
    history.valid_to,
    history.exception_id
FROM compliance.result_history AS history
WHERE
    history.workspace = %(workspace)s
    AND history.test_id = %(test_id)s
    AND history.subject_id = %(subject_id)s
ORDER BY history.valid_from DESC
LIMIT %(limit)s
